/**
 * Every setting, declared once, as data: its name in the configuration file, its flag, its environment
 * variable, its type, default and description. Help, parsing and error messages all come from this table.
 */
import { LOG_LEVELS } from "../platform/logging/entry.ts";
import { LOG_FORMATS } from "../platform/logging/format.ts";
import { DAY_MS } from "../platform/time_units.ts";
import { SERVER_SETTINGS } from "./server_settings.ts";
import { type Setting, setting } from "./setting.ts";
import {
  boolean,
  decimal,
  duration,
  httpUrl,
  integer,
  listenAddressOrOff,
  oneOf,
  path,
  size,
  text,
} from "./value_type.ts";

export type { Setting } from "./setting.ts";

const RELOADABLE = { isReloadable: true };

export const SETTINGS = {
  dataDir: setting("DataDir", "--data-dir", path, undefined, "directory of logs and archives", {
    defaultText: "~/.airunner",
    example: "~/.airunner",
  }),
  logLevel: setting(
    "LogLevel",
    "--log-level",
    oneOf(LOG_LEVELS, "LEVEL"),
    "info",
    "how much to say: debug, info, warn or error",
    RELOADABLE,
  ),
  logFormat: setting(
    "LogFormat",
    "--log-format",
    oneOf(LOG_FORMATS),
    "text",
    "form of log lines: text for people, or JSON, one object a line",
  ),
  logFile: setting(
    "LogFile",
    "--log-file",
    boolean,
    undefined,
    "write log lines to a file in DATA-DIR/logs as well",
    { defaultText: "true for the worker, false for the server", example: "true" },
  ),
  logFileMaxBytes: setting(
    "LogFileMaxBytes",
    "--log-file-max-bytes",
    size(10e3),
    10e6,
    "size at which the log file is rotated",
  ),
  logFileCount: setting(
    "LogFileCount",
    "--log-file-count",
    // With one file a rotation would drop the newest lines.
    integer(2, 1000),
    5,
    "log files to keep, the one that is written included",
  ),

  server: setting("Server", "--server", httpUrl, undefined, "address of the server", {
    example: "https://airunner.example.com",
  }),
  credential: setting(
    "Credential",
    "--credential",
    text,
    undefined,
    "name of the key pair to sign in with",
    { defaultText: "default_credential of credentials/config.json", example: "ci" },
  ),
  queue: setting("Queue", "--queue", text, "default", "queue of jobs"),
  caFile: setting(
    "CAFile",
    "--ca-file",
    path,
    undefined,
    "certificates in PEM to trust beside the known ones: a private authority's, or a server's own",
    { defaultText: "none, or SSL_CERT_FILE", example: "/etc/airunner/ca.pem" },
  ),
  requestTimeout: setting(
    "RequestTimeout",
    "--request-timeout",
    duration(100, 3_600_000),
    30_000,
    "longest wait for one answer of the server",
  ),

  concurrency: setting(
    "Concurrency",
    "--concurrency",
    integer(1, 256),
    1,
    "jobs to run at a time",
    RELOADABLE,
  ),
  workerName: setting(
    "WorkerName",
    "--worker-name",
    text,
    undefined,
    "name of this worker in logs",
    { defaultText: "the host's name", example: "build-host-1" },
  ),
  jobUser: setting("JobUser", "--job-user", text, undefined, "user as whom jobs run", {
    defaultText: "the worker's own",
    example: "ci",
  }),
  workDir: setting(
    "WorkDir",
    "--work-dir",
    path,
    undefined,
    "place where each job gets a directory of its own to run in",
    {
      defaultText: "none; with a job user /var/tmp/airunner-UID",
      example: "/var/tmp/airunner-jobs",
    },
  ),
  gracePeriod: setting(
    "GracePeriod",
    "--grace-period",
    duration(0, DAY_MS),
    30_000,
    "time that running jobs get to end when the worker is stopped",
    RELOADABLE,
  ),
  visibilityTimeout: setting(
    "VisibilityTimeout",
    "--visibility-timeout",
    // Twelve hours is the longest that servers take.
    duration(1000, DAY_MS / 2),
    300_000,
    "time after which a job without a sign of life returns to its queue",
  ),

  walDir: setting("WALDir", "--wal-dir", path, undefined, "directory of the logs", {
    defaultText: "DATA-DIR/wal",
    example: "~/.airunner/wal",
  }),
  archiveDir: setting(
    "ArchiveDir",
    "--archive-dir",
    path,
    undefined,
    "directory of archives",
    { defaultText: "DATA-DIR/archive", example: "~/.airunner/archive" },
  ),
  flushInterval: setting(
    "FlushInterval",
    "--flush-interval",
    // The protocol flushes a batch after 2 s at the latest.
    duration(10, 2000),
    2000,
    "longest time that output waits in memory before it is in the log",
    RELOADABLE,
  ),
  sync: setting(
    "Sync",
    "--sync",
    oneOf(["always", "interval"]),
    "always",
    "when appended events are forced to disk; interval can lose the last 100ms",
  ),
  walMaxBytes: setting(
    "WALMaxBytes",
    "--wal-max-bytes",
    size(16e6),
    10e9,
    "unsent bytes on disk at which jobs' output is paused until the server has caught up",
    RELOADABLE,
  ),
  minFreeSpace: setting(
    "MinFreeSpace",
    "--min-free-space",
    size(0),
    256e6,
    "free disk space at which jobs' output is paused",
    RELOADABLE,
  ),

  retryInitialInterval: setting(
    "RetryBackoff.InitialInterval",
    "--retry-initial-interval",
    duration(1, DAY_MS),
    1000,
    "first wait before a failed delivery is tried again",
    RELOADABLE,
  ),
  retryMaxInterval: setting(
    "RetryBackoff.MaxInterval",
    "--retry-max-interval",
    duration(1, DAY_MS),
    60_000,
    "longest wait between two tries",
    RELOADABLE,
  ),
  retryMultiplier: setting(
    "RetryBackoff.Multiplier",
    "--retry-multiplier",
    decimal(1, 100),
    2,
    "growth of the wait from one try to the next",
    RELOADABLE,
  ),
  retryAttempts: setting(
    "RetryBackoff.MaxAttempts",
    "--retry-attempts",
    integer(1, 1000),
    10,
    "tries after which an event that the server refuses for good counts as failed",
    RELOADABLE,
  ),

  archiveOnComplete: setting(
    "ArchiveOnComplete",
    "--archive-on-complete",
    boolean,
    true,
    "compress a log once the server has all of it",
    RELOADABLE,
  ),
  compressionLevel: setting(
    "CompressionLevel",
    "--compression-level",
    integer(1, 19),
    3,
    "zstd level of archives",
    RELOADABLE,
  ),
  retentionDays: setting(
    "RetentionDays",
    "--retention-days",
    integer(1, 36_500),
    30,
    "days to keep archives",
    RELOADABLE,
  ),

  metricsListen: setting(
    "MetricsListen",
    "--metrics-listen",
    listenAddressOrOff,
    { hostname: "127.0.0.1", port: 9464 },
    "address of /metrics, /healthz and /readyz",
  ),
  readyMaxUnsentAge: setting(
    "ReadyMaxUnsentAge",
    "--ready-max-unsent-age",
    duration(1, 365 * DAY_MS),
    300_000,
    "age of the oldest unsent event above which /readyz says that the worker does not deliver",
    RELOADABLE,
  ),

  ...SERVER_SETTINGS,
} as const;

export type SettingName = keyof typeof SETTINGS;

/** In the order of the table. */
export const SETTING_NAMES = Object.keys(SETTINGS) as readonly SettingName[];

/** The type that a setting's value has, its missing default included. */
export type SettingValue<N extends SettingName> = (typeof SETTINGS)[N] extends Setting<infer T> ? T : never;

/** Settings whose default is missing: their value may be undefined. */
export type SettingValues<N extends SettingName> = { readonly [K in N]: SettingValue<K> | Missing<K> };

/** The names without a default of their own; `resolve.ts` derives the paths among them. */
type Missing<N extends SettingName> = N extends
  | "server"
  | "credential"
  | "authorizedKeys"
  | "caFile"
  | "tlsCert"
  | "tlsKey"
  | "publicUrl"
  | "workerName"
  | "logFile"
  | "maxConnections"
  | "trustedProxies"
  | "metricsTokenFile"
  | "jobUser"
  | "workDir" ? undefined
  : never;
