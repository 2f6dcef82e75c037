import assert from "node:assert/strict";
import { Code } from "@connectrpc/connect";
import { assertRefused } from "../../../tests/support/refusals.ts";
import { LocalSignals } from "../signals.ts";
import type { JobStore, StoredQueue } from "../store/contract.ts";
import { listQueues } from "./list_queues.ts";
import { Watches } from "./watches.ts";

function list(stored: number, waiting: [string, number][]) {
  const queues = Array.from({ length: stored }, (_, number): StoredQueue => ({
    queue: `q${number}`,
    scheduled: 0,
    running: 0,
    ended: 1,
    oldestScheduledAtMs: undefined,
    eventBytes: 5,
  }));
  return listQueues({
    store: { jobs: { queues: () => Promise.resolve(queues) } as unknown as JobStore },
    queue: { waitingByQueue: () => new Map(waiting) },
    watches: new Watches(new LocalSignals().cancellations),
  });
}

Deno.test("a queue is listed once, whether jobs or workers are there", async () => {
  const { queues } = await list(2, [["q1", 3], ["a", 1]]);
  assert.deepEqual(
    queues!.map(({ name, ended, waiting, eventBytes }) => [name, ended, waiting, eventBytes]),
    [
      ["a", 0n, 1, 0n],
      ["q0", 1n, 0, 5n],
      ["q1", 1n, 3, 5n],
    ],
  );
});

Deno.test("more queues than one message has room for are refused, and not cut", async () => {
  assert.equal((await list(10_000, [["q1", 1]])).queues!.length, 10_000);
  await assertRefused(
    list(10_000, [["a", 1]]),
    Code.ResourceExhausted,
    /There are 10001 queues, and at most 10000 are listed/,
  );
});
