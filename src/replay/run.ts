/**
 * Replays one log or archive after the other: brings archives back as logs, sends, completes jobs that had
 * ended, and archives again what the server has all of.
 *
 * An archive that is to be sent *becomes* a log again, by the steps of `archive/restore.ts`: only a log can
 * record what was sent. So a replay that is interrupted, at whatever point, leaves either the archive or the
 * log, and the next one goes on with it. A file in any other place is not ours to move: an archive there is
 * sent from a temporary copy, and nothing is recorded.
 */
import { archiveLog } from "../archive/archiver.ts";
import { restoreArchive } from "../archive/restore.ts";
import type { BackoffSettings } from "../client/backoff.ts";
import type { ServerTransport } from "../client/transport.ts";
import { decodeEvent } from "../events/event.ts";
import type { JobEnd } from "../job/complete_job.ts";
import { createJobClient, type JobClient } from "../client/job_client.ts";
import { CallError } from "../client/call_error.ts";
import { completeReplayed, type ReplayContext, replayLog } from "./send.ts";
import { Story } from "../job/take_up.ts";
import type { Logger } from "../platform/logging/logger.ts";
import { LogLockedError, LogQuarantinedError, LogSealedError, LogWriteError } from "../wal/errors.ts";
import { Log } from "../wal/log.ts";
import { readLogFile, scanLog } from "../wal/reader.ts";
import type { Clock } from "../platform/clock.ts";
import { type Files, isMissing } from "../platform/files.ts";
import { PermissionDenied } from "../platform/system_errors.ts";
import type { Random } from "../platform/random.ts";
import { quietLogger } from "../platform/logging/quiet.ts";
import { nameOf, type Replayed } from "./replayed.ts";
import { formatCount } from "../platform/text.ts";
import { isWantedBy, planAgain, type PlannedReplay, planReplay, type ReplaySelection } from "./plan.ts";
import { type ClientContext, connectTransport, type ServerSettings } from "../client/server_client.ts";
import { messageOf } from "../platform/error_text.ts";

/** What a replay needs of the outside world. */
export interface ReplayHost extends ClientContext {
  readonly clock: Clock;
  readonly random: Random;
  /** Runs when the program ends, in whatever way it can notice. */
  atExit(action: () => void): void;
}

/** A line that says how far a replay has come, for those who watch. */
export interface ProgressLine {
  show(line: () => string): Promise<void>;
  clear(): Promise<void>;
}

export interface ReplaySettings extends Omit<ServerSettings, "server"> {
  /** Undefined: each log is sent to the server that its job came from. */
  readonly server: string | undefined;
  readonly walDir: string;
  readonly archiveDir: string;
  readonly archiveOnComplete: boolean;
  readonly compressionLevel: number;
}

export interface ReplayRunOptions {
  readonly context: ReplayHost;
  readonly settings: ReplaySettings;
  readonly selection: ReplaySelection;
  readonly eventsPerSecondMax: number | undefined;
  readonly backoff: BackoffSettings;
  readonly logger: Logger;
  readonly progress: ProgressLine;
  /** Aborts when the operator has had enough. */
  readonly signal: AbortSignal;
}

type Outcome = Omit<Replayed, "plan">;

const UNTOUCHED: Outcome = {
  end: "nothing",
  sent: 0,
  duplicates: 0,
  gaveUp: 0,
  reason: undefined,
  completion: undefined,
  archivePath: undefined,
  logPath: undefined,
};

interface Connection {
  transport: ServerTransport;
  jobClient: JobClient;
  /** Why it is of no use. */
  problem: Pick<Outcome, "end" | "reason"> | undefined;
}

/** The server to send to: the one that was asked for, or else the one that the job came from. */
export function serverOf(
  { execution }: PlannedReplay,
  settings: Pick<ReplaySettings, "server">,
): string | undefined {
  return settings.server ?? execution?.server;
}

export class ReplayRun {
  readonly #options: ReplayRunOptions;
  readonly #connections = new Map<string, Connection>();

  constructor(options: ReplayRunOptions) {
    this.#options = options;
  }

  async replay(planned: PlannedReplay): Promise<Replayed> {
    const plan = await this.#withoutFalseOwner(planned);
    if (plan.obstacle !== undefined) return { plan, ...UNTOUCHED, end: "obstacle" };
    if (plan.wanted === 0 && !plan.isCompletionDue) return { plan, ...UNTOUCHED };
    if (this.#options.signal.aborted) {
      return { plan, ...UNTOUCHED, end: "interrupted", reason: "it was interrupted" };
    }
    try {
      const connection = await this.#connect(serverOf(plan, this.#options.settings)!);
      if (connection.problem !== undefined) return { plan, ...UNTOUCHED, ...connection.problem };
      const left = await planAgain(this.#options.context.files, plan, this.#options.selection);
      if (left.wanted === 0 && !left.isCompletionDue) return { plan: left, ...UNTOUCHED };
      return await this.#replayFrom(left, connection);
    } catch (error) {
      return { ...UNTOUCHED, ...obstacleOf(plan, error) };
    }
  }

  /**
   * What the table of locks says of a log is a hint: where it cannot tell devices apart, it shows the lock of
   * another file of the same number. Only the lock itself knows.
   */
  async #withoutFalseOwner(plan: PlannedReplay): Promise<PlannedReplay> {
    if (plan.obstacle?.kind !== "in_use") return plan;
    const { context: { files }, selection } = this.#options;
    try {
      (await files.open(plan.target.path)).close();
    } catch {
      // Somebody has it, or it is no file to be locked: left alone as planned.
      return plan;
    }
    return await planReplay(files, plan.target, selection, { isFree: true });
  }

  close(): void {
    for (const { transport } of this.#connections.values()) transport.close();
  }

  /** A server is asked once whether it is there, before anything is moved for its sake. */
  async #connect(server: string): Promise<Connection> {
    const known = this.#connections.get(server);
    if (known !== undefined) return known;
    const { settings, context, signal } = this.#options;
    const transport = await connectTransport({ ...settings, server }, context);
    const jobClient = createJobClient({
      transport,
      clock: context.clock,
      requestTimeoutMs: settings.requestTimeout,
      visibilityTimeoutSeconds: 1,
    });
    const connection: Connection = { transport, jobClient, problem: undefined };
    this.#connections.set(server, connection);
    try {
      await jobClient.ping(signal);
    } catch (error) {
      if (signal.aborted) connection.problem = { end: "interrupted", reason: "it was interrupted" };
      else if (error instanceof CallError) {
        const end = error.kind === "authentication" ? "authentication" : "unreachable";
        connection.problem = { end, reason: `${server}: ${error.message}` };
      } else throw error;
    }
    return connection;
  }

  async #replayFrom(plan: PlannedReplay, connection: Connection): Promise<Replayed> {
    const { target, isCompressed } = plan;
    const { settings: { walDir }, context } = this.#options;
    if (target.kind === "archive") {
      const logPath = await restored(context.files, target.path, walDir, true);
      return { plan, ...await this.#replayLog(plan, connection, logPath, true), logPath };
    }
    if (target.kind === "file" && (isCompressed || !await isWritable(context.files, target.path))) {
      const directory = await context.files.makeTemporaryDirectory("airunner-replay-");
      context.atExit(() => removeDirectory(context.files, directory));
      try {
        return {
          plan,
          ...await this.#replayLog(
            plan,
            connection,
            await restored(context.files, target.path, directory, false),
            false,
          ),
        };
      } finally {
        removeDirectory(context.files, directory);
      }
    }
    return { plan, ...await this.#replayLog(plan, connection, target.path, target.kind === "log") };
  }

  /** `isOurs`: the log lies in our directory, and is archived when the server has all of it. */
  async #replayLog(
    plan: PlannedReplay,
    { transport, jobClient }: Connection,
    path: string,
    isOurs: boolean,
  ): Promise<Outcome> {
    const { context, settings, selection, eventsPerSecondMax, logger, progress, signal } = this.#options;
    const story = new Story();
    const log = await Log.open(path, {
      files: context.files,
      clock: context.clock,
      logger: quietLogger(logger),
      isWanted: isWantedBy(selection),
      onRecord(record, kind) {
        const event = kind === "event" ? decodeEvent(record.payload) : undefined;
        if (event !== undefined) story.add(event);
      },
    });
    const { execution } = log;
    const taskToken = execution?.task_token;
    if (execution === undefined || taskToken === undefined) throw new Error("its task token is gone");
    const secretly = logger.with({ job_id: execution.job_id }, [taskToken]);
    const replayContext: ReplayContext = {
      transport,
      jobClient,
      requestTimeoutMs: settings.requestTimeout,
      backoff: this.#options.backoff,
      clock: context.clock,
      random: context.random,
      logger: quietLogger(secretly),
    };
    const whose = { ...execution, task_token: taskToken };
    const onProgress = (events: number) => {
      // A terminal that has gone is no reason to stop sending; whoever writes to it next says so.
      progress.show(() => progressLine(plan, events)).catch(() => {});
    };
    let completion: Replayed["completion"];
    try {
      onProgress(0);
      const result = await replayLog(
        replayContext,
        { log, execution: whose, eventsPerSecondMax, onProgress },
        signal,
      );
      const hasAll = result.end === "sent" && await isDelivered(context.files, path);
      if (hasAll && story.end !== undefined) {
        completion = await this.#complete(replayContext, { execution: whose, log, end: story.end });
      }
      await log.close();
      await progress.clear();
      const isMoved = plan.target.kind === "archive" && result.end !== "interrupted";
      // What is still to be completed stays a log, so that the next worker completes it.
      const isDone = hasAll && completion !== "outstanding";
      const archivePath = isMoved || (isOurs && isDone && settings.archiveOnComplete)
        ? await this.#archive(path, story.end)
        : undefined;
      return { ...result, completion, archivePath, logPath: undefined };
    } finally {
      await log.close();
      await progress.clear();
    }
  }

  /**
   * The log says so from then on, so that nobody asks again. If it cannot, the next one who asks does no
   * harm.
   */
  async #complete(
    context: ReplayContext,
    what: Parameters<typeof completeReplayed>[1] & { log: Log },
  ): Promise<Replayed["completion"]> {
    const completion = await completeReplayed(context, what, this.#options.signal);
    if (completion === "outstanding" || completion === "aborted") return "outstanding";
    try {
      await what.log.settleCompletion(completion);
    } catch (error) {
      if (!(error instanceof LogWriteError || error instanceof LogSealedError)) throw error;
      context.logger.warn("Could not note in the log that its job is completed", { error: error.message });
    }
    return completion;
  }

  /** That it cannot be archived now, as on a full disk, takes nothing from what was sent: the log stays. */
  async #archive(logPath: string, end: JobEnd | undefined): Promise<string | undefined> {
    const { context: { files }, settings: { archiveDir, compressionLevel: level }, logger } = this.#options;
    const how = { ended: end !== undefined, exitCode: end?.exitCode };
    try {
      const result = await archiveLog({
        files,
        logPath,
        archiveDir,
        level,
        logger: quietLogger(logger),
        ...how,
      });
      return result.outcome === "damaged" ? undefined : result.archivePath;
    } catch (error) {
      logger.warn("Could not archive the log; it stays where it is", {
        path: logPath,
        error: messageOf(error),
      });
      return undefined;
    }
  }
}

/** The archive as a log. What does not come back whole is reported as any other damage. */
async function restored(
  files: Files,
  archivePath: string,
  walDir: string,
  removeArchive: boolean,
): Promise<string> {
  const result = await restoreArchive({ files, archivePath, walDir, removeArchive });
  if (result.outcome === "damaged") throw new Error(`it is damaged: ${result.reason}`);
  return result.logPath;
}

/** Read anew, because the file is what the next run goes by. */
async function isDelivered(files: Files, path: string): Promise<boolean> {
  const { ledger, damage } = await scanLog(readLogFile(files, path), () => {});
  return damage === undefined && ledger.pending === 0;
}

function obstacleOf(plan: PlannedReplay, error: unknown): Pick<Replayed, "plan" | "end" | "reason"> {
  if (error instanceof LogLockedError) {
    return {
      plan: { ...plan, obstacle: { kind: "in_use", pid: error.ownerPid ?? 0 } },
      end: "obstacle",
      reason: undefined,
    };
  }
  if (error instanceof LogQuarantinedError) {
    const { damage, quarantinePath: path } = error;
    const obstacle = {
      kind: "damaged" as const,
      damage,
      reason: `${damage.problem} at byte ${damage.offset}`,
    };
    return {
      plan: { ...plan, target: { ...plan.target, path }, obstacle },
      end: "obstacle",
      reason: undefined,
    };
  }
  return { plan, end: "failed", reason: messageOf(error) };
}

async function isWritable(files: Files, path: string): Promise<boolean> {
  try {
    (await files.openForWriting(path, "existing")).close();
    return true;
  } catch (error) {
    if (error instanceof PermissionDenied || /read-only|os error 30/i.test(messageOf(error))) {
      return false;
    }
    throw error;
  }
}

function removeDirectory(files: Files, path: string): void {
  try {
    files.removeTreeNow(path);
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
}

function progressLine(plan: PlannedReplay, events: number): string {
  const percent = plan.wanted === 0 ? 100 : Math.floor(100 * events / plan.wanted);
  return `Sending ${nameOf(plan)}: ${formatCount(events)} of ${
    formatCount(plan.wanted)
  } events (${percent} %)`;
}
