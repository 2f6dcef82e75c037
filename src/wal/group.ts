/**
 * The records that wait to be written together, already as bytes in one buffer, so that a group of any size
 * is one write and needs no copy. Room is kept at the front for an acknowledgement, which is decided upon
 * only when the group is written.
 */
import type { GroupMemory } from "./group_memory.ts";
import {
  checkRecord,
  CHECKSUM_BYTES,
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
  /** Its own, as it stands in it. */
  recordChecksum: bigint;
  resolve(): void;
  reject(error: Error): void;
}

/** A larger buffer is not held on to. */
const BUFFER_BYTES_MAX = 1024 * 1024;

/** An acknowledgement is a record without payload. */
const ROOM_BYTES = RECORD_OVERHEAD_BYTES;
const NO_PAYLOAD = new Uint8Array();

export class Group {
  readonly entries: GroupEntry[] = [];
  readonly #memory: GroupMemory;
  /** Empty until there is something to hold: the buffer of the last group may be kept elsewhere. */
  #bytes = new Uint8Array();
  #view = new DataView(this.#bytes.buffer);
  #end = ROOM_BYTES;
  #isTaken = false;

  constructor(memory: GroupMemory) {
    this.#memory = memory;
  }

  /** @throws {RangeError} when the record does not fit the format */
  add(record: NewRecord): Promise<void> {
    checkRecord(record);
    const needed = this.#end + recordBytes(record.payload.length);
    if (needed > this.#bytes.length) this.#grow(needed);
    this.#end = encodeRecordInto(this.#bytes, this.#view, this.#end, record);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const { sequence, status, timestampMs, payload } = record;
    this.entries.push({
      sequence,
      status,
      timestampMs,
      payloadBytes: payload.length,
      recordChecksum: this.#view.getBigUint64(this.#end - CHECKSUM_BYTES, true),
      resolve,
      reject,
    });
    return promise;
  }

  /** All records, behind an acknowledgement of `sequence` if that is given. Valid until `clear`. */
  bytes(sequence: bigint | undefined, timestampMs: bigint): Uint8Array<ArrayBuffer> {
    if (sequence === undefined) return this.#bytes.subarray(ROOM_BYTES, this.#end);
    if (this.#bytes.length < ROOM_BYTES) this.#grow(ROOM_BYTES);
    encodeRecordInto(this.#bytes, this.#view, 0, {
      sequence,
      status: Status.SENT,
      timestampMs,
      payload: NO_PAYLOAD,
    });
    return this.#bytes.subarray(0, this.#end);
  }

  /**
   * What `bytes` gave belongs to somebody else now; the group starts with a buffer of its own when cleared.
   */
  memoryTaken(): void {
    this.#isTaken = true;
  }

  clear(): void {
    this.entries.length = 0;
    this.#end = ROOM_BYTES;
    if (this.#isTaken || this.#bytes.length > BUFFER_BYTES_MAX) this.#replace(new Uint8Array());
    this.#isTaken = false;
  }

  #grow(needed: number): void {
    const larger = this.#memory.allocate(
      this.entries.length > 0 ? Math.max(needed, 2 * this.#bytes.length) : needed,
    );
    larger.set(this.#bytes.subarray(0, this.#end));
    this.#memory.release(this.#bytes);
    this.#replace(larger);
  }

  #replace(bytes: Uint8Array<ArrayBuffer>): void {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer);
  }
}
