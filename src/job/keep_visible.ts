/**
 * Keeps a job ours: tells the server that it is alive, three times in each visibility timeout, for as
 * long as it runs or is being delivered. Not reaching the server is no reason to end a job.
 */
import { type BackoffSettings, nextDelayMs } from "../client/backoff.ts";
import type { Clock } from "../platform/clock.ts";
import type { Logger } from "../platform/logging/logger.ts";
import type { Random } from "../platform/random.ts";
import { type JobClient } from "../client/job_client.ts";
import { CallError } from "../client/call_error.ts";

export interface KeepVisibleOptions {
  server: Pick<JobClient, "update">;
  queue: string;
  taskToken: string;
  visibilityTimeoutSeconds: number;
  /** Whether the first sign of life is due at once, because the last one may be long ago. */
  startNow: boolean;
  /** Told whenever the server takes the token. */
  onAccepted?(): void;
  /** Told of every refusal. */
  onRefused?(error: CallError): void;
  backoff: BackoffSettings;
  clock: Clock;
  random: Random;
  logger: Logger;
}

/** A refusal may be a server's bad moment; this many in a row mean that it has forgotten the token. */
const REFUSALS_FOR_WARNING = 3;

/**
 * Runs until `signal` aborts, and gives up a call under way only when `stop` does: a call that was cut off
 * may still reach the server, and would undo a release that was sent after it. Never rejects for what the
 * server or the network does.
 */
export async function keepVisible(
  options: KeepVisibleOptions,
  signal: AbortSignal,
  stop: AbortSignal = signal,
): Promise<void> {
  const { server, queue, taskToken, visibilityTimeoutSeconds, backoff, clock, random, logger } = options;
  const intervalMs = visibilityTimeoutSeconds * 1000 / 3;
  let failures = 0;
  let refusals = 0;
  let waitMs = options.startNow ? 0 : intervalMs;
  for (;;) {
    await clock.sleep(waitMs, signal);
    if (signal.aborted) return;
    try {
      await server.update(queue, taskToken, visibilityTimeoutSeconds, stop);
      options.onAccepted?.();
      if (failures > 0) logger.info("Job is kept again", { failures });
      failures = refusals = 0;
      waitMs = intervalMs;
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof CallError)) throw error;
      failures++;
      refusals = error.kind === "refused" ? refusals + 1 : 0;
      if (error.kind === "refused") options.onRefused?.(error);
      waitMs = Math.min(intervalMs, nextDelayMs(failures, backoff, random, error.retryAfterMs));
      if (refusals === REFUSALS_FOR_WARNING) {
        logger.warn(
          "The server no longer knows this job's token: it may have given the job to another worker. " +
            "The job runs on and its output is still delivered",
          { error: error.message, code: error.code },
        );
      } else {
        logger.debug("Could not extend the job's visibility", { error: error.message, failures });
      }
    }
  }
}

/** How long a released job waits before it is given out again: the shortest time there is. */
const RELEASE_SECONDS = 1;

/**
 * Gives the job back to its queue right away instead of at the end of its visibility timeout. Tried
 * once: when it fails, the job goes back a little later by itself. Gives whether it is back.
 */
export async function releaseJob(
  options: Pick<KeepVisibleOptions, "server" | "queue" | "taskToken" | "logger">,
  signal: AbortSignal,
): Promise<boolean> {
  const { server, queue, taskToken, logger } = options;
  try {
    await server.update(queue, taskToken, RELEASE_SECONDS, signal);
    logger.info("Job released to its queue", { queue });
    return true;
  } catch (error) {
    if (!(error instanceof CallError)) throw error;
    logger.debug("Could not release the job; it returns to its queue when its visibility times out", {
      error: error.message,
    });
    return false;
  }
}
