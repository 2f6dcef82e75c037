/**
 * What a store promises of workers.
 */
import assert from "node:assert/strict";
import type { StoredWorker } from "../../../src/server/store/contract.ts";
import type { StorePromises } from "./fixture.ts";

export const WORKER_PROMISES: StorePromises = {
  "a worker is known as it was last seen, on every server": async (test) => {
    const worker: Omit<StoredWorker, "lastSeenAtMs"> = {
      id: "w1",
      name: "b",
      version: "1.2.3",
      queue: "default",
      concurrency: 4,
      connectedAtMs: test.nowMs,
      jobIds: ["job-0001", "job-0002"],
      isConnected: true,
    };
    const { workers } = test.store;
    await workers.seen(worker, test.nowMs);
    await workers.seen({ ...worker, id: "w3", name: "a" }, test.nowMs + 2_000);
    await workers.seen({ ...worker, id: "w2" }, test.nowMs + 2_000);
    const gone = { ...worker, jobIds: [], isConnected: false };
    await workers.seen(gone, test.nowMs + 1_000);
    assert.deepEqual(await test.other.workers.workers(0), [
      { ...worker, id: "w3", name: "a", lastSeenAtMs: test.nowMs + 2_000 },
      { ...gone, lastSeenAtMs: test.nowMs + 1_000 },
      { ...worker, id: "w2", lastSeenAtMs: test.nowMs + 2_000 },
    ]);
    const since = await workers.workers(test.nowMs + 1_001);
    assert.deepEqual(since.map(({ id }) => id), ["w3", "w2"]);
  },
};
