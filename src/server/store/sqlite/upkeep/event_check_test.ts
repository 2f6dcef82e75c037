import assert from "node:assert/strict";
import { createEvent, type JobEvent } from "../../../../events/event.ts";
import { eventProblem, SequenceRun } from "./event_check.ts";

const single = (sequence: number) =>
  createEvent(BigInt(sequence), 1, { case: "heartbeat", value: { processAlive: true } });
const batch = (first: number, last: number) =>
  createEvent(BigInt(first), 1, {
    case: "outputBatch",
    value: { startSequence: BigInt(first), endSequence: BigInt(last) },
  });
const gapsOf = (...events: (JobEvent | number)[]) => {
  const run = new SequenceRun();
  for (const event of events) {
    if (typeof event === "number") run.add(BigInt(event), undefined);
    else run.add(event.sequence, event);
  }
  return run.gaps.map(({ first, last }) => [Number(first), Number(last)]);
};

Deno.test("sequences from 1 on without a hole have no gap, also where batches use up several", () => {
  assert.deepEqual(gapsOf(), []);
  assert.deepEqual(gapsOf(single(1), batch(2, 9), single(10), batch(11, 11)), []);
});

Deno.test("each hole is a gap, before the first event too", () => {
  assert.deepEqual(gapsOf(single(3), batch(4, 6), single(9)), [[1, 2], [7, 8]]);
});

Deno.test("an event that does not decode stands for its own sequence, and a batch never for less", () => {
  assert.deepEqual(gapsOf(single(1), 2, single(3)), []);
  assert.deepEqual(gapsOf(batch(1, 0), single(2)), []);
  assert.deepEqual(gapsOf(batch(1, 9), single(5), single(10)), []);
});

Deno.test("an event is a problem when its bytes are none, or not those of its row", () => {
  assert.equal(eventProblem(single(4), { sequence: 4n, type: 4n }), undefined);
  assert.match(eventProblem(undefined, { sequence: 4n, type: 4n })!, /no event/);
  assert.match(eventProblem(single(5), { sequence: 4n, type: 4n })!, /those of event 5/);
  assert.match(eventProblem(single(4), { sequence: 4n, type: 7n })!, /type is 4, .*says 7/);
});
