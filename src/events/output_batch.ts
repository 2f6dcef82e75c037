/**
 * A batch of output as the bytes of its JobEvent, written where they belong: output goes from where it was
 * read to the log's buffer in one copy. The generated code would copy it four times, once for each message
 * around it. The bytes are the same (`output_batch_test.ts` compares them). Pure.
 *
 *     JobEvent         1 sequence   2 timestamp { 1 seconds, 2 nanos }   3 event type   10 batch {
 *     OutputBatchEvent   1 outputs*   2 start sequence   3 end sequence   4 first timestamp   5 interval }
 *     OutputItem           1 output   2 stream   3 timestamp delta
 */
import { EventType, type StreamType } from "./gen/job/v1/job_pb.ts";

/** A piece of output, in one part or more, which are joined by being written. */
export interface OutputItemParts {
  readonly stream: StreamType;
  /** Milliseconds since the batch's first item, 0 to 2^31 - 1. */
  readonly timestampDeltaMs: number;
  readonly parts: readonly Uint8Array[];
  /** Bytes of all parts together. */
  readonly length: number;
}

export interface OutputBatchFields {
  /** At least one. Each uses up one sequence. */
  readonly items: readonly OutputItemParts[];
  readonly startSequence: bigint;
  /** Unix milliseconds, a whole number. */
  readonly firstTimestampMs: number;
  readonly playbackIntervalMs: number;
}

/** Wire types of protobuf. */
const VARINT = 0;
const BYTES = 2;
const tag = (field: number, type: number): number => field << 3 | type;

/**
 * The encoding of one batch: `length` bytes, which `writeInto` puts where they are wanted, as often as asked.
 */
export class OutputBatchPayload {
  readonly #fields: OutputBatchFields;
  readonly #itemLengths: number[];
  readonly #timestamp: { seconds: number; nanos: number; length: number };
  readonly #batchLength: number;
  readonly length: number;

  constructor(fields: OutputBatchFields) {
    this.#fields = fields;
    this.#itemLengths = fields.items.map(itemLength);
    const { startSequence, firstTimestampMs, playbackIntervalMs } = fields;
    const seconds = Math.floor(firstTimestampMs / 1000);
    const nanos = (firstTimestampMs - seconds * 1000) * 1e6;
    const length = fieldLength(varintLength(seconds), seconds) + fieldLength(varintLength(nanos), nanos);
    this.#timestamp = { seconds, nanos, length };
    const items = this.#itemLengths.reduce((sum, length) => sum + 1 + varintLength(length) + length, 0);
    this.#batchLength = items +
      1 + bigVarintLength(startSequence) +
      1 + bigVarintLength(this.#endSequence) +
      fieldLength(varintLength(firstTimestampMs), firstTimestampMs) +
      fieldLength(varintLength(playbackIntervalMs), playbackIntervalMs);
    this.length = 1 + bigVarintLength(startSequence) + 2 + this.#timestamp.length + 2 +
      1 + varintLength(this.#batchLength) + this.#batchLength;
  }

  get #endSequence(): bigint {
    return this.#fields.startSequence + BigInt(this.#fields.items.length) - 1n;
  }

  /** Writes the encoding at `at`, where `length` bytes must have room, and returns where it ends. */
  writeInto(bytes: Uint8Array, at: number): number {
    const { items, startSequence, firstTimestampMs, playbackIntervalMs } = this.#fields;
    const { seconds, nanos, length } = this.#timestamp;
    bytes[at++] = tag(1, VARINT);
    at = writeBigVarint(bytes, at, startSequence);
    bytes[at++] = tag(2, BYTES);
    bytes[at++] = length;
    at = writeNumber(bytes, at, 1, seconds);
    at = writeNumber(bytes, at, 2, nanos);
    bytes[at++] = tag(3, VARINT);
    bytes[at++] = EventType.OUTPUT_BATCH;
    bytes[at++] = tag(10, BYTES);
    at = writeVarint(bytes, at, this.#batchLength);
    for (let index = 0; index < items.length; index++) {
      bytes[at++] = tag(1, BYTES);
      at = writeItem(bytes, writeVarint(bytes, at, this.#itemLengths[index]), items[index]);
    }
    bytes[at++] = tag(2, VARINT);
    at = writeBigVarint(bytes, at, startSequence);
    bytes[at++] = tag(3, VARINT);
    at = writeBigVarint(bytes, at, this.#endSequence);
    at = writeNumber(bytes, at, 4, firstTimestampMs);
    return writeNumber(bytes, at, 5, playbackIntervalMs);
  }
}

function itemLength({ stream, timestampDeltaMs, length }: OutputItemParts): number {
  const output = length === 0 ? 0 : 1 + varintLength(length) + length;
  return output + fieldLength(varintLength(stream), stream) +
    fieldLength(varintLength(timestampDeltaMs), timestampDeltaMs);
}

function writeItem(bytes: Uint8Array, at: number, item: OutputItemParts): number {
  if (item.length > 0) {
    bytes[at++] = tag(1, BYTES);
    at = writeVarint(bytes, at, item.length);
    for (const part of item.parts) {
      bytes.set(part, at);
      at += part.length;
    }
  }
  at = writeNumber(bytes, at, 2, item.stream);
  return writeNumber(bytes, at, 3, item.timestampDeltaMs);
}

/** What a number takes as a field: nothing at all for 0, which is how protobuf says that. */
function fieldLength(length: number, value: number): number {
  return value === 0 ? 0 : 1 + length;
}

function writeNumber(bytes: Uint8Array, at: number, field: number, value: number): number {
  if (value === 0) return at;
  bytes[at] = tag(field, VARINT);
  return writeVarint(bytes, at + 1, value);
}

function varintLength(value: number): number {
  if (value < 0) return bigVarintLength(BigInt(value));
  let length = 1;
  for (; value >= 0x80; value = Math.floor(value / 0x80)) length++;
  return length;
}

/** @param value a whole number that is exact as a double; a negative one takes ten bytes, as 64 bits do */
function writeVarint(bytes: Uint8Array, at: number, value: number): number {
  if (value < 0) return writeBigVarint(bytes, at, BigInt(value));
  for (; value >= 0x80; value = Math.floor(value / 0x80)) bytes[at++] = value % 0x80 | 0x80;
  bytes[at++] = value;
  return at;
}

function bigVarintLength(value: bigint): number {
  let length = 1;
  for (let rest = BigInt.asUintN(64, value); rest >= 0x80n; rest >>= 7n) length++;
  return length;
}

function writeBigVarint(bytes: Uint8Array, at: number, value: bigint): number {
  let rest = BigInt.asUintN(64, value);
  for (; rest >= 0x80n; rest >>= 7n) bytes[at++] = Number(rest & 0x7fn) | 0x80;
  bytes[at++] = Number(rest);
  return at;
}
