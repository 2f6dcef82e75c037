/**
 * Logs that an earlier run left, of any job: what is unsent is sent, what had ended is completed, what had
 * not goes back to its queue, and then the log is archived. A log that cannot be handled is reported and left
 * as it is; it never keeps the worker from anything else. What a killed process left in the making is cleared
 * away.
 */
import { removeStaleFiles } from "../archive/stale_files.ts";
import { decodeEvent } from "../events/event.ts";
import type { Logger } from "../platform/logging/logger.ts";
import { type CompletionMark, completionMark } from "../wal/completion.ts";
import { LogLockedError, LogQuarantinedError, problemName } from "../wal/errors.ts";
import type { Execution } from "../wal/execution.ts";
import { Log } from "../wal/log.ts";
import { isOwnLog, readFileName } from "../wal/file_names.ts";
import { archiveDelivered } from "./archive_delivered.ts";
import { adoptLog, type AdoptResult, mayAdopt } from "./adopt_log.ts";
import { type DeliveryResult, LogDelivery } from "./deliver_log.ts";
import type { JobContext } from "./job_context.ts";
import { endLeftover } from "./leftover.ts";
import { Story } from "./story.ts";
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

/** What taking up a log came to. */
interface TakenUp {
  /**
   * Whether nothing more is to be done with it in this run, so that it is not reported again every minute.
   */
  readonly isDone: boolean;
  readonly result: DeliveryResult;
}

const COMPLETED: TakenUp = { isDone: true, result: "completed" };
/** Another process has it, or time was up. */
const LATER: TakenUp = { isDone: false, result: "left" };
const LEFT_ALONE: TakenUp = { isDone: true, result: "left" };

/** A server that forgets what it has just adopted is not asked for ever. */
const ADOPTIONS_MAX = 2;

/** Takes up one log that nobody has in hand. Never rejects. */
export async function takeUpLog(context: JobContext, path: string): Promise<DeliveryResult> {
  context.logsInHand.add(path);
  let taken = LATER;
  try {
    taken = await openAndFinish(context, path, ADOPTIONS_MAX);
  } catch (error) {
    context.logger.error("Cannot take up a log - retrying later; nothing of it is lost", {
      path,
      error: messageOf(error),
    });
  } finally {
    if (!taken.isDone) context.logsInHand.delete(path);
  }
  return taken.result;
}

/** A log that was opened, and what it says. */
interface Found {
  readonly log: Log;
  readonly story: Story;
  /** An earlier run was done with it, and ended before it was archived, or was not to archive it. */
  readonly isSettled: boolean;
}

async function openAndFinish(context: JobContext, path: string, adoptionsLeft: number): Promise<TakenUp> {
  let found: Found;
  try {
    found = await openFound(context, path);
  } catch (error) {
    return { isDone: reportUnopened(context, path, error), result: "left" };
  }
  const { log: { execution, counts }, isSettled } = found;
  const isOfUse = !isSettled && (execution?.task_token !== undefined || counts.pending > 0);
  const isForeign = execution?.task_token === undefined || execution.server !== context.serverUrl;
  if (isOfUse && isForeign) return await adoptForeign(context, found, adoptionsLeft);
  return await finish(context, found, adoptionsLeft);
}

async function openFound(context: JobContext, path: string): Promise<Found> {
  const { logger, settings, observe, files, clock } = context;
  const story = new Story();
  let mark: CompletionMark | undefined;
  const log = await Log.open(path, {
    logger,
    sync: settings.sync,
    observe: observe.log,
    files,
    clock,
    onRecord(record, kind) {
      if (kind === "execution") mark = undefined;
      if (kind === "acknowledgement") mark = completionMark(record) ?? mark;
      if (kind !== "event") return;
      const event = decodeEvent(record.payload);
      if (event !== undefined) story.add(event);
    },
  });
  return { log, story, isSettled: mark !== undefined && mark !== "differs" && log.counts.pending === 0 };
}

async function finish(context: JobContext, found: Found, adoptionsLeft: number): Promise<TakenUp> {
  const { log, story, isSettled } = found;
  const { execution, counts, path } = log;
  const end = story.end ?? (log.isAdopted ? story.abandonedEnd(execution?.source) : undefined);
  if (execution?.task_token === undefined || isSettled) {
    await log.close();
    await archiveDelivered(context, path, end, context.logger);
    return COMPLETED;
  }
  const logger = context.logger.with({ job_id: execution.job_id }, [execution.task_token]);
  logger.info("Taking up a log of an earlier run", {
    path,
    pending: counts.pending,
    ended: story.end !== undefined,
  });
  // Before the job is given back: it must not run twice at once.
  if (!(await isOver(context, execution, story, logger))) {
    await log.close();
    return LATER;
  }
  await context.workDirectories?.remove(path, logger);
  const delivery = new LogDelivery({
    context,
    log,
    jobId: execution.job_id,
    taskToken: execution.task_token,
    queue: execution.queue,
    isOrphan: true,
    mayAdopt: adoptionsLeft > 0 && mayAdopt(context.settings.adopt, execution, context.serverUrl),
    logger,
  });
  let result: DeliveryResult;
  try {
    result = await delivery.finish(end);
  } finally {
    await delivery.close();
  }
  if (result === "left") return LATER;
  if (result === "forgotten") return await adoptForgotten(context, path, adoptionsLeft);
  const isAtAnEnd = result !== "outstanding" && result !== "differs" && log.sealed === undefined;
  if (isAtAnEnd) await archiveDelivered(context, path, end, logger);
  return { isDone: true, result };
}

/** The server that the log is to be delivered to has forgotten it. */
async function adoptForgotten(context: JobContext, path: string, adoptionsLeft: number): Promise<TakenUp> {
  let found: Found;
  try {
    found = await openFound(context, path);
  } catch (error) {
    return { isDone: reportUnopened(context, path, error), result: "left" };
  }
  const answer = await adopt(context, found);
  if (answer.outcome === "adopted") return await openAndFinish(context, path, adoptionsLeft - 1);
  if (answer.outcome === "refused") {
    context.logger.warn(
      `The server does not know the token of a log, and does not adopt its job: ${answer.message} ` +
        "- going on to try; nothing of it is lost",
      { path },
    );
  }
  // It may only have had a bad moment, or come to know the token again.
  return await openAndFinish(context, path, 0);
}

/**
 * The server that it is to be delivered to never had it: it is another one's, or another program wrote it.
 */
async function adoptForeign(context: JobContext, found: Found, adoptionsLeft: number): Promise<TakenUp> {
  const { serverUrl, settings } = context;
  const { execution, path } = found.log;
  if (adoptionsLeft > 0 && mayAdopt(settings.adopt, execution, serverUrl)) {
    const answer = await adopt(context, found);
    if (answer.outcome === "adopted") return await openAndFinish(context, path, adoptionsLeft - 1);
    return leaveAlone(context, found, `${serverUrl} does not adopt it: ${answer.message}`);
  }
  await found.log.close();
  return leaveAlone(
    context,
    found,
    execution !== undefined && execution.server !== serverUrl && execution.server !== ""
      ? `it belongs to ${execution.server}, and this worker delivers to ${serverUrl}. ` +
        `Run a worker with --server=${execution.server}, or have ${serverUrl} take it with --adopt=all`
      : "it does not say with which task token its events are to be sent, and a server takes events with a " +
        "token only. Have the server take it with --adopt=all, or write out what its job printed with: " +
        "airunner wal dump --raw",
  );
}

/** Closes the log, whatever comes of it. */
async function adopt(context: JobContext, { log, story }: Found): Promise<AdoptResult> {
  const { workerClient: client, serverUrl: server, logger, drain, stop } = context;
  try {
    const { startedAtMs } = story;
    return await adoptLog({ client, log, server, startedAtMs, logger }, AbortSignal.any([drain, stop]));
  } finally {
    await log.close();
  }
}

function leaveAlone({ logger }: JobContext, { log: { path, counts } }: Found, why: string): TakenUp {
  logger.warn(`Left a log alone: ${why.replace(/\.$/, "")}. Nothing of it is lost`, {
    path,
    pending: counts.pending,
  });
  return LEFT_ALONE;
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
