/**
 * Moves a process's output from its two pipes to whoever stores it, at the pace of the storing: a pipe
 * is not read while there is no room, so the job blocks on its own write and nothing piles up here.
 */
import { StreamType } from "../events/event.ts";
import type { Clock } from "../platform/clock.ts";
import type { OutputChunk } from "./batcher.ts";
import type { RunningProcess } from "./runner/pipe.ts";

export interface PumpOptions {
  process: Pick<RunningProcess, "stdout" | "stderr">;
  clock: Clock;
  /** Resolves when the next read may be made; asked before each of them. */
  waitForRoom(): Promise<void>;
  /** Takes what was read, and resolves when the next read may be made. */
  accept(chunk: OutputChunk): Promise<void>;
}

/** What a pipe can hold at most: Linux's pipe-max-size, for whoever enlarged it. */
const PIPE_BYTES_MAX = 1024 * 1024;
/** After the cut-off, a pipe that gives nothing for this long is empty. */
const EMPTY_AFTER_MS = 250;

export class OutputPump {
  readonly #options: PumpOptions;
  readonly #cutOff = new AbortController();
  #reading = 0;
  #wasCut = false;
  /** Resolves when both pipes are at their end or cut off; rejects when storing failed. */
  readonly finished: Promise<void>;

  constructor(options: PumpOptions) {
    this.#options = options;
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

  /** Whether a pipe is open and has nothing to give, as opposed to us having no room for it. */
  get waitsForOutput(): boolean {
    return this.#reading > 0;
  }

  /** Whether a pipe was still open when reading stopped. */
  get wasCut(): boolean {
    return this.#wasCut;
  }

  /**
   * Reads what the pipes hold by now and then no more, for pipes that a process outside the job's group
   * keeps open. Nothing that has been read is dropped.
   */
  cutOff(): void {
    this.#cutOff.abort();
  }

  async #pump(pipe: ReadableStream<Uint8Array>, stream: StreamType): Promise<void> {
    const { clock, waitForRoom, accept } = this.#options;
    const reader = pipe.getReader();
    let lateBytes = 0;
    try {
      while (lateBytes < PIPE_BYTES_MAX) {
        await waitForRoom();
        const bytes = await this.#read(reader);
        if (bytes === undefined) return;
        if (this.#cutOff.signal.aborted) lateBytes += bytes.length;
        await accept({ stream, bytes, elapsedMs: clock.elapsedMs(), nowMs: clock.nowMs() });
      }
      this.#wasCut = true;
    } finally {
      // Closes the pipe: a process that still writes to it gets SIGPIPE. At the pipe's end it does nothing.
      await reader.cancel();
    }
  }

  /** The next bytes, or undefined at the end of the pipe or when it is cut off and empty. */
  async #read(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<Uint8Array | undefined> {
    this.#reading++;
    const settled = new AbortController();
    try {
      const read = reader.read().finally(() => settled.abort());
      const empty = this.#emptyAfterCutOff(settled.signal).then(() => undefined);
      const result = await Promise.race([read, empty]);
      if (result === undefined) {
        this.#wasCut = true;
        return undefined;
      }
      return result.done ? undefined : result.value;
    } finally {
      settled.abort();
      this.#reading--;
    }
  }

  /** Resolves when this read has been without an answer for a while after the cut-off. Else never. */
  #emptyAfterCutOff(settled: AbortSignal): Promise<void> {
    const cutOff = this.#cutOff.signal;
    return new Promise((resolve) => {
      const wait = async () => {
        await this.#options.clock.sleep(EMPTY_AFTER_MS, settled);
        if (!settled.aborted) resolve();
      };
      if (cutOff.aborted) return void wait();
      cutOff.addEventListener("abort", wait, { once: true, signal: settled });
    });
  }
}
