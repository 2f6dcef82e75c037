import assert from "node:assert/strict";
import {
  createEvent,
  decodeEvent,
  encodeEvent,
  EventType,
  eventTypeName,
  outputOf,
  StreamType,
} from "./event.ts";

const T0_MS = 1_767_225_600_123;

Deno.test("an event's type follows from its data", () => {
  const event = createEvent(6n, T0_MS, { case: "processEnd", value: { pid: 4242, exitCode: 3 } });
  assert.equal(event.eventType, EventType.PROCESS_END);
  assert.equal(eventTypeName(event.eventType), "PROCESS_END");
});

Deno.test("an event survives its encoding", () => {
  const event = createEvent(1n, T0_MS, { case: "output", value: { output: Uint8Array.of(0, 255, 27) } });
  assert.deepEqual(decodeEvent(encodeEvent(event)), event);
});

Deno.test("bytes that are no event are told apart, not thrown", () => {
  assert.equal(decodeEvent(Uint8Array.of(0xff, 0xff, 0xff)), undefined);
});

Deno.test("a type that only a newer writer knows still has a name", () => {
  assert.equal(eventTypeName(99 as EventType), "UNKNOWN_99");
});

Deno.test("output of a batch comes out in order, with stream and time", () => {
  const event = createEvent(2n, T0_MS, {
    case: "outputBatch",
    value: {
      outputs: [
        { output: Uint8Array.of(1), streamType: StreamType.STDOUT, timestampDeltaMs: 0 },
        { output: Uint8Array.of(2), streamType: StreamType.STDERR, timestampDeltaMs: 7 },
      ],
      startSequence: 2n,
      endSequence: 3n,
      firstTimestampMs: BigInt(T0_MS),
    },
  });
  assert.deepEqual([...outputOf(event)], [
    { stream: StreamType.STDOUT, timestampMs: T0_MS, bytes: Uint8Array.of(1) },
    { stream: StreamType.STDERR, timestampMs: T0_MS + 7, bytes: Uint8Array.of(2) },
  ]);
});

Deno.test("events of other kinds carry no output", () => {
  const event = createEvent(1n, T0_MS, { case: "heartbeat", value: { processAlive: true } });
  assert.deepEqual([...outputOf(event)], []);
});
