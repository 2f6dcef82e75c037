/**
 * The settings of the program as a command that is run here, and the delivery of its log, know them.
 */
import type { SettingValues } from "../config/settings.ts";
import type { DeliverOptions } from "../exec/deliver.ts";
import { BATCH_LIMITS, type BatchLimits } from "../job/batcher.ts";
import type { EXEC_SETTINGS } from "../config/setting_groups.ts";
import { backoffOf } from "./backoff.ts";
import { SYNC_INTERVAL_MS } from "./worker_settings.ts";

export type ExecSettings = SettingValues<(typeof EXEC_SETTINGS)[number] | "dataDir">;

/**
 * How long the server keeps the execution without hearing from what delivers it: that says so often enough,
 * and nobody else waits for the job to be given out again, which it never is.
 */
const VISIBILITY_SECONDS = 300;

export function execLimits({ flushInterval }: ExecSettings): BatchLimits {
  return { ...BATCH_LIMITS, flushAfterMs: flushInterval };
}

export function deliverySettings(settings: ExecSettings): DeliverOptions["settings"] {
  return {
    visibilityTimeoutSeconds: VISIBILITY_SECONDS,
    requestTimeoutMs: settings.requestTimeout,
    limits: execLimits(settings),
    sync: settings.sync === "interval"
      ? { mode: "interval", intervalMs: SYNC_INTERVAL_MS }
      : { mode: "always" },
    sender: { attemptsMax: settings.retryAttempts },
    backoff: backoffOf(settings),
    // That is how a server gets to know the job at all.
    adopt: "own",
    archiveOnComplete: settings.archiveOnComplete,
    compressionLevel: settings.compressionLevel,
  };
}
