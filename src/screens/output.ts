/**
 * Standard output and standard error: writes are whole, in order, and wait for the reader.
 */
import type { Clock } from "../platform/clock.ts";
import type { OutputStream } from "../platform/own_process.ts";
import { BrokenPipe, WouldBlock } from "../platform/system_errors.ts";

/** Small writes are gathered up to this size: a listing of a million lines is not a million system calls. */
const BUFFER_BYTES = 64 * 1024;

/** How long a full pipe is left alone: a reader takes some milliseconds for what a pipe holds. */
const FULL_PIPE_WAIT_MS = 2;

/** The reader of our output has gone, as `head` does once it has its lines. Not a failure. */
export class OutputClosedError extends Error {
  override name = "OutputClosedError";
}

export class Output {
  readonly #stream: OutputStream;
  readonly #clock: Pick<Clock, "sleep">;
  readonly #encoder = new TextEncoder();
  #buffer = new Uint8Array(BUFFER_BYTES);
  #used = 0;

  constructor(stream: OutputStream, clock: Pick<Clock, "sleep">) {
    this.#stream = stream;
    this.#clock = clock;
  }

  get isTerminal(): boolean {
    return this.#stream.isTerminal;
  }

  /** Undefined where there is no terminal. */
  get columns(): number | undefined {
    return this.#stream.columns;
  }

  /** Resolves at once unless the buffer is full. Throws OutputClosedError when the reader has gone. */
  async write(data: string | Uint8Array): Promise<void> {
    // A character takes three bytes at most. Encoding in place spares a million lines a million arrays.
    if (typeof data === "string" && 3 * data.length <= BUFFER_BYTES) {
      if (this.#used + 3 * data.length > BUFFER_BYTES) await this.flush();
      this.#used += this.#encoder.encodeInto(data, this.#buffer.subarray(this.#used)).written;
      return;
    }
    const bytes = typeof data === "string" ? this.#encoder.encode(data) : data;
    if (this.#used + bytes.length > BUFFER_BYTES) await this.flush();
    if (bytes.length >= BUFFER_BYTES) return await this.#writeAll(bytes);
    this.#buffer.set(bytes, this.#used);
    this.#used += bytes.length;
  }

  async flush(): Promise<void> {
    const used = this.#used;
    // Forgotten before it is written: a failed write must not be repeated by the flush at the program's end.
    this.#used = 0;
    await this.#writeAll(this.#buffer.subarray(0, used));
  }

  async #writeAll(bytes: Uint8Array): Promise<void> {
    for (let written = 0; written < bytes.length;) written += await this.#writeSome(bytes.subarray(written));
  }

  async #writeSome(bytes: Uint8Array): Promise<number> {
    try {
      return await this.#stream.write(bytes);
    } catch (error) {
      if (error instanceof BrokenPipe) {
        throw new OutputClosedError("Output closed", { cause: error });
      }
      if (!(error instanceof WouldBlock)) throw error;
      // Somebody who shares the pipe has made it non-blocking, and its reader is behind.
      await this.#clock.sleep(FULL_PIPE_WAIT_MS);
      return 0;
    }
  }
}
