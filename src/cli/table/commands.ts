/**
 * The command table: every command with its arguments, options, settings, examples and exit codes. The code
 * of a command is loaded when it runs, so `--version` does not wait for a server to be loaded.
 */
import { type CommandEntry, entry } from "./command_entry.ts";
import { DOCTOR_SETTINGS } from "../../doctor/probe.ts";
import { collect } from "../options/pairs.ts";
import { CONFIG_COMMANDS } from "./config_commands.ts";
import { JOB_COMMANDS } from "./job_commands.ts";
import { KEYS_COMMANDS } from "./keys_commands.ts";
import { WAL_COMMANDS } from "./wal_commands.ts";
import { CONNECTION_SETTINGS, RETENTION_SETTINGS } from "../../config/server_settings.ts";
import { SERVER_COMMANDS } from "./server_commands.ts";
import { CLIENT_SETTINGS, LOG_FILE_SETTINGS, WORKER_SETTINGS } from "../../config/setting_groups.ts";

/** Groups of commands, by their first word. */
export const GROUPS: Readonly<Record<string, string>> = {
  config: "show, check and write the configuration",
  keys: "make key pairs, and say whose keys a server takes",
  wal: "look into write-ahead logs and archives, and clean them up",
};

export const COMMANDS: readonly CommandEntry[] = [
  entry({
    path: "worker",
    summary: "run jobs from a server's queue, and deliver all of their output",
    settings: WORKER_SETTINGS,
    logFile: { name: "worker.log", isDefault: true },
    examples: [
      ["airunner worker --server=http://127.0.0.1:8080", "runs until it is stopped"],
      [
        "airunner worker --server=URL --queue=nightly --concurrency=4",
        "runs four jobs of one queue at a time",
      ],
      ["airunner worker --server=URL --once", "ends when the queue is empty and everything is delivered"],
    ],
    exitCodes:
      "0 after a stop that went well, also by SIGTERM or Ctrl-C; 4 sign-in refused; 75 server unreachable (--once); " +
      "78 configuration; 130 a second signal ended it at once. Undelivered events stay on disk in every case.",
    define: (command) => command.option("--once", "end when the queue is empty and nothing is unsent"),
    load: () => import("../commands/worker.ts"),
  }),
  entry({
    path: "server",
    summary: "run the small server: queue and events in one SQLite file",
    settings: [
      "listen",
      "tlsCert",
      "tlsKey",
      "data",
      "visibilityTimeout",
      "authorizedKeys",
      "publicUrl",
      "allowUnauthenticated",
      ...RETENTION_SETTINGS,
      ...CONNECTION_SETTINGS,
      ...LOG_FILE_SETTINGS,
    ],
    logFile: { name: "server.log", isDefault: false },
    examples: [
      ["airunner server", "listens on 127.0.0.1:8080, keeps its data in ~/.airunner/server.db"],
      [
        "airunner server --listen=127.0.0.1:0 --data=/tmp/ci.db",
        "lets the system choose the port, and says which",
      ],
      [
        "airunner server --dev-tls",
        "speaks TLS with a certificate that it makes, and says what clients type",
      ],
      [
        "airunner server --listen=:8443 --public-url=https://ci.example.com:8443 --authorized-keys=DIR " +
        "--tls-cert=fullchain.pem --tls-key=privkey.pem",
        "for a team; see airunner help authentication",
      ],
    ],
    exitCodes:
      "0 after a stop by SIGTERM or Ctrl-C; 1 the address, the database or the certificate cannot be used; 130 a second signal.",
    define: (command) =>
      command.option("--dev-tls", "speak TLS with a certificate made for this host, in DATA-DIR/tls"),
    load: () => import("../commands/server.ts"),
  }),
  ...SERVER_COMMANDS,
  entry({
    path: "submit",
    summary: "put a job into a queue and print its id",
    settings: [...CLIENT_SETTINGS, "queue"],
    examples: [
      ["airunner submit --server=URL -- make test", "prints the job's id"],
      [
        "airunner submit --server=URL --follow --timeout=10m --env CI=true -- ./build.sh -v",
        "shows its output too",
      ],
      ["airunner submit --server=URL --config job.yaml", "takes the job from a file"],
    ],
    exitCodes:
      "0 submitted, or with --follow the exit code of the job (1 when output is missing); 2 usage; 4 sign-in refused; " +
      "75 server unreachable; 78 the job file is wrong.",
    define: (command) =>
      command
        .argument("[command...]", "the command and its arguments, after --")
        .option("--config <FILE>", "read the job from a YAML file; the other options win over it")
        .option("--timeout <DURATION>", "end the job after this time, such as 90s or 2h")
        .option(
          "--env <NAME=VALUE>",
          "set a variable of the job's environment; may be repeated",
          collect,
          [] as string[],
        )
        .option("--cwd <PATH>", "directory in which the job runs")
        .option("--request-id <ID>", "submit at most once: the same id gives the same job")
        .option("--follow", "print the job's output until it ends"),
    load: () => import("../commands/submit.ts"),
  }),
  entry({
    path: "logs",
    summary: "print a job's output: what there is, then what comes, until the job ends",
    settings: CLIENT_SETTINGS,
    examples: [
      ["airunner logs --server=URL JOB", "stdout to stdout, stderr to stderr"],
      [
        "airunner logs --server=URL JOB --raw > output.bin",
        "the bytes of both streams, exactly, in their order",
      ],
    ],
    exitCodes:
      "0 to 255, the exit code of the job; 1 also when there is no such job, when output is missing, and when the " +
      "job ended without an exit code of its own (cancelled, lost); 4 sign-in refused; 130 interrupted (the job goes on). A server that goes away is " +
      "waited for.",
    define: (command) =>
      command
        .argument("<job>", "id of the job")
        .option("--raw", "write the bytes of both streams to stdout, unchanged")
        .option("--from-sequence <N>", "start at the event with this sequence"),
    load: () => import("../commands/logs.ts"),
  }),
  entry({
    path: "list",
    summary: "list the jobs of a queue, or search those of all queues, the newest first",
    settings: [...CLIENT_SETTINGS, "queue"],
    examples: [
      ["airunner list --server=URL", "the latest jobs of the default queue"],
      ["airunner list --server=URL --queue=nightly --state=failed --json", "for scripts"],
      ["airunner list --server=URL --all-queues --search='make test' --state=failed,cancelled", "a search"],
    ],
    exitCodes: "0 done; 1 a search at a server that does not offer it; 4 sign-in refused; " +
      "75 server unreachable.",
    define: (command) =>
      command
        .option(
          "--state <STATE>",
          "only jobs that are scheduled, running, completed, failed or cancelled; several with commas",
        )
        .option("--all-queues", "the jobs of every queue")
        .option("--search <TEXT>", "only jobs with this in their command line or their id")
        .option("--label <NAME=VALUE>", "only jobs with this label; may be repeated", collect, [] as string[])
        .option("--limit <N>", "at most this many jobs", "50")
        .option("--json", "one JSON document"),
    load: () => import("../commands/list.ts"),
  }),
  ...JOB_COMMANDS,
  ...WAL_COMMANDS,
  entry({
    path: "doctor",
    summary: "check everything that delivery depends on, and say what to type about what is not well",
    settings: DOCTOR_SETTINGS,
    // It reads the file itself, and goes on when that is wrong.
    ignoresConfigFile: true,
    examples: [
      ["airunner doctor --server=URL", "directories, disk, logs, server, credentials, clock"],
      ["airunner doctor --json", "for monitoring: one JSON document"],
    ],
    exitCodes: "0 no problem, warnings or not; 3 a problem was found. Nothing is changed.",
    define: (command) => command.option("--json", "one JSON document"),
    load: () => import("../commands/doctor.ts"),
  }),
  ...KEYS_COMMANDS,
  ...CONFIG_COMMANDS,
];
