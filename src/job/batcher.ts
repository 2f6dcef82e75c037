/**
 * Gathers a job's output into batches: a pure state machine that is told what was read and when, and
 * answers with the batches that are full. Waiting and writing are its caller's work.
 *
 *     add(stdout "a") add(stdout "b") add(stderr "c") … flush()
 *       => items [stdout "ab", stderr "c"], in the order in which they were read
 *
 * It holds at most one batch. What it holds is not yet durable (A0 of the durability contract), so
 * `heldSinceMs` says since when; `flush_pace.ts` goes by that.
 */
import type { StreamType } from "../events/event.ts";
import { OutputBatchPayload, type OutputItemParts } from "../events/output_batch.ts";
import type { ExecutionConfig } from "../events/gen/job/v1/job_pb.ts";

export interface BatchLimits {
  /** Items in one batch; each uses up one sequence. */
  itemsMax: number;
  /** Bytes of one encoded event, so of a batch with everything around its output. */
  bytesMax: number;
  /** Output bytes of one item. */
  itemBytesMax: number;
  /** How long the first byte of a batch may wait. */
  flushAfterMs: number;
  /** Reads of one stream that follow each other within this time become one item. */
  coalesceMs: number;
}

/** 50 items, 256 KiB and 200 KiB are the wire contract's numbers. How long output may wait is a setting. */
export const BATCH_LIMITS: Readonly<Omit<BatchLimits, "flushAfterMs">> = {
  itemsMax: 50,
  bytesMax: 256 * 1024,
  itemBytesMax: 200 * 1024,
  coalesceMs: 5,
};

/**
 * The most that an event's own fields take beside its items: three 64-bit numbers, a timestamp, tags,
 * lengths.
 */
const EVENT_OVERHEAD_BYTES = 96;
/** The most that an item takes beside its output: two tags, two lengths, the stream and the time. */
const ITEM_OVERHEAD_BYTES = 24;
/** A server that asks for less than this gets this: below it, overhead outweighs output. */
const BYTES_MIN = 256;
const INT32_MAX = 0x7fffffff;

/** The limits that hold for one job: a server may lower ours, never raise them (wire contract). */
export function limitsFor(
  config: ExecutionConfig | undefined,
  own: BatchLimits,
): BatchLimits {
  const batching = config?.batching;
  const bytesMax = Math.max(BYTES_MIN, lower(own.bytesMax, Number(batching?.maxBatchBytes ?? 0n)));
  return {
    itemsMax: lower(own.itemsMax, batching?.maxBatchSize ?? 0),
    bytesMax,
    itemBytesMax: Math.min(own.itemBytesMax, bytesMax - EVENT_OVERHEAD_BYTES - ITEM_OVERHEAD_BYTES),
    flushAfterMs: lower(
      lower(own.flushAfterMs, (batching?.flushIntervalSeconds ?? 0) * 1000),
      config?.outputFlushIntervalMillis ?? 0,
    ),
    coalesceMs: own.coalesceMs,
  };
}

/** Protobuf's zero stands for "not set", so only a positive number of the server's counts. */
function lower(own: number, servers: number): number {
  return servers > 0 ? Math.min(own, servers) : own;
}

export interface OutputChunk {
  stream: StreamType;
  bytes: Uint8Array;
  /** Monotonic time of the read; what orders the items in a replay. */
  elapsedMs: number;
  /** Wall clock time of the read; only a batch's first one is kept. */
  nowMs: number;
}

export interface OutputBatch {
  firstTimestampMs: number;
  /** Their times never run backwards, whatever the wall clock does. Their parts are the chunks' own bytes. */
  items: OutputItemParts[];
}

/** An item that may still grow. */
interface OpenItem {
  stream: StreamType;
  timestampDeltaMs: number;
  startedAtMs: number;
  parts: Uint8Array[];
  length: number;
}

export class Batcher {
  readonly #limits: BatchLimits;
  #items: OpenItem[] = [];
  #bytes = EVENT_OVERHEAD_BYTES;
  #firstElapsedMs = 0;
  #firstTimestampMs = 0;

  constructor(limits: BatchLimits) {
    this.#limits = limits;
  }

  /** Takes what was read and gives the batches that are full with it. Keeps the chunk's bytes, not a copy. */
  add(chunk: OutputChunk): OutputBatch[] {
    const full: OutputBatch[] = [];
    let rest = chunk.bytes;
    while (rest.length > 0) {
      const item = this.#itemFor(chunk);
      if (item === undefined) {
        full.push(this.#cut());
        continue;
      }
      const taken = rest.subarray(0, Math.min(this.#roomOf(item), rest.length));
      item.parts.push(taken);
      item.length += taken.length;
      this.#bytes += taken.length;
      rest = rest.subarray(taken.length);
    }
    if (this.#isFull()) full.push(this.#cut());
    return full;
  }

  /** Everything that has been added and not given out, or undefined when that is nothing. */
  flush(): OutputBatch | undefined {
    return this.#items.length === 0 ? undefined : this.#cut();
  }

  /**
   * When the first byte of the current batch was read, on the monotonic clock; undefined while it is empty.
   */
  get heldSinceMs(): number | undefined {
    return this.#items.length === 0 ? undefined : this.#firstElapsedMs;
  }

  /**
   * The item that takes the chunk's next bytes, or undefined when the batch has no room for one more byte.
   */
  #itemFor(chunk: OutputChunk): OpenItem | undefined {
    const last = this.#items.at(-1);
    const joins = last !== undefined && last.stream === chunk.stream &&
      Math.abs(chunk.elapsedMs - last.startedAtMs) <= this.#limits.coalesceMs;
    if (joins && this.#roomOf(last) > 0) return last;
    if (this.#isFull()) return undefined;

    if (last === undefined) {
      this.#firstElapsedMs = chunk.elapsedMs;
      this.#firstTimestampMs = Math.trunc(chunk.nowMs);
    }
    const sinceFirstMs = Math.trunc(chunk.elapsedMs - this.#firstElapsedMs);
    const item: OpenItem = {
      stream: chunk.stream,
      timestampDeltaMs: Math.min(Math.max(sinceFirstMs, last?.timestampDeltaMs ?? 0), INT32_MAX),
      startedAtMs: chunk.elapsedMs,
      parts: [],
      length: 0,
    };
    this.#items.push(item);
    this.#bytes += ITEM_OVERHEAD_BYTES;
    return item;
  }

  #roomOf(item: OpenItem): number {
    return Math.min(this.#limits.itemBytesMax - item.length, this.#limits.bytesMax - this.#bytes);
  }

  /** Whether a new item of even one byte would go over a limit. */
  #isFull(): boolean {
    return this.#items.length >= this.#limits.itemsMax ||
      this.#bytes + ITEM_OVERHEAD_BYTES >= this.#limits.bytesMax;
  }

  #cut(): OutputBatch {
    const batch: OutputBatch = { firstTimestampMs: this.#firstTimestampMs, items: this.#items };
    this.#items = [];
    this.#bytes = EVENT_OVERHEAD_BYTES;
    return batch;
  }
}

/**
 * The event that carries a batch, as the log takes it. Its own sequence is its first item's, and it uses up
 * one sequence an item; the next event's sequence is `startSequence + items.length`.
 */
export function batchPayload(
  { firstTimestampMs, items }: OutputBatch,
  startSequence: bigint,
  playbackIntervalMs = 0,
): OutputBatchPayload {
  return new OutputBatchPayload({ items, startSequence, firstTimestampMs, playbackIntervalMs });
}
