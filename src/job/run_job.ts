/**
 * One job from its queue to its archive:
 *
 *     log created -> PROCESS_START -> output batches, heartbeats -> PROCESS_END   each durable first
 *            \-> sender beside it, until the server has everything -> job completed -> log archived
 *
 * Every exit in between leaves a log on disk from which the next run goes on.
 */
import type { Logger } from "../platform/logging/logger.ts";
import type { Log } from "../wal/log.ts";
import { aborted } from "../platform/aborted.ts";
import { mayAdopt } from "./adopt_log.ts";
import { archiveDelivered } from "./archive_delivered.ts";
import { limitsFor } from "./batcher.ts";
import { completeJob, type JobEnd, resultOf } from "./complete_job.ts";
import { createJobLog } from "./create_job_log.ts";
import { type DeliveryResult, LogDelivery } from "./deliver_log.ts";
import { EventWriter, WritingGivenUpError } from "./event_writer.ts";
import { executeJob } from "./execute_job.ts";
import type { JobContext, JobEndResult } from "./job_context.ts";
import { EXIT_OURS, OURS } from "./job_ending.ts";
import type { DequeuedJob } from "../client/job_client.ts";
import { releaseJob } from "./keep_visible.ts";
import { takeUpLog } from "./take_up.ts";
import { EXIT_CANNOT_RUN } from "./runner/pipe.ts";
import { messageOf } from "../platform/error_text.ts";

/**
 * `not_started`: it could not get a log or a process, so nothing of it has run, and it is back in its queue.
 */
export type JobOutcome = DeliveryResult | "not_started";

/** Runs the job. `onProcessEnded` is called once, when the process no longer needs its slot. */
export async function runJob(
  context: JobContext,
  dequeued: DequeuedJob,
  onProcessEnded: () => void,
): Promise<JobOutcome> {
  const { job, taskToken } = dequeued;
  const logger = context.logger.with({ job_id: job.jobId }, [taskToken]);
  let log: Log;
  try {
    log = await createJobLog(context, dequeued, logger);
  } catch (error) {
    onProcessEnded();
    return await withoutLog(context, dequeued, error, logger);
  }
  context.logsInHand.add(log.path);
  const { queue } = context;
  const delivery = new LogDelivery({
    context,
    log,
    jobId: job.jobId,
    taskToken,
    queue,
    isOrphan: false,
    mayAdopt: mayAdopt(context.settings.adopt, log.execution, context.serverUrl),
    logger,
  });
  let result: DeliveryResult;
  let end: JobEnd | undefined;
  let isStarted = true;
  let cleared: Promise<void> | undefined;
  using listening = context.cancellations.listen(job.jobId, taskToken);
  try {
    const run = await execute(context, dequeued, log, delivery, listening.signal, logger);
    onProcessEnded();
    listening[Symbol.dispose]();
    // Where something of it may still run, whoever takes up the log clears up.
    if (run.kind !== "left") cleared = clearWorkDirectory(context, log, logger);
    if (run.kind === "ended") end = run.end;
    result = run.kind === "left" ? "left" : await delivery.finish(end);
    isStarted = run.kind !== "not_started";
    await cleared;
    if (!isStarted && await discard(context, log, logger)) return "not_started";
  } catch (error) {
    // Whoever looks for logs of earlier runs next is to find it, in this run or another.
    if (log.sealed === undefined) context.logsInHand.delete(log.path);
    throw error;
  } finally {
    await delivery.close();
  }
  // Its log is still in hand, and archived when the server knows how the job ended.
  if (result === "outstanding") return result;
  if (log.sealed !== undefined) {
    // Not archived and not taken up again by this worker, so that somebody can look at what is on the disk.
    logger.error("The log stays where it is, for inspection", { path: log.path });
    return result;
  }
  if (result === "forgotten") return await takeUpLog(context, log.path);
  if (result === "left") context.logsInHand.delete(log.path);
  else if (result !== "differs") await archiveDelivered(context, log.path, end, logger);
  return isStarted ? result : "not_started";
}

/**
 * Goes on beside the delivery, and is over before the log is out of hand. A worker that has to end at once
 * leaves it to the one that takes up the log.
 */
async function clearWorkDirectory(
  { workDirectories, stop }: JobContext,
  log: Log,
  logger: Logger,
): Promise<void> {
  if (workDirectories === undefined || stop.aborted) return;
  const over = new AbortController();
  const removed = workDirectories.remove(log.path, logger).finally(() => over.abort());
  await Promise.race([removed, aborted(stop, over.signal)]);
}

type Run = { kind: "ended"; end: JobEnd } | { kind: "interrupted" | "left" | "not_started" };

/** Executes the job's command, and turns a log that broke on the way into an end of the job. */
async function execute(
  context: JobContext,
  { job }: DequeuedJob,
  log: Log,
  delivery: LogDelivery,
  cancel: AbortSignal,
  logger: Logger,
): Promise<Run> {
  const { clock, settings, budget, environment, jobUser, workDirectories, drain, stop, observe } = context;
  const over = new AbortController();
  const startedAtMs = clock.nowMs();
  const startedElapsedMs = clock.elapsedMs();
  const writer = new EventWriter({
    log,
    clock,
    logger,
    giveUp: giveUpSignal(context, over.signal),
    playbackIntervalMs: job.executionConfig?.batching?.playbackIntervalMillis,
    onStored: (sequence, payloadBytes) => delivery.stored(sequence, payloadBytes),
  });
  try {
    const limits = limitsFor(job.executionConfig, settings.limits);
    const heartbeatSeconds = job.executionConfig?.heartbeatIntervalSeconds ?? 0;
    const heartbeatIntervalMs = heartbeatSeconds > 0 ? heartbeatSeconds * 1000 : settings.heartbeatIntervalMs;
    const result = await executeJob({
      job,
      writer,
      limits,
      settings: { ...settings, heartbeatIntervalMs },
      environment,
      user: jobUser,
      makeWorkDirectory: workDirectories && (() => workDirectories.make(log.path)),
      waitForRoom: (signal) => budget.waitForRoom(signal),
      clock,
      logger,
      drain,
      stop,
      cancel,
      processes: context.processes,
    });
    if (result.kind === "not_started") {
      logger.error("Cannot start a job's process, for no reason of the job's; it goes back to its queue", {
        error: result.error.message,
      });
      return result;
    }
    const durationMs = clock.elapsedMs() - startedElapsedMs;
    observe.jobEnded?.(result.kind === "ended" ? resultName(result.end) : "interrupted", durationMs);
    return result;
  } catch (error) {
    // Everything but the writer's own failure is a mistake of ours.
    if (!writer.broken.aborted || error !== writer.broken.reason) throw error;
    const { message } = error as Error;
    logger.error("Job ended because its log takes no more events; what is durable is still delivered", {
      path: log.path,
      error: message,
    });
    const isGivenUp = error instanceof WritingGivenUpError;
    observe.jobEnded?.(isGivenUp ? "interrupted" : "failed", clock.elapsedMs() - startedElapsedMs);
    if (isGivenUp) return { kind: "left" };
    const errorMessage = `${OURS}the worker could not store the job's output and ended it: ${message}. ` +
      `Output after sequence ${delivery.lastDurableSequence} is lost`;
    return {
      kind: "ended",
      end: { exitCode: EXIT_OURS, errorMessage, endedBy: undefined, startedAtMs, endedAtMs: clock.nowMs() },
    };
  } finally {
    over.abort();
  }
}

function resultName({ exitCode, endedBy }: JobEnd): JobEndResult {
  if (endedBy === "cancellation") return "cancelled";
  return exitCode === 0 && endedBy === undefined ? "succeeded" : "failed";
}

/**
 * Removes the log of a job of which nothing has run: it holds no event, and each try leaves one. Not synced:
 * if it comes back after a power cut, it is taken up, found to be empty and archived. Whether there is
 * nothing left to do for it.
 */
async function discard(context: JobContext, log: Log, logger: Logger): Promise<boolean> {
  if (log.counts.events > 0) return false;
  try {
    await context.files.remove(log.path);
  } catch (error) {
    logger.warn("Cannot remove the empty log of a job that was not started; it is archived instead", {
      path: log.path,
      error: messageOf(error),
    });
    return false;
  }
  context.logsInHand.delete(log.path);
  return true;
}

/**
 * When waiting for a full disk ends: at once when the worker has to, or when a stopping job has had its time.
 */
function giveUpSignal({ drain, stop, settings, clock }: JobContext, over: AbortSignal): AbortSignal {
  const late = new AbortController();
  const { shutdownGraceMs, killGraceMs, deliveryGraceMs } = settings;
  aborted(drain, over)
    .then(() => clock.sleep(shutdownGraceMs + killGraceMs + deliveryGraceMs, AbortSignal.any([over, stop])))
    .then(() => late.abort());
  return AbortSignal.any([stop, late.signal]);
}

/** Nothing of the job has run: its id is no file name, or the disk takes no log. */
async function withoutLog(
  context: JobContext,
  { job: { jobId }, taskToken }: DequeuedJob,
  error: unknown,
  logger: Logger,
): Promise<JobOutcome> {
  const { jobClient: server, queue, clock, random, stop } = context;
  const errorMessage = messageOf(error);
  if (error instanceof RangeError) {
    logger.error("Refused a job", { error: errorMessage });
    context.observe.jobEnded?.("failed", 0);
    const nowMs = clock.nowMs();
    const end = {
      exitCode: EXIT_CANNOT_RUN,
      errorMessage,
      endedBy: undefined,
      startedAtMs: nowMs,
      endedAtMs: nowMs,
    };
    const result = resultOf(jobId, end, 0);
    const completion = await completeJob({
      server,
      taskToken,
      result,
      backoff: context.settings.backoff,
      clock,
      random,
      logger,
    }, stop);
    // Without a log there is nothing to complete it with later: it goes back to its queue, and is refused
    // again.
    return completion === "aborted" || completion === "outstanding" ? "left" : "completed";
  }
  logger.error("Cannot start a job without a log for it; it goes back to its queue", {
    directory: context.walDir,
    error: errorMessage,
  });
  await releaseJob({ server, queue, taskToken, logger }, stop);
  context.onReleased();
  return "not_started";
}
