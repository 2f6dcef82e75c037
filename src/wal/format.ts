/**
 * The bytes of a log file, ARWAL001: the one place that knows them. No input or output happens here. Pure.
 *
 *     header, 16 bytes
 *       0        8         12         16
 *       | magic  | version | reserved |
 *       ARWAL001   u32 = 1   u32 = 0
 *
 *     record, 32 + N bytes
 *       0        4          12       13         16          24        24 + N   32 + N
 *       | length | sequence | status | reserved | timestamp | payload | crc    |
 *         u32      i64        u8       3 x 0      i64         N bytes   u64
 *
 * All numbers are little-endian. The length is that of the whole record, itself included; the checksum is
 * CRC-64/NVME over everything after the length and before the checksum; timestamps are Unix milliseconds.
 */
import { Crc64 } from "../platform/checksum/crc64.ts";

export const HEADER_BYTES = 16;
/** What a record adds to its payload, and so the length of the shortest record. */
export const RECORD_OVERHEAD_BYTES = 32;
/** The format's own limit: a longer length is damage, whatever the file holds. */
export const RECORD_BYTES_MAX = 10 * 1024 * 1024;
export const PAYLOAD_BYTES_MAX = RECORD_BYTES_MAX - RECORD_OVERHEAD_BYTES;
const FORMAT_VERSION = 1;
/** Where the header keeps its version. */
export const VERSION_OFFSET = 8;
const RESERVED_OFFSET = 12;
export const LENGTH_BYTES = 4;
export const CHECKSUM_BYTES = 8;
export const SEQUENCE_MAX = 0x7fff_ffff_ffff_ffffn;
export const SEQUENCE_MIN = -0x8000_0000_0000_0000n;

export const Status = { PENDING: 1, SENT: 2, FAILED: 3 } as const;

/** What a writer gives: a record that has no place in a file yet. */
export interface RecordFields {
  sequence: bigint;
  status: number;
  timestampMs: bigint;
  payload: Uint8Array;
}

/** Bytes that are not there yet, and are written where the record wants them: one copy less. */
export interface PayloadWriter {
  /** How many bytes it writes. */
  readonly length: number;
  /** Writes them at `at`, the same ones each time. */
  writeInto(bytes: Uint8Array, at: number): void;
}

/** A record that is to be written, whose payload may not be there yet. */
export interface NewRecord extends Omit<RecordFields, "payload"> {
  payload: Uint8Array | PayloadWriter;
}

/** A record that was read. `offset` and `length` say where the whole record lies in its file, in bytes. */
export interface WalRecord extends RecordFields {
  offset: number;
  length: number;
}

const MAGIC = new Uint8Array([0x41, 0x52, 0x57, 0x41, 0x4c, 0x30, 0x30, 0x31]);
const SEQUENCE_OFFSET = 4;
const STATUS_OFFSET = 12;
const TIMESTAMP_OFFSET = 16;
const PAYLOAD_OFFSET = 24;

const checksum = new Crc64();

export function encodeHeader(): Uint8Array<ArrayBuffer> {
  const header = new Uint8Array(HEADER_BYTES);
  header.set(MAGIC);
  header[VERSION_OFFSET] = FORMAT_VERSION;
  return header;
}

/**
 * What is wrong with a header, if anything. Only magic and version count: the reserved bytes may get a
 * meaning that does no harm to readers of this version.
 */
export function headerProblem(header: Uint8Array): "bad_magic" | "bad_version" | undefined {
  for (let i = 0; i < MAGIC.length; i++) if (header[i] !== MAGIC[i]) return "bad_magic";
  return readUint32(header, VERSION_OFFSET) === FORMAT_VERSION ? undefined : "bad_version";
}

/**
 * The header's word that every writer leaves 0 and no reader looks at; a tool may say that it is something
 * else.
 */
export function reservedWord(header: Uint8Array): number {
  return readUint32(header, RESERVED_OFFSET);
}

export function recordBytes(payloadBytes: number): number {
  return RECORD_OVERHEAD_BYTES + payloadBytes;
}

/** Whether a record can be this long at all. Ask before anything is allocated or read for it. */
export function isPossibleLength(length: number): boolean {
  return length >= RECORD_OVERHEAD_BYTES && length <= RECORD_BYTES_MAX;
}

/** @throws {RangeError} when the payload is too large, or a number does not fit its field. */
export function encodeRecord(record: NewRecord): Uint8Array<ArrayBuffer> {
  checkRecord(record);
  const bytes = new Uint8Array(recordBytes(record.payload.length));
  encodeRecordInto(bytes, new DataView(bytes.buffer), 0, record);
  return bytes;
}

/** @throws {RangeError} when the payload is too large, or a number does not fit its field. */
export function checkRecord({ sequence, status, timestampMs, payload }: NewRecord): void {
  if (payload.length > PAYLOAD_BYTES_MAX) {
    throw new RangeError(
      `Cannot encode a record: its payload of ${payload.length} bytes is over ${PAYLOAD_BYTES_MAX}`,
    );
  }
  if (sequence < SEQUENCE_MIN || sequence > SEQUENCE_MAX) {
    throw new RangeError(`Cannot encode a record: its sequence ${sequence} does not fit 64 bits`);
  }
  if (timestampMs < SEQUENCE_MIN || timestampMs > SEQUENCE_MAX) {
    throw new RangeError(`Cannot encode a record: its timestamp ${timestampMs} does not fit 64 bits`);
  }
  if (!Number.isInteger(status) || status < 0 || status > 255) {
    throw new RangeError(`Cannot encode a record: its status ${status} does not fit a byte`);
  }
}

/**
 * Writes a record, checked before by `checkRecord`, at `at`, so that a group of records becomes one buffer
 * without a copy in between. `view` lies over exactly the same memory as `bytes`; what was there before does
 * not matter. Returns where the record ends.
 */
export function encodeRecordInto(
  bytes: Uint8Array,
  view: DataView,
  at: number,
  record: NewRecord,
): number {
  const end = at + recordBytes(record.payload.length);
  view.setUint32(at, end - at, true);
  view.setBigInt64(at + SEQUENCE_OFFSET, record.sequence, true);
  // The status byte and the three reserved zeros after it.
  view.setUint32(at + STATUS_OFFSET, record.status, true);
  view.setBigInt64(at + TIMESTAMP_OFFSET, record.timestampMs, true);
  const { payload } = record;
  if (payload instanceof Uint8Array) bytes.set(payload, at + PAYLOAD_OFFSET);
  else payload.writeInto(bytes, at + PAYLOAD_OFFSET);
  checksum.reset();
  checksum.update(bytes, at + LENGTH_BYTES, end - CHECKSUM_BYTES);
  checksum.write(bytes, end - CHECKSUM_BYTES);
  return end;
}

/** The length field of the record at `at`; at least four bytes must be there. */
export function readLength(bytes: Uint8Array, at: number): number {
  return readUint32(bytes, at);
}

/** Whether the `length` bytes at `at` carry the checksum that belongs to them. */
export function isChecksumRight(bytes: Uint8Array, at: number, length: number): boolean {
  const checksumAt = at + length - CHECKSUM_BYTES;
  checksum.reset();
  checksum.update(bytes, at + LENGTH_BYTES, checksumAt);
  return checksum.matches(bytes, checksumAt);
}

/** The payload of the record of this length at `at`, which aliases `bytes`. */
export function payloadOf(bytes: Uint8Array, at: number, length: number): Uint8Array {
  return bytes.subarray(at + PAYLOAD_OFFSET, at + length - CHECKSUM_BYTES);
}

/** Whether the `length` bytes at `at` are a whole record of this sequence, with the right checksum. */
export function isRecordOf(bytes: Uint8Array, at: number, length: number, sequence: bigint): boolean {
  if (readLength(bytes, at) !== length || !isChecksumRight(bytes, at, length)) return false;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return view.getBigInt64(at + SEQUENCE_OFFSET, true) === sequence;
}

/**
 * The fields of a record whose length and checksum were found right. `view` lies over the same memory as
 * `bytes`; the payload aliases it. `offset` is where the record lies in its file.
 */
export function decodeRecord(
  bytes: Uint8Array,
  view: DataView,
  at: number,
  length: number,
  offset: number,
): WalRecord {
  return {
    offset,
    length,
    sequence: view.getBigInt64(at + SEQUENCE_OFFSET, true),
    status: bytes[at + STATUS_OFFSET],
    timestampMs: view.getBigInt64(at + TIMESTAMP_OFFSET, true),
    payload: payloadOf(bytes, at, length),
  };
}

function readUint32(bytes: Uint8Array, at: number): number {
  return (bytes[at] | bytes[at + 1] << 8 | bytes[at + 2] << 16 | bytes[at + 3] << 24) >>> 0;
}
