/**
 * Tells the server how a job ended, once it has all of the job's events (A3 of the durability contract).
 *
 *     completeJob           completed
 *                           superseded     the job went to a later execution, whose result counts
 *                           outstanding    refused five times in a row -> completeOutstanding, without haste
 *     completeOutstanding   completed, superseded
 *                           refused        proven to be unknown to the server (`refusal_proof.ts`)
 *
 * Whatever is no refusal may pass, and is tried again for as long as it takes. Either ends as `aborted` when
 * its signal comes first.
 */
import { type BackoffSettings, nextDelayMs } from "../client/backoff.ts";
import type { RefusalReason } from "../events/error_info.ts";
import type { Clock } from "../platform/clock.ts";
import type { Logger } from "../platform/logging/logger.ts";
import type { Random } from "../platform/random.ts";
import type { JobClient, JobResult } from "../client/job_client.ts";
import { CallError } from "../client/call_error.ts";
import type { EndedBy } from "./job_ending.ts";
import type { RefusalProof } from "./refusal_proof.ts";

export interface CompleteJobOptions {
  server: Pick<JobClient, "complete">;
  taskToken: string;
  result: JobResult;
  /** Told of every refusal. */
  onRefused?(error: CallError): void;
  backoff: BackoffSettings;
  clock: Clock;
  random: Random;
  logger: Logger;
}

/**
 * Refusals in a row after which whoever waits need not wait for the answer any more; about 15 s at the usual
 * backoff.
 */
const REFUSALS_MAX = 5;

/** With these the server says that it knows the execution, and that its result is not the one that counts. */
const NOT_OURS: ReadonlySet<RefusalReason | undefined> = new Set(["EXECUTION_SUPERSEDED", "EXECUTION_ENDED"]);

/** How a try ended, or why it has to be made again. */
type Attempt = "completed" | "superseded" | "aborted" | CallError;

export async function completeJob(
  options: CompleteJobOptions,
  signal: AbortSignal,
): Promise<"completed" | "superseded" | "outstanding" | "aborted"> {
  const { backoff, clock, random, logger } = options;
  let refusals = 0;
  for (let failures = 1; !signal.aborted; failures++) {
    const attempt = await tryToComplete(options, signal);
    if (!(attempt instanceof CallError)) return attempt;
    const { message: error, code } = attempt;
    refusals = attempt.kind === "refused" ? refusals + 1 : 0;
    if (refusals === REFUSALS_MAX) {
      logger.warn(
        "Delivered, not completed: the server has all of the job's events and refuses to hear how it ended. " +
          "The log is kept, and it is tried again",
        { error, code, attempts: refusals },
      );
      return "outstanding";
    }
    const waitMs = nextDelayMs(failures, backoff, random, attempt.retryAfterMs);
    const fields = { error, code, retry_after_ms: waitMs };
    if (attempt.kind === "authentication") {
      logger.error("Not allowed to complete the job - retrying", fields);
    } else logger.warn("Failed to complete the job - retrying", fields);
    await clock.sleep(waitMs, signal);
  }
  return "aborted";
}

export interface CompleteOutstandingOptions extends CompleteJobOptions {
  server: Pick<JobClient, "complete" | "ping">;
  proof: RefusalProof;
}

/** Goes on where `completeJob` left it. */
export async function completeOutstanding(
  options: CompleteOutstandingOptions,
  signal: AbortSignal,
): Promise<"completed" | "superseded" | "refused" | "aborted"> {
  const { backoff, clock, random, logger, proof } = options;
  let retryAfterMs: number | undefined;
  for (let failures = REFUSALS_MAX;; failures++) {
    await clock.sleep(nextDelayMs(failures, backoff, random, retryAfterMs), signal);
    if (signal.aborted) return "aborted";
    const attempt = await tryToComplete(options, signal);
    if (!(attempt instanceof CallError)) return attempt;
    const { message: error, code } = attempt;
    retryAfterMs = attempt.retryAfterMs;
    if (!attempt.isServersWord || !(await isAnswering(options, signal))) proof.contradicted();
    else if (proof.refused(clock.elapsedMs())) {
      logger.warn(
        "Cannot complete the job: the server answers, and does not know it. All of its events are stored there",
        { error, code, attempts: proof.refusals },
      );
      return "refused";
    }
    logger.debug("Still not completed - retrying", { error, code, proof: proof.refusals });
  }
}

async function tryToComplete(
  { server, taskToken, result, onRefused, logger }: CompleteJobOptions,
  signal: AbortSignal,
): Promise<Attempt> {
  try {
    await server.complete(taskToken, result, signal);
    logger.info("Job completed", { exit_code: result.exitCode, success: result.success });
    return "completed";
  } catch (error) {
    if (signal.aborted) return "aborted";
    if (!(error instanceof CallError)) throw error;
    if (error.kind === "refused") onRefused?.(error);
    if (!NOT_OURS.has(error.reason)) return error;
    logger.info("Not completed: the server has given the job to a later execution, whose result counts", {
      error: error.message,
    });
    return "superseded";
  }
}

/** Whether the server answers something else well: a refusal is no sign of health here. */
async function isAnswering(
  { server }: CompleteOutstandingOptions,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    return await server.ping(signal) === "answered";
  } catch (error) {
    if (!(error instanceof CallError)) throw error;
    return false;
  }
}

/** How a job ended, in the terms of its events. */
export interface JobEnd {
  exitCode: number;
  /** Why it could not run or did not end by itself, from its PROCESS_ERROR; undefined otherwise. */
  errorMessage: string | undefined;
  /** Undefined when the command ended by itself, or could not be run. */
  endedBy: EndedBy | undefined;
  startedAtMs: number;
  endedAtMs: number;
}

/** Success is exit code 0, and not by a process that took being ended for its cue to end. */
export function resultOf(jobId: string, end: JobEnd, eventsFailed: number): JobResult {
  const success = end.exitCode === 0 && end.endedBy === undefined;
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
