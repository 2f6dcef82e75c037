/**
 * Moves a process's output from its two pipes to whoever stores it, at the pace of the storing: a pipe
 * is not read while there is no room, so the job blocks on its own write and nothing piles up here.
 *
 *     process runs     -> each read waits for room
 *     processEnded()   -> what its pipes can still hold is read at once, for the job cannot end before it was
 *     cutOff()         -> what the pipes hold now is read, and then no more, however long they stay open
 */
import { StreamType } from "../events/event.ts";
import type { Clock } from "../platform/clock.ts";
import type { OutputChunk } from "./batcher.ts";
import type { RunningProcess } from "./runner/pipe.ts";

export interface PumpOptions {
  process: Pick<RunningProcess, "stdout" | "stderr">;
  clock: Clock;
  /** Resolves when the next read may be made, or when `signal` aborts; asked before each of them. */
  waitForRoom(signal: AbortSignal): Promise<void>;
  /** Takes what was read, and resolves when the next read may be made. */
  accept(chunk: OutputChunk): Promise<void>;
  /** Aborts when nothing waits for room any more. */
  over: AbortSignal;
}

/** What a pipe can hold at most: Linux's pipe-max-size, for whoever enlarged it. */
const PIPE_BYTES_MAX = 1024 * 1024;
/** After the cut-off, a pipe that gives nothing for this long is empty. */
const EMPTY_AFTER_MS = 250;
/** And a pipe is waited for no longer than this in all, for somebody may write to it more often than that. */
const LATE_WAIT_MS_MAX = 1000;

/** How much one pipe has given, and how long it was waited for, since things happened to the process. */
interface Late {
  bytesSinceEnd: number;
  bytesSinceCutOff: number;
  waitedSinceCutOffMs: number;
}

export class OutputPump {
  readonly #options: PumpOptions;
  readonly #ended = new AbortController();
  readonly #cutOff = new AbortController();
  /** What the reads under way do at the cut-off. */
  readonly #atCutOff = new Set<() => void>();
  readonly #failed = new AbortController();
  /**
   * What ends a wait for room: at first the process's end, and later, for whoever writes on after it, only
   * the cut-off.
   */
  readonly #noPause: AbortSignal;
  readonly #noPauseLater: AbortSignal;
  #reading = 0;
  #isOverfull = false;
  #wasCut = false;
  /** Resolves when both pipes are at their end or cut off; rejects when storing failed. */
  readonly finished: Promise<void>;

  constructor(options: PumpOptions) {
    this.#options = options;
    this.#noPause = AbortSignal.any([options.over, this.#ended.signal, this.#cutOff.signal]);
    this.#noPauseLater = AbortSignal.any([options.over, this.#cutOff.signal]);
    const { stdout, stderr } = options.process;
    // Both are waited for, so that no read is left behind when one of them fails.
    this.finished = Promise.allSettled([
      this.#pump(stdout, StreamType.STDOUT),
      this.#pump(stderr, StreamType.STDERR),
    ]).then((results) => {
      for (const result of results) if (result.status === "rejected") throw result.reason;
    });
    // Whoever awaits `finished` later gets the failure then; it must not count as unhandled until then.
    this.finished.catch(() => {});
  }

  /**
   * Aborts with the error of the first pipe whose output could not be taken, before that pipe is closed: the
   * process that dies of that has not failed by itself.
   */
  get failed(): AbortSignal {
    return this.#failed.signal;
  }

  /**
   * Whether somebody other than the ended process has a pipe open: one is open and has nothing to give, or
   * has given more since the process's end than a pipe can hold. A pipe that waits for us, on a full disk, is
   * not held.
   */
  get isHeld(): boolean {
    return this.#reading > 0 || this.#isOverfull;
  }

  /** Whether a pipe was still open when reading stopped. */
  get wasCut(): boolean {
    return this.#wasCut;
  }

  /** What the process can have left in its pipes is read without waiting for room. */
  processEnded(): void {
    this.#ended.abort();
  }

  /**
   * Reads what the pipes hold by now and then no more, for pipes that a process outside the job's group
   * keeps open. Nothing that has been read is dropped.
   */
  cutOff(): void {
    this.#cutOff.abort();
    for (const act of [...this.#atCutOff]) act();
  }

  async #pump(pipe: ReadableStream<Uint8Array>, stream: StreamType): Promise<void> {
    const { clock, accept } = this.#options;
    const reader = pipe.getReader();
    const late: Late = { bytesSinceEnd: 0, bytesSinceCutOff: 0, waitedSinceCutOffMs: 0 };
    try {
      while (late.bytesSinceCutOff < PIPE_BYTES_MAX && late.waitedSinceCutOffMs < LATE_WAIT_MS_MAX) {
        await this.#waitForRoom(late);
        const bytes = await this.#read(reader, late);
        if (bytes === undefined) return;
        if (this.#ended.signal.aborted) late.bytesSinceEnd += bytes.length;
        if (this.#cutOff.signal.aborted) late.bytesSinceCutOff += bytes.length;
        if (late.bytesSinceEnd > PIPE_BYTES_MAX) this.#isOverfull = true;
        await accept({ stream, bytes, elapsedMs: clock.elapsedMs(), nowMs: clock.nowMs() });
      }
      this.#wasCut = true;
    } catch (error) {
      this.#failed.abort(error);
      throw error;
    } finally {
      // Closes the pipe: a process that still writes to it gets SIGPIPE. At the pipe's end it does nothing.
      await reader.cancel();
    }
  }

  async #waitForRoom({ bytesSinceEnd }: Late): Promise<void> {
    const signal = bytesSinceEnd > PIPE_BYTES_MAX ? this.#noPauseLater : this.#noPause;
    if (!signal.aborted) await this.#options.waitForRoom(signal);
  }

  /** The next bytes, or undefined at the end of the pipe or when it is cut off and empty. */
  async #read(reader: ReadableStreamDefaultReader<Uint8Array>, late: Late): Promise<Uint8Array | undefined> {
    this.#reading++;
    try {
      const result = await this.#readOrEmpty(reader, late);
      if (result !== undefined) return result.done ? undefined : withoutWaste(result.value);
      this.#wasCut = true;
      return undefined;
    } finally {
      this.#reading--;
    }
  }

  /**
   * One read; undefined when it has been without an answer for a while after the cut-off. There are tens of
   * thousands of reads to a gigabyte, so that nothing is made for the cut-off before it comes.
   */
  #readOrEmpty(reader: ReadableStreamDefaultReader<Uint8Array>, late: Late) {
    return new Promise<ReadableStreamReadResult<Uint8Array> | undefined>((resolve, reject) => {
      const settled = new AbortController();
      const wait = () => {
        this.#isEmpty(late, settled.signal).then((isEmpty) => isEmpty && resolve(undefined)).catch(reject);
      };
      const settle = () => {
        this.#atCutOff.delete(wait);
        if (this.#cutOff.signal.aborted) settled.abort();
      };
      reader.read().finally(settle).then(resolve, reject);
      if (this.#cutOff.signal.aborted) wait();
      else this.#atCutOff.add(wait);
    });
  }

  /** Whether a read after the cut-off is without an answer for as long as it is waited for. */
  async #isEmpty(late: Late, settled: AbortSignal): Promise<boolean> {
    const { clock } = this.#options;
    const sinceMs = clock.elapsedMs();
    await clock.sleep(Math.min(EMPTY_AFTER_MS, LATE_WAIT_MS_MAX - late.waitedSinceCutOffMs), settled);
    late.waitedSinceCutOffMs += clock.elapsedMs() - sinceMs;
    return !settled.aborted;
  }
}

/**
 * The runtime reads into blocks of 64 KiB and gives out what came of each. Output that waits for its batch
 * must not keep a block for each line of it.
 */
function withoutWaste(bytes: Uint8Array): Uint8Array {
  return 2 * bytes.byteLength < bytes.buffer.byteLength ? bytes.slice() : bytes;
}
