/**
 * Runs a job's command and records what happens to it as events: start, output, heartbeats, errors, end.
 * Nothing here knows of the server; the events are durable before anybody sees them.
 */
import { durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type Job, type JobParams, ProcessType } from "../events/gen/job/v1/job_pb.ts";
import { messageOf } from "../platform/error_text.ts";
import type { Clock } from "../platform/clock.ts";
import type { Logger } from "../platform/logging/logger.ts";
import { aborted } from "../platform/aborted.ts";
import { Batcher, type BatchLimits } from "./batcher.ts";
import type { JobEnd } from "./complete_job.ts";
import type { EventWriter } from "./event_writer.ts";
import type { JobUser } from "./job_user.ts";
import { OutputPump } from "./output_pump.ts";
import {
  EXIT_CANNOT_RUN,
  jobEnvironment,
  type RunningProcess,
  SpawnError,
  spawnProcess,
} from "./runner/pipe.ts";

export interface ExecuteSettings {
  heartbeatIntervalMs: number;
  /** Time between SIGTERM and SIGKILL. */
  killGraceMs: number;
  /** How long pipes may stay open after the process has ended, because its children hold them. */
  pipeGraceMs: number;
  /** How long a running job may go on once the worker is asked to stop. */
  shutdownGraceMs: number;
}

export interface ExecuteOptions {
  job: Job;
  writer: EventWriter;
  limits: BatchLimits;
  settings: ExecuteSettings;
  /** The worker's own variables. */
  environment: Readonly<Record<string, string>>;
  /** As whom it runs. Undefined: as the worker's user. */
  user?: JobUser;
  /** Makes a directory for a job that names none of its own, or a relative one. Undefined: that is the worker's own. */
  makeWorkDirectory?(): Promise<string>;
  /** Resolves when there is room on disk for more output, or when the signal aborts. */
  waitForRoom(signal: AbortSignal): Promise<void>;
  clock: Clock;
  logger: Logger;
  /** The worker is asked to stop: the job gets its grace period. */
  drain: AbortSignal;
  /** The worker ends now. */
  stop: AbortSignal;
}

/**
 * `ended`: PROCESS_END is in the log. `interrupted`: the worker ended it, so there is none. Neither is
 * said when the log broke: then the writer's error is thrown, and the process is gone.
 */
export type ExecuteResult =
  | { kind: "ended"; end: JobEnd; outputBytes: number }
  | { kind: "interrupted" };

/** How a PROCESS_ERROR begins when the job took too long; what marks such a job in its log. */
export const TIMED_OUT = "Timed out after";
export const INTERRUPTED = "Interrupted";

export async function executeJob(options: ExecuteOptions): Promise<ExecuteResult> {
  const { writer, clock } = options;
  const startedAtMs = clock.nowMs();
  let process: RunningProcess;
  try {
    process = await startProcess(options.job);
  } catch (error) {
    if (!(error instanceof SpawnError)) throw error;
    return await recordSpawnFailure(options, error, startedAtMs);
  }
  return await new Supervision(options, process, startedAtMs).run();

  async function startProcess({ jobId, jobParams }: Job): Promise<RunningProcess> {
    const params = checkedParams(jobParams);
    const started = await spawnProcess({
      command: params.command,
      args: params.args,
      environment: jobEnvironment(options.environment, params.environment, jobId),
      workingDirectory: await workingDirectoryFor(params.workingDirectory, options.makeWorkDirectory),
      user: options.user,
    });
    // A failure shows up in the supervision, which also ends the process.
    writer.write({
      case: "processStart",
      value: { pid: started.pid, startedAt: timestampFromMs(startedAtMs) },
    }).catch(() => {});
    return started;
  }
}

/** Refuses what this worker would have to pretend to do. A repository without git_clone is just a note. */
function checkedParams(params: JobParams | undefined): JobParams {
  const refuse = (what: string) => {
    throw new SpawnError(`This worker cannot run the job: ${what}`, EXIT_CANNOT_RUN);
  };
  if (params === undefined) return refuse("it came without parameters");
  if (params.container?.enabled) {
    return refuse("it asks for a container, and only plain processes are supported");
  }
  if (params.gitClone?.enabled) {
    return refuse(
      "it asks for a clone of its repository, which is not supported; clone in the command itself",
    );
  }
  if (params.processType !== ProcessType.UNSPECIFIED && params.processType !== ProcessType.PIPE) {
    const type = ProcessType[params.processType] ?? params.processType;
    return refuse(`it asks for process type ${type}, and only PIPE is supported`);
  }
  return params;
}

async function workingDirectoryFor(
  asked: string,
  make: ExecuteOptions["makeWorkDirectory"],
): Promise<string> {
  if (make === undefined || asked.startsWith("/")) return asked;
  let directory: string;
  try {
    directory = await make();
  } catch (error) {
    const message = `The worker could not make a directory for the job, which was not run: ${
      messageOf(error)
    }`;
    throw new SpawnError(message, EXIT_CANNOT_RUN, { cause: error });
  }
  return asked === "" ? directory : `${directory}/${asked}`;
}

async function recordSpawnFailure(
  { writer, clock }: ExecuteOptions,
  error: SpawnError,
  startedAtMs: number,
): Promise<ExecuteResult> {
  const { message: errorMessage, exitCode } = error;
  await writer.write({ case: "processError", value: { errorMessage } });
  await writer.write({ case: "processEnd", value: { pid: 0, exitCode, runDuration: durationFromMs(0) } });
  const end = { exitCode, errorMessage, timedOut: false, startedAtMs, endedAtMs: clock.nowMs() };
  return { kind: "ended", end, outputBytes: 0 };
}

type EndReason = "exited" | "timeout" | "interrupted" | "stopped" | "broken";

/** One running process, from its start to the last byte of its output. */
class Supervision {
  readonly #options: ExecuteOptions;
  readonly #process: RunningProcess;
  readonly #startedAtMs: number;
  readonly #startedElapsedMs: number;
  readonly #batcher: Batcher;
  readonly #pump: OutputPump;
  /** Aborts when the process has ended, which ends everything that only makes sense before. */
  readonly #exited = new AbortController();
  /** Aborts when the last byte has been read. */
  readonly #outputEnded = new AbortController();
  #outputBytes = 0;
  #firstOutput = new AbortController();

  constructor(options: ExecuteOptions, process: RunningProcess, startedAtMs: number) {
    this.#options = options;
    this.#process = process;
    this.#startedAtMs = startedAtMs;
    this.#startedElapsedMs = options.clock.elapsedMs();
    this.#batcher = new Batcher(options.limits);
    // Nothing pauses reading once the process has ended: what its pipes still hold is little, and has to
    // be read before the job can end.
    const noPause = AbortSignal.any([options.stop, options.writer.broken, this.#exited.signal]);
    this.#pump = new OutputPump({
      process,
      clock: options.clock,
      waitForRoom: () => options.waitForRoom(noPause),
      accept: async (chunk) => {
        this.#outputBytes += chunk.bytes.length;
        const full = this.#batcher.add(chunk);
        this.#firstOutput.abort();
        await options.writer.writeBatches(full);
      },
    });
  }

  async run(): Promise<ExecuteResult> {
    const { writer, clock, logger, stop } = this.#options;
    logger.info("Job started", { pid: this.#process.pid });
    const exit = this.#process.exited.finally(() => this.#exited.abort());
    const flushing = this.#flushInTime();
    const beating = this.#heartbeats();
    const reason = await this.#endReason();
    const errorMessage = await this.#endProcess(reason);
    const { exitCode, signal } = await exit;
    const durationMs = clock.elapsedMs() - this.#startedElapsedMs;
    const leftOver = await this.#drainPipes(reason);
    await Promise.all([flushing, beating]);
    const rest = this.#batcher.flush();
    if (rest !== undefined && !writer.broken.aborted) await writer.writeBatches([rest]);

    if (leftOver !== undefined) writer.write(processError(leftOver)).catch(() => {});
    if (reason === "interrupted" && !stop.aborted) {
      writer.write(processError(`${INTERRUPTED}: the worker was stopped; the job goes back to its queue`))
        .catch(() => {});
    }
    // Throws when the log broke, so that what follows is only said of a whole log.
    await writer.settled();
    if (reason === "interrupted" || reason === "stopped") return { kind: "interrupted" };

    await writer.write({
      case: "processEnd",
      value: { pid: this.#process.pid, exitCode, runDuration: durationFromMs(Math.round(durationMs)) },
    });
    logger.info("Job ended", {
      exit_code: exitCode,
      signal,
      duration_ms: Math.round(durationMs),
      output_bytes: this.#outputBytes,
    });
    const end: JobEnd = {
      exitCode,
      errorMessage: errorMessage ?? leftOver,
      timedOut: reason === "timeout",
      startedAtMs: this.#startedAtMs,
      endedAtMs: clock.nowMs(),
    };
    return { kind: "ended", end, outputBytes: this.#outputBytes };
  }

  /** Waits for the first thing that ends the process or means that we have to. */
  async #endReason(): Promise<EndReason> {
    const { job, writer, settings, clock, drain, stop } = this.#options;
    const timeoutMs = (job.jobParams?.timeoutSeconds ?? 0) * 1000;
    const over = this.#exited.signal;
    const waits: Promise<EndReason>[] = [
      aborted(over).then(() => "exited"),
      aborted(stop, over).then(() => "stopped"),
      aborted(writer.broken, over).then(() => "broken"),
      aborted(drain, over).then(() => clock.sleep(settings.shutdownGraceMs, over)).then(() => "interrupted"),
    ];
    if (timeoutMs > 0) waits.push(clock.sleep(timeoutMs, over).then(() => "timeout"));
    const reason = await Promise.race(waits);
    return over.aborted ? "exited" : reason;
  }

  /** Ends the process group if the process has not ended by itself. Gives the error that was recorded. */
  async #endProcess(reason: EndReason): Promise<string | undefined> {
    const { writer, clock, logger, settings, job, stop } = this.#options;
    if (reason === "exited") return undefined;
    if (reason === "stopped" || reason === "broken") {
      this.#process.signalGroup("SIGKILL");
      return undefined;
    }
    let message: string | undefined;
    if (reason === "timeout") {
      message = `${TIMED_OUT} ${job.jobParams?.timeoutSeconds} s`;
      // Not awaited: a full disk must not keep a job alive.
      writer.write(processError(message)).catch(() => {});
    }
    logger.info(reason === "timeout" ? "Job timed out, ending it" : "Interrupting job");
    this.#process.signalGroup("SIGTERM");
    const early = AbortSignal.any([this.#exited.signal, stop]);
    await clock.sleep(settings.killGraceMs, early);
    if (!this.#exited.signal.aborted) this.#process.signalGroup("SIGKILL");
    return message;
  }

  /**
   * Reads what is left once the process has ended. A child in the background may hold the pipes open:
   * it gets a while, then its group is ended, then reading stops. Gives what has to be said about that.
   */
  async #drainPipes(reason: EndReason): Promise<string | undefined> {
    const { clock, settings, writer, stop } = this.#options;
    const finished = this.#pump.finished.finally(() => this.#outputEnded.abort());
    // Its failure is the writer's, which `settled` reports.
    finished.catch(() => {});
    const ended = this.#outputEnded.signal;
    const early = AbortSignal.any([ended, writer.broken, stop]);
    let held = false;
    if (reason === "exited") {
      // Pipes that wait for us and not for a child are not held by anybody.
      do await clock.sleep(settings.pipeGraceMs, early); while (!early.aborted && !this.#pump.waitsForOutput);
      held = !early.aborted;
      if (held) this.#process.signalGroup("SIGTERM");
    }
    if (reason !== "exited" || held) {
      // Whoever ended the process wanted its whole group gone, also those who ignored SIGTERM.
      await clock.sleep(Math.min(settings.killGraceMs, settings.pipeGraceMs), early);
      this.#process.signalGroup("SIGKILL");
    }
    await clock.sleep(settings.pipeGraceMs, early);
    if (!ended.aborted) this.#pump.cutOff();
    await aborted(ended);
    if (this.#pump.wasCut) {
      return "A process that the command had left in the background still held its output open after its " +
        "group was ended; what it wrote later is not recorded";
    }
    if (held) {
      return `A process that the command had left in the background still held its output open ` +
        `${settings.pipeGraceMs / 1000} s later and was ended`;
    }
    return undefined;
  }

  /** Flushes a batch when its time has come, until the output has ended. */
  async #flushInTime(): Promise<void> {
    const { clock, writer } = this.#options;
    const ended = this.#outputEnded.signal;
    while (!ended.aborted) {
      const dueAtMs = this.#batcher.dueAtMs;
      if (dueAtMs === undefined) {
        this.#firstOutput = new AbortController();
        await aborted(this.#firstOutput.signal, ended);
        continue;
      }
      const waitMs = dueAtMs - clock.elapsedMs();
      if (waitMs > 0) {
        await clock.sleep(waitMs, ended);
        continue;
      }
      const batch = this.#batcher.flush();
      // A failure breaks the writer, which ends the process and is thrown by `settled`.
      if (batch !== undefined) await writer.writeBatches([batch]).catch(() => {});
    }
  }

  /** Says that the process is alive, for as long as it is. A heartbeat that cannot be stored delays the next. */
  async #heartbeats(): Promise<void> {
    const { clock, writer, settings } = this.#options;
    const exited = this.#exited.signal;
    for (;;) {
      await clock.sleep(settings.heartbeatIntervalMs, exited);
      if (exited.aborted || writer.broken.aborted) return;
      const elapsedMs = Math.round(clock.elapsedMs() - this.#startedElapsedMs);
      const value = { elapsedTime: durationFromMs(elapsedMs), processAlive: true };
      await writer.write({ case: "heartbeat", value }).catch(() => {});
    }
  }
}

function processError(errorMessage: string) {
  return { case: "processError", value: { errorMessage } } as const;
}
