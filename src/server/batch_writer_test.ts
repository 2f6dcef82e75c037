import assert from "node:assert/strict";
import { everything, sequencesOf, storedEvent, TestStore } from "../../tests/support/server_store.ts";
import { ManualClock } from "../../tests/support/manual_clock.ts";
import type { BatchOutcome, EventBatch, EventStore } from "./store/contract.ts";
import { BatchWriter } from "./batch_writer.ts";
import { systemNextTurn } from "../platform/system_clock.ts";

const storedOne: BatchOutcome = { isUnknown: false, stored: 1, duplicate: 0, conflicts: [] };

/** Tells `woken` which jobs have new events. */
function writerTo(append: EventStore["append"], woken: string[]): BatchWriter {
  const onStored = (jobId: string) => void woken.push(jobId);
  return new BatchWriter({ store: { append }, onStored, clock: new ManualClock(), nextTurn: systemNextTurn });
}

Deno.test("batches that arrive together share one transaction, and each gets its own outcome", async () => {
  await using test = new TestStore();
  const jobIds = [await test.enqueue(), await test.enqueue()];
  const claims = [await test.claim(), await test.claim()];
  const transactions: number[] = [];
  const stored: string[] = [];
  const append = (batches: readonly EventBatch[], nowMs: number): Promise<BatchOutcome[]> => {
    transactions.push(batches.length);
    return test.events.append(batches, nowMs);
  };
  const writer = writerTo(append, stored);
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
  const page = await test.events.history(claims[0].executionId, everything, 0n, 100n);
  assert.deepEqual(sequencesOf(page.payloads), [
    1,
    2,
    3,
  ]);
});

Deno.test("a transaction that fails acknowledges nothing, and the next one is tried afresh", async () => {
  const woken: string[] = [];
  const failures: (Error | undefined)[] = [new Error("The disk is full"), undefined];
  const append = (batches: readonly EventBatch[]): Promise<BatchOutcome[]> => {
    const failure = failures.shift();
    if (failure) return Promise.reject(failure);
    return Promise.resolve(batches.map(() => storedOne));
  };
  const writer = writerTo(append, woken);
  const batch = { executionId: 1n, events: [storedEvent(1)] };
  const outcomes = await Promise.allSettled([writer.append("a", batch), writer.append("b", batch)]);
  assert.deepEqual(outcomes.map(({ status }) => status), ["rejected", "rejected"]);
  assert.deepEqual(woken, []);
  assert.equal((await writer.append("a", batch)).stored, 1);
  assert.deepEqual(woken, ["a"]);
});

Deno.test("what arrives while a transaction is under way shares the next one", async () => {
  const transactions: number[] = [];
  const committed: PromiseWithResolvers<void>[] = [];
  const began = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const append = async (batches: readonly EventBatch[]): Promise<BatchOutcome[]> => {
    const commit = Promise.withResolvers<void>();
    committed.push(commit);
    transactions.push(batches.length);
    began[transactions.length - 1]!.resolve();
    await commit.promise;
    return batches.map(() => storedOne);
  };
  const writer = writerTo(append, []);
  const batch = { executionId: 1n, events: [storedEvent(1)] };
  const first = writer.append("a", batch);
  await began[0]!.promise;
  const others = [writer.append("b", batch), writer.append("c", batch), writer.append("d", batch)];
  assert.deepEqual(transactions, [1]);
  committed[0]!.resolve();
  await first;
  await began[1]!.promise;
  assert.deepEqual(transactions, [1, 3]);
  committed[1]!.resolve();
  await Promise.all(others);
});

Deno.test("a transaction has four mebibytes at most, or one batch, and the order stays", async () => {
  const transactions: number[][] = [];
  const append = (batches: readonly EventBatch[]): Promise<BatchOutcome[]> => {
    transactions.push(batches.map(({ executionId }) => Number(executionId)));
    return Promise.resolve(batches.map(() => storedOne));
  };
  const writer = writerTo(append, []);
  const mebibytes = [1, 2, 1, 1, 9, 1];
  await Promise.all(mebibytes.map((size, index) => {
    const event = { ...storedEvent(1), payload: new Uint8Array(size * 1024 * 1024) };
    return writer.append("a", { executionId: BigInt(index + 1), events: [event] });
  }));
  assert.deepEqual(transactions, [[1, 2, 3], [4], [5], [6]]);
});
