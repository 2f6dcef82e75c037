import assert from "node:assert/strict";
import { everything, sequencesOf, storedEvent, TestStore } from "../../../../tests/support/server_store.ts";

function withExecution(test: (context: TestStore, executionId: bigint) => void): () => void {
  return () => {
    using context = new TestStore();
    context.enqueue();
    test(context, context.claim().executionId);
  };
}

Deno.test(
  "an event is stored once, the first to arrive stays, and other bytes are told",
  withExecution(({ events }, executionId) => {
    const other = { ...storedEvent(2), payload: new Uint8Array([9]) };
    const batch = { executionId, events: [storedEvent(1), storedEvent(2), storedEvent(1), other] };
    assert.deepEqual(events.append([batch]), [{ stored: 2, duplicate: 2, conflicts: [2n] }]);
    assert.deepEqual(events.append([batch]), [{ stored: 0, duplicate: 4, conflicts: [2n] }]);
    assert.deepEqual(
      sequencesOf(events.history(executionId, everything, 0n, events.lastArrival()).payloads),
      [1, 2],
    );
  }),
);

Deno.test(
  "batches are stored all or none",
  withExecution(({ events }, executionId) => {
    const good = { executionId, events: [storedEvent(1)] };
    const bad = { executionId: 999n, events: [storedEvent(1)] };
    assert.throws(() => events.append([good, bad]), /FOREIGN KEY/);
    assert.equal(events.lastArrival(), 0n);
  }),
);

Deno.test(
  "sequences use all of int64",
  withExecution(({ events }, executionId) => {
    const sequence = 2n ** 63n - 1n;
    events.append([{ executionId, events: [{ ...storedEvent(1), sequence }] }]);
    assert.equal(events.history(executionId, everything, 0n, 1n).cursor, sequence);
  }),
);

Deno.test(
  "history goes by sequence, arrivals by arrival, and both leave other executions out",
  withExecution((test, executionId) => {
    test.enqueue();
    const other = test.claim();
    for (const sequence of [3, 1, 2]) {
      test.events.append([{ executionId, events: [storedEvent(sequence)] }]);
      test.publish(other, sequence);
    }
    const { events } = test;
    assert.deepEqual(
      sequencesOf(events.history(executionId, everything, 0n, events.lastArrival()).payloads),
      [1, 2, 3],
    );
    assert.deepEqual(sequencesOf(events.history(executionId, everything, 1n, 3n).payloads), [3]);
    assert.deepEqual(sequencesOf(events.arrivals(executionId, everything, 0n).payloads), [3, 1, 2]);
    assert.deepEqual(sequencesOf(events.arrivals(executionId, everything, 1n).payloads), [1, 2]);
  }),
);

Deno.test(
  "events are filtered by sequence, time and type",
  withExecution(({ events }, executionId) => {
    const timeless = { ...storedEvent(4), timestampMs: undefined };
    events.append([{
      executionId,
      events: [storedEvent(1), storedEvent(2, 6), storedEvent(3, 7), timeless],
    }]);
    const find = (filter: Partial<typeof everything>) => [
      sequencesOf(events.history(executionId, { ...everything, ...filter }, 0n, 100n).payloads),
      sequencesOf(events.arrivals(executionId, { ...everything, ...filter }, 0n).payloads),
    ];
    assert.deepEqual(find({ fromSequence: 3n }), [[3, 4], [3, 4]]);
    assert.deepEqual(find({ fromTimestampMs: 2_000n }), [[2, 3], [2, 3]]);
    assert.deepEqual(find({ types: [7, 5] }), [[1, 3, 4], [1, 3, 4]]);
    assert.deepEqual(find({ types: [99] }), [[], []]);
  }),
);

Deno.test(
  "a page ends after 256 events or a mebibyte, and the next one goes on behind it",
  withExecution(({ events }, executionId) => {
    const small = Array.from({ length: 300 }, (_, index) => storedEvent(index + 1));
    const large = [301, 302, 303].map((sequence) => ({
      ...storedEvent(sequence),
      payload: new Uint8Array(700_000),
    }));
    events.append([{ executionId, events: [...small, ...large] }]);
    const pages = (read: (after: bigint) => ReturnType<typeof events.arrivals>) => {
      const lengths: number[] = [];
      for (let cursor = 0n, isLast = false; !isLast;) {
        const page = read(cursor);
        lengths.push(page.payloads.length);
        ({ cursor, isLast } = page);
      }
      return lengths;
    };
    assert.deepEqual(pages((after) => events.history(executionId, everything, after, 1_000n)), [256, 46, 1]);
    assert.deepEqual(pages((after) => events.arrivals(executionId, everything, after)), [256, 46, 1]);
  }),
);

Deno.test(
  "a reader of arrivals steps over what its filter left out",
  withExecution(({ events }, executionId) => {
    events.append([{ executionId, events: [storedEvent(1), storedEvent(2)] }]);
    const page = events.arrivals(executionId, { ...everything, types: [99] }, 0n);
    assert.deepEqual([page.payloads, page.cursor, page.isLast], [[], 2n, true]);
  }),
);
