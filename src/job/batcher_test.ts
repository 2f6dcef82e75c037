import assert from "node:assert/strict";
import fc from "fast-check";
import { payloadBytes } from "../../tests/support/payload_bytes.ts";
import { create } from "@bufbuild/protobuf";
import { ExecutionConfigSchema } from "../events/gen/job/v1/job_pb.ts";
import { decodeEvent, StreamType } from "../events/event.ts";
import {
  BATCH_LIMITS,
  Batcher,
  type BatchLimits,
  batchPayload,
  limitsFor,
  type OutputBatch,
} from "./batcher.ts";

const LIMITS: BatchLimits = { ...BATCH_LIMITS, flushAfterMs: 2000 };

const { STDOUT, STDERR } = StreamType;
const joined = (item: OutputBatch["items"][number]) => item.parts.flatMap((part) => [...part]);
const bytes = (length: number, fill = 0x61) => new Uint8Array(length).fill(fill);
const text = (value: string) => new TextEncoder().encode(value);

function chunk(stream: StreamType, data: Uint8Array, elapsedMs: number) {
  return { stream, bytes: data, elapsedMs, nowMs: 1_700_000_000_000 + elapsedMs };
}

function concatenated(batches: OutputBatch[], stream: StreamType): Uint8Array {
  return new Uint8Array(
    batches.flatMap((batch) => batch.items.filter((item) => item.stream === stream).flatMap(joined)),
  );
}

const chunksArbitrary = fc.array(
  fc.record({
    stream: fc.constantFrom(STDOUT, STDERR),
    data: fc.uint8Array({ maxLength: 900 }),
    waitMs: fc.oneof(fc.constant(0), fc.double({ min: -3, max: 4000, noNaN: true })),
    flush: fc.boolean(),
  }),
  { maxLength: 60 },
);

const limitsArbitrary: fc.Arbitrary<BatchLimits> = fc.record({
  itemsMax: fc.integer({ min: 1, max: 8 }),
  bytesMax: fc.integer({ min: 256, max: 2000 }),
  coalesceMs: fc.integer({ min: 0, max: 10 }),
}).map((some) => limitsFor(undefined, { ...LIMITS, ...some, itemBytesMax: 700 }));

Deno.test("batcher keeps every byte of each stream in order, and keeps to its limits", () => {
  fc.assert(fc.property(limitsArbitrary, chunksArbitrary, (limits, chunks) => {
    const batcher = new Batcher(limits);
    const batches: OutputBatch[] = [];
    const read: Record<number, number[]> = { [STDOUT]: [], [STDERR]: [] };
    let elapsedMs = 0;
    for (const { stream, data, waitMs, flush } of chunks) {
      elapsedMs += waitMs;
      read[stream].push(...data);
      batches.push(...batcher.add(chunk(stream, data, elapsedMs)));
      if (flush) batches.push(...[batcher.flush()].filter((batch) => batch !== undefined));
    }
    const last = batcher.flush();
    if (last) batches.push(last);
    assert.equal(batcher.heldSinceMs, undefined);

    for (const stream of [STDOUT, STDERR]) {
      assert.deepEqual(concatenated(batches, stream), new Uint8Array(read[stream]));
    }
    let sequence = 1n;
    for (const batch of batches) {
      assert.ok(batch.items.length >= 1 && batch.items.length <= limits.itemsMax);
      let previousMs = 0;
      for (const item of batch.items) {
        assert.ok(item.length >= 1 && item.length <= limits.itemBytesMax);
        assert.ok(Number.isInteger(item.timestampDeltaMs) && item.timestampDeltaMs >= previousMs);
        previousMs = item.timestampDeltaMs;
      }
      const payload = payloadBytes(batchPayload(batch, sequence));
      const event = decodeEvent(payload)!;
      assert.ok(payload.length <= limits.bytesMax);
      assert.equal(event.sequence, sequence);
      assert.ok(event.eventData.case === "outputBatch");
      assert.equal(event.eventData.value.startSequence, sequence);
      assert.equal(event.eventData.value.endSequence - sequence + 1n, BigInt(batch.items.length));
      sequence = event.eventData.value.endSequence + 1n;
    }
  }));
});

Deno.test("batcher keeps the order across streams as it was read", () => {
  const batcher = new Batcher(LIMITS);
  batcher.add(chunk(STDOUT, text("a"), 0));
  batcher.add(chunk(STDERR, text("b"), 0));
  batcher.add(chunk(STDOUT, text("c"), 0));
  const items = batcher.flush()!.items.map((
    item,
  ) => [item.stream, new TextDecoder().decode(new Uint8Array(joined(item)))]);
  assert.deepEqual(items, [[STDOUT, "a"], [STDERR, "b"], [STDOUT, "c"]]);
});

Deno.test("batcher joins reads of one stream within a few milliseconds, and none that are further apart", () => {
  const batcher = new Batcher(LIMITS);
  batcher.add(chunk(STDOUT, text("a"), 100));
  batcher.add(chunk(STDOUT, text("b"), 104));
  // 106 is close to the read before it, but too far from the item's own time.
  batcher.add(chunk(STDOUT, text("c"), 106));
  const batch = batcher.flush()!;
  assert.deepEqual(batch.items.map((item) => item.timestampDeltaMs), [0, 6]);
  assert.deepEqual(batch.items.map((item) => new TextDecoder().decode(new Uint8Array(joined(item)))), [
    "ab",
    "c",
  ]);
  assert.equal(batch.firstTimestampMs, 1_700_000_000_100);
});

Deno.test("batcher splits a read over 200 KiB and never refuses it", () => {
  const batcher = new Batcher(LIMITS);
  const batches = batcher.add(chunk(STDERR, bytes(1_000_000), 0));
  const last = batcher.flush();
  if (last) batches.push(last);
  const lengths = batches.flatMap((batch) => batch.items.map((item) => item.length));
  assert.equal(lengths.reduce((sum, length) => sum + length, 0), 1_000_000);
  assert.ok(lengths.every((length) => length <= 200 * 1024));
  assert.equal(lengths[0], 200 * 1024);
});

Deno.test("batcher gives a batch as soon as its fiftieth item is there", () => {
  const batcher = new Batcher(LIMITS);
  let given: OutputBatch[] = [];
  for (let index = 0; index < 50; index++) {
    assert.deepEqual(given, []);
    given = batcher.add(chunk(index % 2 === 0 ? STDOUT : STDERR, text("x"), index));
  }
  assert.equal(given.length, 1);
  assert.equal(given[0].items.length, 50);
  assert.equal(batcher.flush(), undefined);
});

Deno.test("batcher says since when its first item is held, however much follows", () => {
  const batcher = new Batcher(LIMITS);
  assert.equal(batcher.heldSinceMs, undefined);
  batcher.add(chunk(STDOUT, new Uint8Array(), 400));
  assert.equal(batcher.heldSinceMs, undefined);
  batcher.add(chunk(STDOUT, text("a"), 500));
  batcher.add(chunk(STDOUT, text("b"), 2300));
  assert.equal(batcher.heldSinceMs, 500);
});

Deno.test("times within a batch never run backwards, and stay within 32 bits", () => {
  const batcher = new Batcher(LIMITS);
  batcher.add(chunk(STDOUT, text("a"), 1000));
  batcher.add(chunk(STDERR, text("b"), 1010));
  batcher.add(chunk(STDOUT, text("c"), 900));
  batcher.add(chunk(STDERR, text("d"), 1e13));
  assert.deepEqual(batcher.flush()!.items.map((item) => item.timestampDeltaMs), [0, 10, 10, 0x7fffffff]);
});

Deno.test("a server lowers the limits and cannot raise them", () => {
  const config = (batching: object, rest: object = {}) =>
    create(ExecutionConfigSchema, { batching, ...rest });
  assert.deepEqual(limitsFor(undefined, LIMITS), { ...LIMITS });
  assert.deepEqual(
    limitsFor(config({ maxBatchBytes: 1n << 20n, maxBatchSize: 500, flushIntervalSeconds: 60 }), LIMITS),
    { ...LIMITS },
  );
  const lowered = limitsFor(
    config({ maxBatchBytes: 4096n, maxBatchSize: 7, flushIntervalSeconds: 1 }),
    LIMITS,
  );
  assert.equal(lowered.bytesMax, 4096);
  assert.equal(lowered.itemsMax, 7);
  assert.equal(lowered.flushAfterMs, 1000);
  assert.ok(lowered.itemBytesMax < 4096);
  assert.equal(limitsFor(config({}, { outputFlushIntervalMillis: 250 }), LIMITS).flushAfterMs, 250);
  assert.equal(limitsFor(config({ maxBatchBytes: -5n, maxBatchSize: -1 }), LIMITS).itemsMax, 50);
  assert.ok(limitsFor(config({ maxBatchBytes: 1n }), LIMITS).itemBytesMax > 0);
});

Deno.test("the largest batch stays within 256 KiB once it is encoded", () => {
  const batcher = new Batcher(LIMITS);
  const batches: OutputBatch[] = [];
  for (let index = 0; index < 400; index++) {
    batches.push(...batcher.add(chunk(index % 2 === 0 ? STDOUT : STDERR, bytes(5300), index * 1e7)));
  }
  assert.ok(batches.length >= 7);
  for (const batch of batches) {
    assert.ok(batchPayload(batch, 1n << 62n, 0x7fffffff).length <= 256 * 1024);
  }
});
