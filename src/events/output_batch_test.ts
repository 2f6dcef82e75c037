import assert from "node:assert/strict";
import fc from "fast-check";
import { payloadBytes } from "../../tests/support/payload_bytes.ts";
import { createEvent, encodeEvent, StreamType } from "./event.ts";
import { type OutputBatchFields, OutputBatchPayload } from "./output_batch.ts";

/** The same batch by the generated code. */
function generated({ items, startSequence, firstTimestampMs, playbackIntervalMs }: OutputBatchFields) {
  return encodeEvent(createEvent(startSequence, firstTimestampMs, {
    case: "outputBatch",
    value: {
      outputs: items.map(({ parts, stream, timestampDeltaMs }) => ({
        output: new Uint8Array(parts.flatMap((part) => [...part])),
        streamType: stream,
        timestampDeltaMs,
      })),
      startSequence,
      endSequence: startSequence + BigInt(items.length) - 1n,
      firstTimestampMs: BigInt(firstTimestampMs),
      playbackIntervalMillis: playbackIntervalMs,
    },
  }));
}

const int32 = fc.oneof(fc.constantFrom(0, 1, 127, 128, 0x7fffffff), fc.integer({ min: 0, max: 0x7fffffff }));

const itemArbitrary = fc.record({
  stream: fc.constantFrom(StreamType.UNSPECIFIED, StreamType.STDOUT, StreamType.STDERR),
  timestampDeltaMs: int32,
  parts: fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 3 }),
}).map((item) => ({ ...item, length: item.parts.reduce((sum, part) => sum + part.length, 0) }));

const fieldsArbitrary: fc.Arbitrary<OutputBatchFields> = fc.record({
  items: fc.array(itemArbitrary, { minLength: 1, maxLength: 50 }),
  startSequence: fc.oneof(
    fc.constantFrom(1n, 127n, 128n, 2n ** 31n, 2n ** 53n, 2n ** 62n),
    fc.bigInt({ min: 1n, max: 2n ** 62n }),
  ),
  firstTimestampMs: fc.oneof(
    fc.constantFrom(0, 1, 999, 1000, -1, -1001, 1_767_225_600_123),
    fc.integer({ min: -62_135_596_800_000, max: 253_402_300_799_999 }),
  ),
  playbackIntervalMs: int32,
});

Deno.test("a batch is written as the generated code encodes it, byte for byte", () => {
  fc.assert(fc.property(fieldsArbitrary, (fields) => {
    const payload = new OutputBatchPayload(fields);
    const bytes = payloadBytes(payload);
    assert.deepEqual(bytes, generated(fields));
    // A full disk makes the log ask again.
    assert.deepEqual(payloadBytes(payload), bytes);
  }));
});

Deno.test("lengths at the borders of their encoding are right, up to the largest batch there is", () => {
  for (const length of [1, 127, 128, 16_383, 16_384, 200 * 1024, 2_097_151, 2_097_152]) {
    const item = { stream: StreamType.STDERR, timestampDeltaMs: 5, parts: [new Uint8Array(length)], length };
    const fields = {
      items: [item, item],
      startSequence: 1n,
      firstTimestampMs: 1_767_225_600_123,
      playbackIntervalMs: 0,
    };
    assert.ok(equal(payloadBytes(new OutputBatchPayload(fields)), generated(fields)), `${length}`);
  }
});

/** Compares megabytes faster than an assertion does. */
function equal(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, at) => byte === other[at]);
}
