/**
 * What every event begins with, read without decoding the rest of it: a pure look at the bytes of the kind of
 * event that there are most of, a batch of output. Decoding one makes an object for each of its items.
 *
 * Only what is beyond doubt is read here: fields that the schema has, each with the wire type that the schema
 * gives it and whole, down to the items. For everything else, damage included, the generated decoder decides.
 */
import { decodeEvent, type JobEvent } from "./event.ts";

export interface EventHead {
  sequence: bigint;
  /** Unix milliseconds; undefined when there is none, or one beyond int64. */
  timestampMs: bigint | undefined;
  /** An EventType, or a number that this program does not know. */
  type: number;
}

const INT64_MAX = 2n ** 63n - 1n;

/** The head of a JobEvent message; undefined when the bytes are none. */
export function readEventHead(payload: Uint8Array): EventHead | undefined {
  const head = new BatchScan(payload).head();
  if (head !== undefined) return head;
  const event = decodeEvent(payload);
  return event && { sequence: event.sequence, timestampMs: timestampMsOf(event), type: event.eventType };
}

function timestampMsOf({ timestamp }: JobEvent): bigint | undefined {
  if (!timestamp) return undefined;
  const ms = timestamp.seconds * 1000n + BigInt(Math.floor(timestamp.nanos / 1e6));
  return ms >= -INT64_MAX && ms <= INT64_MAX ? ms : undefined;
}

// Tags: the field's number and its wire type.
const VARINT = 0;
const BYTES = 2;
const tag = (field: number, wireType: number) => field << 3 | wireType;
const SEQUENCE = tag(1, VARINT);
const TIMESTAMP = tag(2, BYTES);
const EVENT_TYPE = tag(3, VARINT);
const OUTPUT_BATCH = tag(10, BYTES);
const SECONDS = tag(1, VARINT);
const NANOS = tag(2, VARINT);
const OUTPUTS = tag(1, BYTES);
const PLAYBACK_INTERVAL = tag(5, VARINT);
const OUTPUT = tag(1, BYTES);
const STREAM_TYPE = tag(2, VARINT);
const TIMESTAMP_DELTA = tag(3, VARINT);

class BatchScan {
  readonly #bytes: Uint8Array;
  #at = 0;
  /** Something is not as expected; nothing that was read counts. */
  #isOdd = false;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Undefined: the bytes are something else than a batch of output, or look odd. */
  head(): EventHead | undefined {
    let sequence = 0;
    let type = 0;
    let timestampMs: number | undefined;
    const end = this.#bytes.length;
    while (this.#at < end && !this.#isOdd) {
      switch (this.#bytes[this.#at++]) {
        case SEQUENCE:
          sequence = this.#varint(end);
          break;
        case TIMESTAMP:
          // A second one would be merged with the first.
          if (timestampMs !== undefined) return undefined;
          timestampMs = this.#timestamp(this.#length(end));
          break;
        case EVENT_TYPE:
          type = this.#varint(end);
          break;
        case OUTPUT_BATCH:
          this.#batch(this.#length(end));
          break;
        default:
          return undefined;
      }
    }
    // Beyond that a type is negative or cut, as the decoder knows.
    if (this.#isOdd || type > 0x7fffffff) return undefined;
    return {
      sequence: BigInt(sequence),
      timestampMs: timestampMs === undefined ? undefined : BigInt(timestampMs),
      type,
    };
  }

  #timestamp(end: number): number {
    let seconds = 0;
    let nanos = 0;
    while (this.#at < end && !this.#isOdd) {
      const field = this.#bytes[this.#at++];
      if (field === SECONDS) seconds = this.#varint(end);
      else if (field === NANOS) nanos = this.#varint(end);
      else this.#isOdd = true;
    }
    const ms = seconds * 1000 + Math.floor(nanos / 1e6);
    if (nanos > 0x7fffffff || ms > Number.MAX_SAFE_INTEGER) this.#isOdd = true;
    return ms;
  }

  #batch(end: number): void {
    while (this.#at < end && !this.#isOdd) {
      const field = this.#bytes[this.#at++];
      if (field === OUTPUTS) this.#item(this.#length(end));
      else if ((field & 7) === VARINT && field > OUTPUTS && field <= PLAYBACK_INTERVAL) this.#varint(end);
      else this.#isOdd = true;
    }
  }

  #item(end: number): void {
    while (this.#at < end && !this.#isOdd) {
      const field = this.#bytes[this.#at++];
      if (field === OUTPUT) this.#at = this.#length(end);
      else if (field === STREAM_TYPE || field === TIMESTAMP_DELTA) this.#varint(end);
      else this.#isOdd = true;
    }
  }

  /** Where what follows ends, whose length is said here. */
  #length(end: number): number {
    const length = this.#varint(end);
    if (length <= end - this.#at) return this.#at + length;
    this.#isOdd = true;
    return this.#at;
  }

  /** Of at most seven bytes, which are exactly a number. A longer one is odd: negative, or very large. */
  #varint(end: number): number {
    let value = 0;
    let factor = 1;
    for (const last = Math.min(end, this.#at + 7); this.#at < last;) {
      const byte = this.#bytes[this.#at++];
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
      factor *= 0x80;
    }
    this.#isOdd = true;
    return 0;
  }
}
