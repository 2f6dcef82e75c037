import assert from "node:assert/strict";
import fc from "fast-check";
import { Narrowing } from "./narrowing.ts";

const limits = { batchEventsMax: 256, batchBytesMax: 1024 * 1024, attemptsMax: 3 };

Deno.test("narrowing finds the refused event with one call per halving", () => {
  fc.assert(fc.property(fc.integer({ min: 0, max: 255 }), (bad) => {
    const narrowing = new Narrowing(limits);
    let head = 0;
    let calls = 0;
    for (;;) {
      calls++;
      const end = Math.min(256, head + narrowing.batchEvents);
      if (bad < head || bad >= end) {
        narrowing.accepted(end - head);
        head = end;
      } else if (narrowing.refused(end - head, 100, false) !== "halve") {
        break;
      }
    }
    assert.equal(head, bad);
    assert.ok(calls <= 9 + 8, `${calls} calls`);
  }));
});

Deno.test("batches grow again after success", () => {
  const narrowing = new Narrowing(limits);
  for (let count = 256; count > 1; count /= 2) assert.equal(narrowing.refused(count, 100, false), "halve");
  const sizes: number[] = [];
  for (let call = 0; call < 10; call++) {
    sizes.push(narrowing.batchEvents);
    narrowing.accepted(narrowing.batchEvents);
  }
  assert.deepEqual(sizes.slice(0, 5), [1, 1, 4, 8, 16]);
  assert.equal(sizes[9], 256);
});

Deno.test("a batch that was too large is not assembled again", () => {
  const narrowing = new Narrowing(limits);
  narrowing.refused(100, 1_000_000, true);
  assert.equal(narrowing.batchBytes, 500_000);
  narrowing.accepted(50);
  narrowing.accepted(50);
  assert.equal(narrowing.batchBytes, 500_000);
  narrowing.refused(2, 10, true);
  assert.equal(narrowing.batchBytes, 32 * 1024);
  // The size of an event on its own cannot be changed.
  const alone = new Narrowing(limits);
  alone.refused(1, 900_000, true);
  assert.equal(alone.batchBytes, limits.batchBytesMax);
});

Deno.test("an event is given up only after two accepted probes in turn with refusals", () => {
  const narrowing = new Narrowing(limits);
  const refuse = () => narrowing.refused(1, 100, false);
  assert.deepEqual([refuse(), refuse(), refuse()], ["retry", "retry", "probe"]);
  assert.equal(narrowing.probeAccepted(), "confirm");
  // An outage in between makes the first proof worthless.
  narrowing.interrupted();
  assert.equal(refuse(), "probe");
  assert.equal(narrowing.probeAccepted(), "confirm");
  assert.equal(refuse(), "probe");
  assert.equal(narrowing.probeAccepted(), "give_up");
  assert.equal(narrowing.refusals, 5);
  narrowing.gaveUp();
  assert.equal(narrowing.refusals, 0);
  assert.equal(refuse(), "retry");
});

Deno.test("probes that were all refused void the proof, and the next ones ask other neighbours", () => {
  const narrowing = new Narrowing(limits);
  for (let attempt = 0; attempt < 3; attempt++) narrowing.refused(1, 100, false);
  assert.deepEqual(narrowing.probes(narrowing.neighboursWanted), [0, 1, 2]);
  narrowing.probeAccepted();
  narrowing.probesRefused();
  assert.deepEqual(narrowing.probes(narrowing.neighboursWanted), [3, 4, 5]);
  assert.deepEqual(narrowing.probes(2), [1, 0]);
  assert.deepEqual(narrowing.probes(0), []);
  assert.equal(narrowing.refused(1, 100, false), "probe");
  assert.equal(narrowing.probeAccepted(), "confirm");
});

Deno.test("limits below one are a caller's mistake", () => {
  assert.throws(() => new Narrowing({ ...limits, attemptsMax: 0 }), RangeError);
  assert.throws(() => new Narrowing({ ...limits, batchEventsMax: 1.5 }), RangeError);
});
