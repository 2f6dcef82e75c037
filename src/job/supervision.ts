/**
 * One running process, from its start to the last byte of its output.
 *
 * Whatever fails in here that nobody foresaw is the worker's failure: the process is ended, and the job fails
 * with `EXIT_OURS` and a PROCESS_ERROR that says so. It is never told as the job's own end, for a job whose
 * output was cut off may die of that, or succeed in spite of it, and neither says anything about the job.
 *
 * Every wait for the process or for its children has a limit. What has none is the wait for the disk to take
 * what was read: giving that up would lose it. It ends when the worker is stopped.
 */
import { durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { aborted } from "../platform/aborted.ts";
import { messageOf } from "../platform/error_text.ts";
import type { JobEnd } from "./complete_job.ts";
import type { ExecuteOptions, ExecuteResult } from "./execute_options.ts";
import { cancelledMessage, type EndedBy, EXIT_OURS, INTERRUPTED, OURS, TIMED_OUT } from "./job_ending.ts";
import { OutputFlusher } from "./output_flusher.ts";
import { OutputPump } from "./output_pump.ts";
import type { ProcessExit } from "../platform/processes.ts";
import { EXIT_KILLED, type RunningProcess } from "./runner/pipe.ts";

/** `broken`: the log takes no more. `faulty`: we made a mistake. */
type EndReason = "exited" | "timeout" | "cancelled" | "interrupted" | "stopped" | "broken" | "faulty";

/**
 * A killed process goes at once, unless the kernel holds it for a disk or a network file system that does not
 * answer.
 */
const KILLED_WAIT_MS = 10_000;
/** The same for a worker that has to end at once. */
const KILLED_WAIT_STOPPING_MS = 500;

const ENDING = {
  timeout: "Job timed out, ending it",
  cancelled: "Job was cancelled, ending it",
  interrupted: "Interrupting job",
  faulty: "Ending job",
} as const;

const ENDED_BY: Partial<Record<EndReason, EndedBy>> = { timeout: "timeout", cancelled: "cancellation" };

export class Supervision {
  readonly #options: ExecuteOptions;
  readonly #process: RunningProcess;
  readonly #startedAtMs: number;
  readonly #startedElapsedMs: number;
  readonly #flusher: OutputFlusher;
  readonly #pump: OutputPump;
  /**
   * Aborts when the process has ended or is waited for no longer, which ends everything that only makes sense
   * before.
   */
  readonly #exited = new AbortController();
  /** Aborts when the last byte has been read. */
  readonly #outputEnded = new AbortController();
  /** Aborts with the first error that nobody expected. */
  readonly #fault = new AbortController();
  readonly #exit: Promise<ProcessExit>;
  /** What was recorded as PROCESS_ERROR, in order. */
  readonly #errors: string[] = [];
  #outputBytes = 0;

  constructor(options: ExecuteOptions, process: RunningProcess, startedAtMs: number) {
    this.#options = options;
    this.#process = process;
    this.#startedAtMs = startedAtMs;
    this.#startedElapsedMs = options.clock.elapsedMs();
    this.#flusher = new OutputFlusher(options);
    this.#exit = process.exited.finally(() => this.#exited.abort());
    this.#pump = new OutputPump({
      process,
      clock: options.clock,
      waitForRoom: (signal) => options.waitForRoom(signal),
      over: AbortSignal.any([options.stop, options.writer.broken]),
      accept: (chunk) => {
        this.#outputBytes += chunk.bytes.length;
        return this.#flusher.accept(chunk);
      },
    });
  }

  /** @throws the writer's error when the log broke; nothing else */
  async run(): Promise<ExecuteResult> {
    const { writer, logger } = this.#options;
    const { pid } = this.#process;
    const startedAt = timestampFromMs(this.#startedAtMs);
    // Before anything was read, so that it comes first in the log.
    this.#guard("recording its start", writer.write({ case: "processStart", value: { pid, startedAt } }));
    logger.info("Job started", { pid });
    // Met again by whoever asks how it ended.
    this.#exit.catch(() => {});
    try {
      return await this.#supervise();
    } catch (error) {
      this.#onFault("supervising its process", error);
      const exit = await this.#abandon();
      if (writer.broken.aborted) throw writer.broken.reason;
      return await this.#record("faulty", exit);
    }
  }

  async #supervise(): Promise<ExecuteResult> {
    const { writer } = this.#options;
    const { failed, finished } = this.#pump;
    failed.addEventListener("abort", () => this.#onFault("taking its output", failed.reason), { once: true });
    const besides = [
      this.#guard("flushing its output", this.#flusher.run(this.#outputEnded.signal)),
      this.#guard("writing heartbeats", this.#heartbeats()),
      this.#guard("taking its output", finished.finally(() => this.#outputEnded.abort())),
    ];
    const reason = await this.#endReason();
    await this.#endProcess(reason);
    const exit = await this.#exitOf(reason);
    this.#pump.processEnded();
    await this.#drainPipes(reason);
    await Promise.all(besides);
    if (!writer.broken.aborted) await this.#flusher.flush();
    return await this.#record(reason, exit);
  }

  /**
   * Hears what a part of the supervision rejects with: it ends the job, unless the log broke. Never rejects.
   */
  #guard(what: string, part: Promise<void>): Promise<void> {
    return part.catch((error) => this.#onFault(what, error));
  }

  #onFault(what: string, error: unknown): void {
    const { writer: { broken }, logger } = this.#options;
    // That one has a place of its own: `settled` throws it.
    if (broken.aborted && error === broken.reason) return;
    if (this.#fault.signal.aborted) return;
    logger.error(
      "Job is ended because of an unexpected error of the worker's; what was stored is delivered",
      {
        while: what,
        error: error instanceof Error ? error.stack ?? error.message : String(error),
      },
    );
    const why = messageOf(error);
    this.#fault.abort(
      `${OURS}an unexpected error while ${what} (${why}), for which the worker ended the job. ` +
        "Its output may be incomplete, and this says nothing about the job itself",
    );
  }

  /** Records a PROCESS_ERROR. Not waited for: a full disk must not keep a job alive. */
  #recordError(errorMessage: string): void {
    this.#errors.push(errorMessage);
    const written = this.#options.writer.write({ case: "processError", value: { errorMessage } });
    this.#guard("recording an error", written);
  }

  /** Waits for the first thing that ends the process or means that we have to. */
  async #endReason(): Promise<EndReason> {
    const { job, writer, settings, clock, drain, stop, cancel } = this.#options;
    const timeoutMs = (job.jobParams?.timeoutSeconds ?? 0) * 1000;
    const over = this.#exited.signal;
    const waits: Promise<EndReason>[] = [
      aborted(over).then(() => "exited"),
      aborted(this.#fault.signal, over).then(() => "faulty"),
      aborted(stop, over).then(() => "stopped"),
      aborted(writer.broken, over).then(() => "broken"),
      aborted(cancel, over).then(() => "cancelled"),
      aborted(drain, over).then(() => clock.sleep(settings.shutdownGraceMs, over)).then(() => "interrupted"),
    ];
    if (timeoutMs > 0) waits.push(clock.sleep(timeoutMs, over).then(() => "timeout"));
    const reason = await Promise.race(waits);
    return over.aborted ? "exited" : reason;
  }

  /** Ends the process group if the process has not ended by itself. */
  async #endProcess(reason: EndReason): Promise<void> {
    const { clock, logger, settings, job, stop, cancel } = this.#options;
    if (reason === "exited") return;
    if (reason === "stopped" || reason === "broken") return this.#signal("SIGKILL");
    if (reason === "timeout") this.#recordError(`${TIMED_OUT} ${job.jobParams?.timeoutSeconds} s`);
    if (reason === "cancelled") this.#recordError(cancelledMessage(cancel.reason));
    logger.info(ENDING[reason]);
    this.#signal("SIGTERM");
    await clock.sleep(settings.killGraceMs, AbortSignal.any([this.#exited.signal, stop]));
    if (!this.#exited.signal.aborted) this.#signal("SIGKILL");
  }

  /**
   * That it cannot be sent, as to a process that has become another user's, is no reason not to go on to the
   * end.
   */
  #signal(signal: "SIGTERM" | "SIGKILL"): void {
    try {
      this.#process.signalGroup(signal);
    } catch (error) {
      this.#options.logger.error("Cannot signal the job's processes", {
        signal,
        pid: this.#process.pid,
        error: messageOf(error),
      });
    }
  }

  /** How the process ended; undefined when it is there still, although it was killed. */
  async #exitOf(reason: EndReason): Promise<ProcessExit | undefined> {
    const { clock, stop, logger } = this.#options;
    const exited = this.#exited.signal;
    const { pid } = this.#process;
    if (reason !== "exited") {
      await clock.sleep(stop.aborted ? KILLED_WAIT_STOPPING_MS : KILLED_WAIT_MS, exited);
      if (!exited.aborted) {
        logger.error("A job's process is there still although it was killed, and is waited for no longer", {
          pid,
        });
        this.#recordError(
          `Process ${pid} is there still although it was killed: it may wait for a disk or a network file ` +
            "system that does not answer. What it writes from now on is not recorded",
        );
        // Ends the heartbeats: as far as this job is concerned it is over.
        this.#exited.abort();
        return undefined;
      }
    }
    return await this.#exit;
  }

  /**
   * Reads what is left once the process has ended. A child in the background may hold the pipes open:
   * it gets a while, then its group is ended, then reading stops. Records what has to be said about that.
   */
  async #drainPipes(reason: EndReason): Promise<void> {
    const { clock, settings, writer, stop } = this.#options;
    const ended = this.#outputEnded.signal;
    const early = AbortSignal.any([ended, writer.broken, stop]);
    let held = false;
    if (reason === "exited") {
      // Pipes that wait for us and not for a child are not held by anybody.
      do await clock.sleep(settings.pipeGraceMs, early); while (!early.aborted && !this.#pump.isHeld);
      held = !early.aborted && !settings.leavesBackground;
      if (held) this.#signal("SIGTERM");
    }
    if (reason !== "exited" || held) {
      // Whoever ended the process wanted its whole group gone, also those who ignored SIGTERM.
      await clock.sleep(Math.min(settings.killGraceMs, settings.pipeGraceMs), early);
      this.#signal("SIGKILL");
    }
    if (!settings.leavesBackground) await clock.sleep(settings.pipeGraceMs, early);
    if (!ended.aborted) this.#pump.cutOff();
    // The pump ends soon, or as soon as the disk has taken what it has read.
    await aborted(ended);
    if (this.#pump.wasCut && settings.leavesBackground) {
      this.#recordError(
        "A process that the command left in the background holds its output open; what it writes from now on " +
          "is neither shown nor recorded",
      );
    } else if (this.#pump.wasCut) {
      this.#recordError(
        "A process that the command had left in the background still held its output open after its " +
          "group was ended; what it wrote later is not recorded",
      );
    } else if (held) {
      this.#recordError(
        `A process that the command had left in the background still held its output open ` +
          `${settings.pipeGraceMs / 1000} s later and was ended`,
      );
    }
  }

  /** Lets go of the process after a mistake of ours, whatever state it is in. */
  async #abandon(): Promise<ProcessExit | undefined> {
    const { clock } = this.#options;
    if (!this.#exited.signal.aborted) this.#signal("SIGKILL");
    this.#pump.processEnded();
    this.#pump.cutOff();
    const settled = new AbortController();
    const all = Promise.allSettled([this.#exit, this.#pump.finished]).then(() => settled.abort());
    await Promise.race([all, clock.sleep(KILLED_WAIT_MS, settled.signal)]);
    this.#outputEnded.abort();
    const hasExited = this.#exited.signal.aborted;
    this.#exited.abort();
    await this.#guard("flushing its output", this.#flusher.flush());
    return hasExited ? await this.#exit.catch(() => undefined) : undefined;
  }

  /** Writes the end, if there is one to write, when everything before it is durable. */
  async #record(endReason: EndReason, exit: ProcessExit | undefined): Promise<ExecuteResult> {
    const { writer, clock, logger, stop, cancel } = this.#options;
    let reason = endReason;
    const durationMs = Math.round(clock.elapsedMs() - this.#startedElapsedMs);
    const fault = this.#fault.signal;
    if (fault.aborted) this.#recordError(fault.reason);
    if (reason === "interrupted" && cancel.aborted && !stop.aborted && exit !== undefined) {
      // It was heard of while the shutdown ended the job, and nobody wants it to run again.
      this.#recordError(cancelledMessage(cancel.reason));
      reason = "cancelled";
    }
    if (reason === "interrupted" && !stop.aborted) {
      this.#recordError(`${INTERRUPTED}: the worker was stopped; the job goes back to its queue`);
    }
    // Throws when the log broke, so that what follows is only said of a whole log.
    await writer.settled();
    if (reason === "interrupted" || reason === "stopped") {
      return { kind: exit === undefined ? "left" : "interrupted" };
    }
    const exitCode = fault.aborted ? EXIT_OURS : exit?.exitCode ?? EXIT_KILLED;
    await writer.write({
      case: "processEnd",
      value: { pid: this.#process.pid, exitCode, runDuration: durationFromMs(durationMs) },
    });
    logger.info("Job ended", {
      exit_code: exitCode,
      signal: exit?.signal,
      duration_ms: durationMs,
      output_bytes: this.#outputBytes,
    });
    const end: JobEnd = {
      exitCode,
      errorMessage: fault.aborted ? fault.reason : this.#errors[0],
      endedBy: ENDED_BY[reason],
      startedAtMs: this.#startedAtMs,
      endedAtMs: clock.nowMs(),
    };
    return { kind: "ended", end, outputBytes: this.#outputBytes };
  }

  /**
   * Says that the process is alive, for as long as it is. A heartbeat that cannot be stored delays the next.
   */
  async #heartbeats(): Promise<void> {
    const { clock, writer, settings } = this.#options;
    const exited = this.#exited.signal;
    for (;;) {
      await clock.sleep(settings.heartbeatIntervalMs, exited);
      if (exited.aborted || writer.broken.aborted) return;
      const elapsedMs = Math.round(clock.elapsedMs() - this.#startedElapsedMs);
      const value = { elapsedTime: durationFromMs(elapsedMs), processAlive: true };
      await writer.write({ case: "heartbeat", value });
    }
  }
}
