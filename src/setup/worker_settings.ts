/**
 * The settings of the program as the worker knows them.
 */
import type { SettingValues } from "../config/settings.ts";
import { BATCH_LIMITS } from "../job/batcher.ts";
import type { ConfiguredSettings, WorkerChanges } from "../job/worker_options.ts";
import type { WORKER_SETTINGS } from "../config/setting_groups.ts";
import { backoffOf } from "./backoff.ts";

type Settings = SettingValues<(typeof WORKER_SETTINGS)[number]>;

/** What the runbook's `Sync: interval` may lose in a power failure. */
export const SYNC_INTERVAL_MS = 100;

export function workerSettings(settings: Settings): ConfiguredSettings {
  const { concurrency: _ofTheOptions, ...changeable } = changeableSettings(settings);
  return {
    visibilityTimeoutSeconds: Math.ceil(settings.visibilityTimeout / 1000),
    requestTimeoutMs: settings.requestTimeout,
    adopt: settings.adopt,
    sync: settings.sync === "interval"
      ? { mode: "interval", intervalMs: SYNC_INTERVAL_MS }
      : { mode: "always" },
    ...changeable,
  };
}

/**
 * What a worker takes over while it runs: of the settings that are marked as reloadable, those that are its
 * own.
 */
export function changeableSettings(settings: Settings): WorkerChanges {
  return {
    concurrency: settings.concurrency,
    shutdownGraceMs: settings.gracePeriod,
    limits: { ...BATCH_LIMITS, flushAfterMs: settings.flushInterval },
    sender: { attemptsMax: settings.retryAttempts },
    backoff: backoffOf(settings),
    archiveOnComplete: settings.archiveOnComplete,
    compressionLevel: settings.compressionLevel,
    retentionDays: settings.retentionDays,
    unsentBytesMax: settings.walMaxBytes,
    freeBytesMin: settings.minFreeSpace,
  };
}
