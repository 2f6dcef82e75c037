/**
 * Tells the server how a job ended, once it has all of the job's events (A3 of the durability contract).
 */
import { type BackoffSettings, nextDelayMs } from "../client/backoff.ts";
import type { Clock } from "../platform/clock.ts";
import type { Logger } from "../platform/logging/logger.ts";
import type { Random } from "../platform/random.ts";
import { type JobResult, type JobServer, JobServerError } from "../client/job_client.ts";

export interface CompleteJobOptions {
  server: Pick<JobServer, "complete">;
  taskToken: string;
  result: JobResult;
  /** An earlier run may have completed the job, so that a refusal is no news. */
  isRepeated: boolean;
  backoff: BackoffSettings;
  clock: Clock;
  random: Random;
  logger: Logger;
}

/** A token is believed to be forgotten after this many refusals in a row. */
const REFUSALS_MAX = 5;

/**
 * `completed`: the server has it. `refused`: the server does not want it, although all events are stored.
 * `aborted`: the signal came first, so the job is still to be completed.
 */
export type Completion = "completed" | "refused" | "aborted";

/** Tries for as long as it takes; only refusals are given up. */
export async function completeJob(options: CompleteJobOptions, signal: AbortSignal): Promise<Completion> {
  const { server, taskToken, result, backoff, clock, random, logger } = options;
  let refusals = 0;
  for (let failures = 1; !signal.aborted; failures++) {
    let waitMs: number;
    try {
      await server.complete(taskToken, result, signal);
      logger.info("Job completed", { exit_code: result.exitCode, success: result.success });
      return "completed";
    } catch (error) {
      if (signal.aborted) break;
      if (!(error instanceof JobServerError)) throw error;
      refusals = error.kind === "refused" ? refusals + 1 : 0;
      waitMs = nextDelayMs(failures, backoff, random, error.retryAfterMs);
      const fields = { error: error.message, code: error.code, retry_after_ms: waitMs };
      if (refusals === REFUSALS_MAX) {
        const level = options.isRepeated ? "debug" : "warn";
        logger[level](
          "The server refuses to complete this job, probably because it has forgotten its token. " +
            "All events are stored on the server",
          { error: error.message, code: error.code, attempts: refusals },
        );
        return "refused";
      }
      if (error.kind === "authentication") logger.error("Not allowed to complete the job - retrying", fields);
      else logger.warn("Failed to complete the job - retrying", fields);
    }
    await clock.sleep(waitMs, signal);
  }
  return "aborted";
}

/** How a job ended, in the terms of its events. */
export interface JobEnd {
  exitCode: number;
  /** Why it could not run or did not end by itself, from its PROCESS_ERROR; undefined otherwise. */
  errorMessage: string | undefined;
  timedOut: boolean;
  startedAtMs: number;
  endedAtMs: number;
}

/** Success is exit code 0, and not by a process that took being timed out for its cue to end. */
export function resultOf(jobId: string, end: JobEnd, eventsFailed: number): JobResult {
  const success = end.exitCode === 0 && !end.timedOut;
  const messages: string[] = [];
  if (end.errorMessage) messages.push(end.errorMessage);
  else if (!success) messages.push(`Exited with code ${end.exitCode}`);
  if (eventsFailed > 0) {
    messages.push(
      `${eventsFailed} of the job's events could not be delivered, because the server refused them; ` +
        "they are kept in the worker's archive",
    );
  }
  return {
    jobId,
    success,
    exitCode: end.exitCode,
    errorMessage: messages.join(". "),
    startedAtMs: end.startedAtMs,
    completedAtMs: end.endedAtMs,
  };
}
