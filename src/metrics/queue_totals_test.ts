import assert from "node:assert/strict";
import type { StoredQueue } from "../server/store/contract.ts";
import { limitQueues } from "./queue_totals.ts";

const queue = (name: string, eventBytes: number, jobs = 1): StoredQueue => ({
  queue: name,
  scheduled: jobs,
  running: jobs,
  ended: jobs,
  oldestScheduledAtMs: undefined,
  eventBytes,
});

Deno.test("few queues are told one by one, the largest first", () => {
  assert.deepEqual(limitQueues([]), []);
  assert.deepEqual(limitQueues([queue("a", 1), queue("b", 5, 2)]), [
    { queue: "b", jobs: 6, eventBytes: 5 },
    { queue: "a", jobs: 3, eventBytes: 1 },
  ]);
});

Deno.test("of many queues the fifty largest are told, and the others as one", () => {
  const limited = limitQueues(Array.from({ length: 1_000 }, (_, index) => queue(`queue-${index}`, index)));
  assert.equal(limited.length, 51);
  assert.deepEqual(limited[0], { queue: "queue-999", jobs: 3, eventBytes: 999 });
  assert.deepEqual(limited[50], { queue: "", jobs: 950 * 3, eventBytes: 949 * 950 / 2 });
});
