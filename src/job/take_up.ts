/**
 * Logs that an earlier run left, of any job: what is unsent is sent, what had ended is completed, what had
 * not goes back to its queue, and then the log is archived. A log that cannot be handled is reported and left
 * as it is; it never keeps the worker from anything else. What a killed process left in the making is cleared
 * away.
 */
import { removeStaleFiles } from "../archive/stale_files.ts";
import { decodeEvent, type JobEvent } from "../events/event.ts";
import type { Logger } from "../platform/logging/logger.ts";
import { type CompletionMark, completionMark } from "../wal/completion.ts";
import { LogLockedError, LogQuarantinedError, problemName } from "../wal/errors.ts";
import type { Execution } from "../wal/execution.ts";
import { Log } from "../wal/log.ts";
import { isOwnLog, readFileName } from "../wal/file_names.ts";
import { archiveDelivered } from "./archive_delivered.ts";
import type { JobEnd } from "./complete_job.ts";
import { LogDelivery } from "./deliver_log.ts";
import type { JobContext } from "./job_context.ts";
import { type EndedBy, endedBy, isOurs } from "./job_ending.ts";
import { endLeftover } from "./leftover.ts";
import { messageOf } from "../platform/error_text.ts";
import { NotFound } from "../platform/system_errors.ts";
import { firstExecution, readLogFile } from "../wal/reader.ts";

/** Logs that are delivered at the same time; the others wait for their turn on disk. */
const TAKEN_UP_MAX = 8;

/**
 * Takes up every log of the directory that nobody has in hand, and that `isWanted`, and resolves when all of
 * that is done.
 */
export async function takeUpLogs(context: JobContext, isWanted?: IsWantedLog): Promise<void> {
  const { walDir, logsInHand, drain, logger, clock, files } = context;
  await removeStaleFiles(walDir, { logger, nowMs: clock.nowMs(), files });
  const paths: string[] = [];
  for (const { name, isFile } of await files.list(walDir)) {
    const path = `${walDir}/${name}`;
    if (!isFile || readFileName(name)?.kind !== "log" || logsInHand.has(path)) continue;
    if (isOwnLog(name)) paths.push(path);
    else leaveUnnamed(context, path);
  }
  for (const [path, end] of [...context.logsToArchive]) await archiveDelivered(context, path, end, logger);
  paths.sort();
  if (paths.length > 0) logger.debug("Found logs of earlier runs", { count: paths.length });
  const takeTurns = async () => {
    for (let path = paths.shift(); path !== undefined && !drain.aborted; path = paths.shift()) {
      if (isWanted === undefined || await isLogWanted(context, path, isWanted)) {
        await takeUpLog(context, path);
      }
    }
  };
  await Promise.all(Array.from({ length: TAKEN_UP_MAX }, takeTurns));
}

/** Whether a log is to be taken up, by its execution record. */
type IsWantedLog = (execution: Execution) => boolean;

/** Looks without opening it for writing: the others are not ours to lock, or to repair. */
async function isLogWanted(
  { files, logger }: JobContext,
  path: string,
  isWanted: IsWantedLog,
): Promise<boolean> {
  try {
    const execution = await firstExecution(readLogFile(files, path));
    return execution !== undefined && isWanted(execution);
  } catch (error) {
    // Gone since the directory was read: somebody has archived it.
    if (!(error instanceof NotFound)) logger.warn("Cannot read a log", { path, error: messageOf(error) });
    return false;
  }
}

/** It may be a copy of a log that is being written; who put it there knows. Said once in a run. */
function leaveUnnamed({ logger, logsInHand }: JobContext, path: string): void {
  logsInHand.add(path);
  logger.warn(
    "Left a log alone: its name is not one that a worker gives, as JOB.wal is. Nothing of it is lost. " +
      "Send what is in it by its path, with: airunner wal replay",
    { path },
  );
}

/** What a log's events say about how far its job got. */
export class Story {
  #firstError: string | undefined;
  /** That the worker failed explains more than what was recorded before. */
  #workersError: string | undefined;
  #endedBy: EndedBy | undefined;
  #startedAtMs: number | undefined;
  #pid: number | undefined;
  #end: { exitCode: number; endedAtMs: number } | undefined;

  add(event: JobEvent): void {
    const { eventData, timestamp } = event;
    const atMs = timestamp === undefined ? 0 : Number(timestamp.seconds) * 1000 + timestamp.nanos / 1e6;
    this.#startedAtMs ??= atMs;
    if (eventData.case === "processStart") {
      this.#pid = eventData.value.pid;
    } else if (eventData.case === "processError") {
      const { errorMessage } = eventData.value;
      this.#firstError ??= errorMessage;
      if (isOurs(errorMessage)) this.#workersError ??= errorMessage;
      this.#endedBy ??= endedBy(errorMessage);
    } else if (eventData.case === "processEnd") {
      this.#end = { exitCode: eventData.value.exitCode, endedAtMs: atMs };
    }
  }

  /** The process that was started, if one was. */
  get pid(): number | undefined {
    return this.#pid;
  }

  /** Undefined when the job had not ended. */
  get end(): JobEnd | undefined {
    if (this.#end === undefined) return undefined;
    const startedAtMs = this.#startedAtMs ?? this.#end.endedAtMs;
    const errorMessage = this.#workersError ?? this.#firstError;
    return { ...this.#end, startedAtMs, errorMessage, endedBy: this.#endedBy };
  }
}

async function takeUpLog(context: JobContext, path: string): Promise<void> {
  context.logsInHand.add(path);
  // Whether nothing more is to be done with it in this run, so that it is not reported again every minute.
  let isDone = false;
  try {
    isDone = await openAndFinish(context, path);
  } catch (error) {
    context.logger.error("Cannot take up a log - retrying later; nothing of it is lost", {
      path,
      error: error instanceof Error ? error.message : String(error),
    });
  } finally {
    if (!isDone) context.logsInHand.delete(path);
  }
}

/** False when the log is worth another look later: another process has it, or time was up. */
async function openAndFinish(context: JobContext, path: string): Promise<boolean> {
  const { logger, settings, observe } = context;
  const story = new Story();
  let mark: CompletionMark | undefined;
  let log: Log;
  try {
    log = await Log.open(path, {
      logger,
      sync: settings.sync,
      observe: observe.log,
      files: context.files,
      clock: context.clock,
      onRecord(record, kind) {
        if (kind === "acknowledgement") mark = completionMark(record) ?? mark;
        if (kind !== "event") return;
        const event = decodeEvent(record.payload);
        if (event !== undefined) story.add(event);
      },
    });
  } catch (error) {
    return reportUnopened(context, path, error);
  }
  // An earlier run was done with it, and ended before it was archived, or was not to archive it.
  const isSettled = mark !== undefined && log.counts.pending === 0;
  return await isLeftAlone(context, log, isSettled) || await finish(context, log, story, isSettled);
}

async function finish(context: JobContext, log: Log, story: Story, isSettled: boolean): Promise<boolean> {
  const { execution, counts, path } = log;
  const { end } = story;
  if (execution?.task_token === undefined || isSettled) {
    await log.close();
    await archiveDelivered(context, path, end, context.logger);
    return true;
  }
  const logger = context.logger.with({ job_id: execution.job_id }, [execution.task_token]);
  logger.info("Taking up a log of an earlier run", {
    path,
    pending: counts.pending,
    ended: end !== undefined,
  });
  // Before the job is given back: it must not run twice at once.
  if (!(await isOver(context, execution, story, logger))) {
    await log.close();
    return false;
  }
  await context.workDirectories?.remove(path, logger);
  const delivery = new LogDelivery({
    context,
    log,
    jobId: execution.job_id,
    taskToken: execution.task_token,
    queue: execution.queue,
    isOrphan: true,
    logger,
  });
  try {
    const result = await delivery.finish(end);
    if (result === "left") return false;
    if (result === "outstanding") return true;
  } finally {
    await delivery.close();
  }
  if (log.sealed !== undefined) return true;
  await archiveDelivered(context, path, end, logger);
  return true;
}

/** Whether nothing of the job runs any more on this host; whatever was left of it is ended first. */
async function isOver(
  { workerName, settings: { killGraceMs }, jobUser, processes, clock, stop }: JobContext,
  execution: Execution,
  { pid, end }: Story,
  logger: Logger,
): Promise<boolean> {
  // On another host, or in another container, the number is somebody else's.
  if (end !== undefined || pid === undefined || execution.worker !== workerName) return true;
  return await endLeftover({
    processes,
    jobId: execution.job_id,
    pid,
    killGraceMs,
    user: jobUser,
    clock,
    logger,
    stop,
  });
}

/** Whether the log is not for us to send; it is closed then. */
async function isLeftAlone(
  { serverUrl, logger }: JobContext,
  log: Log,
  isSettled: boolean,
): Promise<boolean> {
  const { execution, counts, path } = log;
  let why: string | undefined;
  const isOfUse = !isSettled && (execution?.task_token !== undefined || counts.pending > 0);
  if (isOfUse && execution !== undefined && execution.server !== serverUrl) {
    why = `it belongs to ${execution.server}, and this worker delivers to ${serverUrl}. ` +
      `Run a worker with --server=${execution.server}`;
  } else if (execution?.task_token === undefined && counts.pending > 0) {
    why =
      "it does not say with which task token its events are to be sent, and a server takes events with a " +
      "token only. Write out what its job printed with: airunner wal dump --raw";
  }
  if (why === undefined) return false;
  logger.warn(`Left a log alone: ${why}. Nothing of it is lost`, { path, pending: counts.pending });
  await log.close();
  return true;
}

function reportUnopened({ logger, observe }: JobContext, path: string, error: unknown): boolean {
  if (error instanceof LogLockedError) {
    logger.debug("Skipped a log that another process has open", { path, owner_pid: error.ownerPid });
    return false;
  }
  // Gone since the directory was read: its owner has archived it.
  if (error instanceof NotFound) return false;
  if (!(error instanceof LogQuarantinedError)) throw error;
  observe.damageFound?.(path);
  const { damage, counts, quarantinePath } = error;
  logger.error(
    `Damaged log set aside: ${problemName(damage.problem)}. Nothing of it was removed. ` +
      `Next: airunner wal recover ${quarantinePath}`,
    {
      path,
      quarantine_path: quarantinePath,
      problem: damage.problem,
      offset: damage.offset,
      good_bytes: counts.goodBytes,
      records: counts.records,
      pending: counts.pending,
      sent: counts.sent,
      failed: counts.failed,
      salvageable: counts.salvageable,
    },
  );
  return true;
}
