/**
 * The checksum over a log's events by which a server is asked whether it has stored just them:
 * CRC-64/NVME over the events in the order of their sequences, of each its sequence (int64), its length in
 * bytes (uint32), both little-endian, and its bytes. Pure.
 *
 * It comes in ranges of at most 64 MiB, so that no question takes a server long, and a difference is
 * somewhere in particular. While a log is written it costs a microsecond an event: the record's own checksum
 * covers the event's bytes, so they are not read for it again.
 */
import { Crc64 } from "../platform/checksum/crc64.ts";
import { combineCrc64, shiftCrc64 } from "../platform/checksum/crc64_combine.ts";
import type { RecordFields } from "./format.ts";

/** Events whose sequences lie from `from` to `to`, both ends included. */
export interface ChecksummedRange {
  readonly from: bigint;
  readonly to: bigint;
  readonly count: number;
  readonly checksum: bigint;
}

/** A written event: the record it is in, by that record's own checksum. */
export interface WrittenEvent extends Omit<RecordFields, "payload"> {
  readonly payloadBytes: number;
  readonly recordChecksum: bigint;
}

const RANGE_BYTES_MAX = 64 * 1024 * 1024;
/**
 * Sequence, status with its reserved bytes, and timestamp: what a record's checksum covers before the
 * payload.
 */
const RECORD_HEAD_BYTES = 20;
const EVENT_HEAD_BYTES = 12;

export class EventsChecksum {
  readonly #rangeBytesMax: number;
  readonly #rangeEventsMax: number;
  readonly #ranges: ChecksummedRange[] = [];
  readonly #head = new DataView(new ArrayBuffer(RECORD_HEAD_BYTES));
  readonly #crc = new Crc64();
  #from = 1n;
  #to = 0n;
  #count = 0;
  #bytes = 0;
  /** Of the range that is not full yet. */
  #checksum = 0n;

  /** Ranges end before they would have more bytes or events than that, unless one event alone has. */
  constructor({ bytes = RANGE_BYTES_MAX, events = Infinity, from = 1n } = {}) {
    this.#rangeBytesMax = bytes;
    this.#rangeEventsMax = events;
    this.#from = from;
  }

  /** Whether an event of this sequence may come next: what came later with a lower one has no place here. */
  follows(sequence: bigint): boolean {
    return sequence > this.#to && sequence >= this.#from;
  }

  /** @throws {RangeError} when the sequence does not rise, or is below 1 */
  add(sequence: bigint, payload: Uint8Array): void {
    this.#begin(sequence, payload.length);
    this.#take(sequence, payload.length, checksumOf(this.#crc, payload));
  }

  /** The same, without its bytes. */
  addWritten({ sequence, status, timestampMs, payloadBytes, recordChecksum }: WrittenEvent): void {
    this.#begin(sequence, payloadBytes);
    this.#head.setBigInt64(0, sequence, true);
    this.#head.setUint32(8, status, true);
    this.#head.setBigInt64(12, timestampMs, true);
    const head = shiftCrc64(checksumOf(this.#crc, bytesOf(this.#head)), payloadBytes);
    this.#take(sequence, payloadBytes, recordChecksum ^ head);
  }

  /** Those that are full, and the last one as it is by now. Together they leave no sequence out. */
  ranges(): ChecksummedRange[] {
    return this.#count === 0 ? [...this.#ranges] : [...this.#ranges, this.#range()];
  }

  #range(): ChecksummedRange {
    return { from: this.#from, to: this.#to, count: this.#count, checksum: this.#checksum };
  }

  #begin(sequence: bigint, payloadBytes: number): void {
    if (!this.follows(sequence)) throw new RangeError(`Sequence ${sequence} does not follow ${this.#to}`);
    const isFull = this.#bytes + payloadBytes > this.#rangeBytesMax || this.#count >= this.#rangeEventsMax;
    if (this.#count === 0 || !isFull) return;
    this.#ranges.push(this.#range());
    this.#from = this.#to + 1n;
    this.#count = this.#bytes = 0;
    this.#checksum = 0n;
  }

  #take(sequence: bigint, payloadBytes: number, payloadChecksum: bigint): void {
    this.#head.setBigInt64(0, sequence, true);
    this.#head.setUint32(8, payloadBytes, true);
    const head = checksumOf(this.#crc, bytesOf(this.#head).subarray(0, EVENT_HEAD_BYTES));
    const withHead = combineCrc64(this.#checksum, head, EVENT_HEAD_BYTES);
    this.#checksum = combineCrc64(withHead, payloadChecksum, payloadBytes);
    this.#to = sequence;
    this.#count++;
    this.#bytes += payloadBytes;
  }
}

function bytesOf(view: DataView): Uint8Array {
  return new Uint8Array(view.buffer);
}

function checksumOf(crc: Crc64, bytes: Uint8Array): bigint {
  crc.reset();
  crc.update(bytes);
  return crc.digest();
}
