import assert from "node:assert/strict";
import { everything, sequencesOf, storedEvent, TestStore } from "../../tests/support/server_store.ts";
import type { BatchOutcome, EventBatch } from "./store/sqlite/event_store.ts";
import { BatchWriter } from "./batch_writer.ts";
import { systemNextTurn } from "../platform/system_clock.ts";

Deno.test("batches that arrive together share one transaction, and each gets its own outcome", async () => {
  using test = new TestStore();
  const jobIds = [test.enqueue(), test.enqueue()];
  const claims = [test.claim(), test.claim()];
  const transactions: number[] = [];
  const stored: string[] = [];
  const append = (batches: readonly EventBatch[]): BatchOutcome[] => {
    transactions.push(batches.length);
    return test.events.append(batches);
  };
  const writer = new BatchWriter({ append }, (jobId) => stored.push(jobId), systemNextTurn);
  const publish = (claim: number, ...sequences: number[]) =>
    writer.append(jobIds[claim], {
      executionId: claims[claim].executionId,
      events: sequences.map((sequence) => storedEvent(sequence)),
    });
  const outcomes = await Promise.all([publish(0, 1, 2), publish(1, 1), publish(0, 2, 3)]);
  assert.deepEqual(outcomes.map(({ stored, duplicate }) => [stored, duplicate]), [[2, 0], [1, 0], [1, 1]]);
  assert.deepEqual(transactions, [3]);
  assert.deepEqual(stored, jobIds);

  await publish(1, 1);
  assert.deepEqual(transactions, [3, 1]);
  // Nothing new, so nobody is woken.
  assert.deepEqual(stored, jobIds);
  assert.deepEqual(sequencesOf(test.events.history(claims[0].executionId, everything, 0n, 100n).payloads), [
    1,
    2,
    3,
  ]);
});

Deno.test("a transaction that fails acknowledges nothing, and the next one is tried afresh", async () => {
  const woken: string[] = [];
  const failures: (Error | undefined)[] = [new Error("The disk is full"), undefined];
  const append = (batches: readonly EventBatch[]): BatchOutcome[] => {
    const failure = failures.shift();
    if (failure) throw failure;
    return batches.map(() => ({ stored: 1, duplicate: 0, conflicts: [] }));
  };
  const writer = new BatchWriter({ append }, (jobId) => woken.push(jobId), systemNextTurn);
  const batch = { executionId: 1n, events: [storedEvent(1)] };
  const outcomes = await Promise.allSettled([writer.append("a", batch), writer.append("b", batch)]);
  assert.deepEqual(outcomes.map(({ status }) => status), ["rejected", "rejected"]);
  assert.deepEqual(woken, []);
  assert.equal((await writer.append("a", batch)).stored, 1);
  assert.deepEqual(woken, ["a"]);
});
