import assert from "node:assert/strict";
import { create, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { createEvent, decodeEvent, encodeEvent, StreamType } from "./event.ts";
import { type EventHead, readEventHead } from "./event_head.ts";
import { JobEventSchema } from "./gen/job/v1/job_pb.ts";

/** As the generated decoder has it. */
function decodedHead(payload: Uint8Array): EventHead | undefined {
  const event = decodeEvent(payload);
  if (!event) return undefined;
  const { timestamp } = event;
  const ms = timestamp && timestamp.seconds * 1000n + BigInt(Math.floor(timestamp.nanos / 1e6));
  const isUsable = ms !== undefined && ms > -(2n ** 63n) && ms < 2n ** 63n;
  return { sequence: event.sequence, timestampMs: isUsable ? ms : undefined, type: event.eventType };
}

const anyItem = fc.record({
  output: fc.uint8Array({ maxLength: 300 }).map((bytes) => bytes.slice()),
  streamType: fc.constantFrom(StreamType.STDOUT, StreamType.STDERR, StreamType.UNSPECIFIED),
  timestampDeltaMs: fc.integer({ min: -5, max: 100_000 }),
});
const anyBatch = fc.record({
  sequence: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  small: fc.bigInt({ min: 0n, max: 100_000n }),
  isSmall: fc.boolean(),
  seconds: fc.oneof(
    fc.bigInt({ min: -5n, max: 4_000_000_000n }),
    fc.bigInt({ min: -(2n ** 62n), max: 2n ** 62n }),
  ),
  nanos: fc.integer({ min: -1, max: 999_999_999 }),
  eventType: fc.oneof(fc.constant(7), fc.integer({ min: -3, max: 0x7fffffff })),
  outputs: fc.array(anyItem, { maxLength: 4 }),
}).map(({ sequence, small, isSmall, seconds, nanos, eventType, outputs }) =>
  toBinary(
    JobEventSchema,
    create(JobEventSchema, {
      sequence: isSmall ? small : sequence,
      timestamp: { seconds, nanos },
      eventType,
      eventData: {
        case: "outputBatch",
        value: {
          outputs,
          startSequence: small,
          endSequence: small,
          firstTimestampMs: 5n,
          playbackIntervalMillis: 50,
        },
      },
    }),
  )
);

Deno.test("the head of an event is what the generated decoder reads, whatever the event", () => {
  fc.assert(
    fc.property(anyBatch, (payload) => assert.deepEqual(readEventHead(payload), decodedHead(payload))),
    { numRuns: 500 },
  );
  for (
    const event of [
      createEvent(1n, 5, { case: "processStart", value: { pid: 1 } }),
      createEvent(2n, 5, { case: "output", value: { output: new Uint8Array([1]) } }),
      createEvent(3n, 5, { case: "processError", value: { errorMessage: "é" } }),
      create(JobEventSchema, {}),
    ]
  ) assert.deepEqual(readEventHead(encodeEvent(event)), decodedHead(encodeEvent(event)));
});

Deno.test("damaged events are taken or refused as the generated decoder does", () => {
  const anyDamage = fc.record({
    payload: anyBatch,
    at: fc.nat({ max: 200 }),
    byte: fc.nat({ max: 255 }),
    cut: fc.option(fc.nat({ max: 400 }), { nil: undefined }),
    twice: fc.boolean(),
  });
  fc.assert(
    fc.property(anyDamage, ({ payload, at, byte, cut, twice }) => {
      const damaged = payload.slice(0, cut);
      if (at < damaged.length) damaged[at] = byte;
      const bytes = twice ? new Uint8Array([...damaged, ...payload]) : damaged;
      assert.deepEqual(readEventHead(bytes), decodedHead(bytes));
    }),
    { numRuns: 5_000 },
  );
});

Deno.test("bytes that are anything are taken or refused as the generated decoder does", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      assert.deepEqual(readEventHead(bytes), decodedHead(bytes));
    }),
    { numRuns: 5_000 },
  );
});
