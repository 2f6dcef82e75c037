/**
 * One line on a terminal that says how far a long reading has come, and is gone when it is over. Nothing
 * elsewhere: log files and pipes shall not be full of it.
 */
import type { Clock } from "../platform/clock.ts";
import type { LogBytes } from "../wal/reader.ts";
import type { Output } from "./output.ts";
import { formatBytes, formatCount } from "../platform/text.ts";

/** What is done sooner needs no line. */
const FIRST_MS = 500;
const EVERY_MS = 200;

/**
 * A chunk's records live until the last of them was shown. In small pieces they are gone before the collector
 * takes them for long-lived, which saves it tens of megabytes on a large log.
 */
const PIECE_BYTES = 64 * 1024;

/** Back to the line's start, and all of it erased. */
const CLEAR = "\r\u001b[K";

export class Progress {
  readonly #stderr: Output;
  readonly #clock: Clock;
  #nextMs: number;
  #isShown = false;

  constructor({ stderr, clock }: { stderr: Output; clock: Clock }) {
    this.#stderr = stderr;
    this.#clock = clock;
    this.#nextMs = stderr.isTerminal ? clock.elapsedMs() + FIRST_MS : Infinity;
  }

  /** Cheap enough to be called for every block. */
  async show(line: () => string): Promise<void> {
    if (this.#clock.elapsedMs() < this.#nextMs) return;
    this.#nextMs = this.#clock.elapsedMs() + EVERY_MS;
    this.#isShown = true;
    await this.#stderr.write(CLEAR + line());
    await this.#stderr.flush();
  }

  /** Takes the line away, so that what is written next starts on a clean one. */
  async clear(): Promise<void> {
    if (!this.#isShown) return;
    this.#isShown = false;
    await this.#stderr.write(CLEAR);
    await this.#stderr.flush();
  }

  /** The same bytes, counted on their way. `totalBytes` is undefined where nobody knows, as of an archive. */
  async *watch(bytes: LogBytes, totalBytes: number | undefined): LogBytes {
    let doneBytes = 0;
    try {
      for await (const chunk of bytes) {
        for (let at = 0; at < chunk.length; at += PIECE_BYTES) yield chunk.subarray(at, at + PIECE_BYTES);
        doneBytes += chunk.length;
        await this.show(() => readingLine(doneBytes, totalBytes));
      }
    } finally {
      await this.clear();
    }
  }
}

function readingLine(doneBytes: number, totalBytes: number | undefined): string {
  if (totalBytes === undefined) return `Reading: ${formatBytes(doneBytes)}`;
  // A log that is being written can be longer by now.
  const percent = totalBytes === 0 ? 100 : Math.min(100, Math.floor(100 * doneBytes / totalBytes));
  return `Reading: ${percent}% of ${formatBytes(totalBytes)}`;
}

/** `1,200 of 10,000 logs` */
export function filesLine(done: number, total: number): string {
  return `Reading: ${formatCount(done)} of ${formatCount(total)} logs`;
}
