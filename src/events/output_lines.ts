/**
 * A job's output as lines. A line can be cut anywhere between two pieces of output, in the middle of a
 * character too, and pieces of the other stream can lie between its parts: each stream is put together by
 * itself, and a line comes when it is whole. Pure.
 *
 *     stdout "one\ntw"   stderr "oops\n"   stdout "o\n"      ->      one | oops | two
 */
import type { OutputPiece, StreamType } from "./event.ts";

export interface OutputLine {
  readonly stream: StreamType;
  /** When its first byte was written. */
  readonly timestampMs: number;
  /** Without its line end. Valid until the next push. */
  readonly bytes: Uint8Array;
  /**
   * False for the last of a stream that did not end its line, and for a part of one that is too long to be
   * kept.
   */
  readonly isWhole: boolean;
}

/** A job may print gigabytes without a line end: what is kept of a line stays bounded. */
export const LINE_BYTES_MAX = 64 * 1024;

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;

interface Started {
  timestampMs: number;
  bytes: Uint8Array;
}

export class OutputLines {
  readonly #started = new Map<StreamType, Started>();

  push({ stream, timestampMs, bytes }: OutputPiece): OutputLine[] {
    const lines: OutputLine[] = [];
    let at = 0;
    for (let end; (end = bytes.indexOf(LINE_FEED, at)) >= 0; at = end + 1) {
      const { timestampMs: sinceMs, bytes: whole } = this.#take(stream, timestampMs, bytes.subarray(at, end));
      const length = whole.at(-1) === CARRIAGE_RETURN ? whole.length - 1 : whole.length;
      lines.push({ stream, timestampMs: sinceMs, bytes: whole.subarray(0, length), isWhole: true });
    }
    if (at === bytes.length) return lines;
    const rest = this.#take(stream, timestampMs, bytes.subarray(at));
    while (rest.bytes.length > LINE_BYTES_MAX) {
      const cut = characterStart(rest.bytes, LINE_BYTES_MAX);
      const { timestampMs } = rest;
      lines.push({ stream, timestampMs, bytes: rest.bytes.subarray(0, cut), isWhole: false });
      rest.bytes = rest.bytes.subarray(cut);
    }
    // A copy: the piece lies in memory that is used again for the next record.
    this.#started.set(stream, { timestampMs: rest.timestampMs, bytes: rest.bytes.slice() });
    return lines;
  }

  /** What no line end came for, the earliest first. */
  finish(): OutputLine[] {
    const rest = [...this.#started].map(([stream, started]) => ({ stream, ...started, isWhole: false }));
    this.#started.clear();
    return rest.sort((one, other) => one.timestampMs - other.timestampMs);
  }

  /** What was there of the stream's line, with `more` behind it. */
  #take(stream: StreamType, timestampMs: number, more: Uint8Array): Started {
    const started = this.#started.get(stream);
    if (started === undefined) return { timestampMs, bytes: more };
    this.#started.delete(stream);
    const bytes = new Uint8Array(started.bytes.length + more.length);
    bytes.set(started.bytes);
    bytes.set(more, started.bytes.length);
    return { timestampMs: started.timestampMs, bytes };
  }
}

/** The last place up to `at` where a character of UTF-8 starts; `at` itself when these bytes are no UTF-8. */
function characterStart(bytes: Uint8Array, at: number): number {
  for (let back = 0; back < 4; back++) if ((bytes[at - back] & 0xc0) !== 0x80) return at - back;
  return at;
}
