/**
 * The records that wait to be written together, already as bytes in one buffer, so that a group of any size
 * is one write and needs no copy. Room is kept at the front for an acknowledgement, which is decided upon
 * only when the group is written.
 */
import {
  checkRecord,
  encodeRecordInto,
  type NewRecord,
  RECORD_OVERHEAD_BYTES,
  recordBytes,
  Status,
} from "./format.ts";

/** A record in a group, and who waits for it. */
export interface GroupEntry {
  sequence: bigint;
  status: number;
  timestampMs: bigint;
  payloadBytes: number;
  resolve(): void;
  reject(error: Error): void;
}

/**
 * A typical group: larger ones make the buffer grow, and past `KEPT_BYTES_MAX` it is given back afterwards.
 */
const BUFFER_BYTES_MIN = 64 * 1024;
const KEPT_BYTES_MAX = 1024 * 1024;

/** An acknowledgement is a record without payload. */
const ROOM_BYTES = RECORD_OVERHEAD_BYTES;
const NO_PAYLOAD = new Uint8Array();

export class Group {
  readonly entries: GroupEntry[] = [];
  #bytes = new Uint8Array(BUFFER_BYTES_MIN);
  #view = new DataView(this.#bytes.buffer);
  #end = ROOM_BYTES;

  /** @throws {RangeError} when the record does not fit the format */
  add(record: NewRecord): Promise<void> {
    checkRecord(record);
    const needed = this.#end + recordBytes(record.payload.length);
    if (needed > this.#bytes.length) this.#grow(needed);
    this.#end = encodeRecordInto(this.#bytes, this.#view, this.#end, record);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const { sequence, status, timestampMs, payload } = record;
    this.entries.push({ sequence, status, timestampMs, payloadBytes: payload.length, resolve, reject });
    return promise;
  }

  /** All records, behind an acknowledgement of `sequence` if that is given. Valid until `clear`. */
  bytes(sequence: bigint | undefined, timestampMs: bigint): Uint8Array {
    if (sequence === undefined) return this.#bytes.subarray(ROOM_BYTES, this.#end);
    encodeRecordInto(this.#bytes, this.#view, 0, {
      sequence,
      status: Status.SENT,
      timestampMs,
      payload: NO_PAYLOAD,
    });
    return this.#bytes.subarray(0, this.#end);
  }

  clear(): void {
    this.entries.length = 0;
    this.#end = ROOM_BYTES;
    if (this.#bytes.length > KEPT_BYTES_MAX) this.#replace(new Uint8Array(BUFFER_BYTES_MIN));
  }

  #grow(needed: number): void {
    const larger = new Uint8Array(Math.max(needed, 2 * this.#bytes.length));
    larger.set(this.#bytes.subarray(0, this.#end));
    this.#replace(larger);
  }

  #replace(bytes: Uint8Array<ArrayBuffer>): void {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer);
  }
}
