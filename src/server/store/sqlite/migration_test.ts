import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { JobState } from "../../../events/gen/job/v1/job_pb.ts";
import { systemNextTurn } from "../../../platform/system_clock.ts";
import { systemFiles } from "../../../platform/system_files.ts";
import type { StoredExecution } from "../contract.ts";
import { StoreError } from "../store_error.ts";
import { SqliteStore } from "./sqlite_store.ts";

const FIXTURE = new URL("../../../../tests/testdata/server_v1.db", import.meta.url);
/** Of a time that no clock of a test shows. */
const LATER_MS = 1_800_000_000_000;

async function withFixture(test: (path: string) => void | Promise<void>): Promise<void> {
  const directory = Deno.makeTempDirSync();
  try {
    const path = join(directory, "server.db");
    Deno.copyFileSync(FIXTURE, path);
    await test(path);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

async function withStore(path: string, test: (store: SqliteStore) => Promise<void>): Promise<void> {
  const store = new SqliteStore(path, { files: systemFiles, nextTurn: systemNextTurn });
  try {
    await test(store);
  } finally {
    await store.close();
  }
}

/** Every job of the file by its command line's last word, oldest first. */
async function jobsOf({ jobs }: SqliteStore) {
  const found = await jobs.search({
    queue: "",
    states: [],
    text: "",
    metadata: {},
    createdFromMs: undefined,
    createdBeforeMs: undefined,
    pageSize: 50,
    before: undefined,
  });
  return found.jobs.map(({ job }) => job).toReversed();
}

function told({ execution, outcome, eventCount, eventBytes, lastSeenAtMs, logId, worker }: StoredExecution) {
  return { execution, outcome, eventCount, eventBytes, lastSeenAtMs, logId, worker };
}

Deno.test("a database of version 1 is brought up to date with all that is in it", async () => {
  await withFixture((path) =>
    withStore(path, async (store) => {
      const jobs = await jobsOf(store);
      assert.deepEqual(jobs.map(({ queue, state }) => `${queue} ${JobState[state]}`), [
        "builds COMPLETED",
        "builds FAILED",
        "default RUNNING",
        "default SCHEDULED",
        "nightly SCHEDULED",
      ]);
      assert.deepEqual(
        jobs.map(({ retryOf, cancelRequestedAtMs, cancelReason, isAdopted }) =>
          [retryOf, cancelRequestedAtMs, cancelReason, isAdopted].join()
        ),
        Array(5).fill(",,,false"),
      );
      const executions = await Promise.all(jobs.map(({ jobId }) => store.jobs.executions(jobId)));
      // The bytes were summed by another program.
      const rest = { logId: undefined, worker: "" };
      assert.deepEqual(executions.map((all) => all.map(told)), [
        [{
          execution: 1,
          outcome: "completed",
          eventCount: 10,
          eventBytes: 1_358,
          lastSeenAtMs: 1_700_000_001_000,
          ...rest,
        }],
        [
          {
            execution: 1,
            outcome: "requeued",
            eventCount: 2,
            eventBytes: 270,
            lastSeenAtMs: 1_700_000_062_000,
            ...rest,
          },
          {
            execution: 2,
            outcome: "completed",
            eventCount: 3,
            eventBytes: 406,
            lastSeenAtMs: 1_700_000_062_000,
            ...rest,
          },
        ],
        [{
          execution: 1,
          outcome: undefined,
          eventCount: 1,
          eventBytes: 135,
          lastSeenAtMs: 1_700_000_063_000,
          ...rest,
        }],
        [],
        [],
      ]);
      const queues = (await store.jobs.queues()).map((queue) => Object.values(queue).join());
      assert.deepEqual(queues, [
        "builds,0,0,2,,2034",
        "default,1,1,0,1700000064000,135",
        "nightly,1,0,0,1700000065000,0",
      ]);
    })
  );
});

Deno.test("jobs of a database of version 1 are found by text and metadata, and live on", async () => {
  await withFixture((path) =>
    withStore(path, async (store) => {
      const jobs = await jobsOf(store);
      const find = async (filter: { text?: string; metadata?: Record<string, string> }) =>
        (await store.jobs.search({
          queue: "",
          states: [],
          text: "",
          metadata: {},
          createdFromMs: undefined,
          createdBeforeMs: undefined,
          pageSize: 50,
          before: undefined,
          ...filter,
        })).jobs.map(({ job }) => jobs.findIndex(({ jobId }) => jobId === job.jobId) + 1);
      assert.deepEqual(await find({ text: "MAKE" }), [5, 2, 1]);
      assert.deepEqual(await find({ text: jobs[3].jobId }), [4]);
      assert.deepEqual(await find({ metadata: { commit: "b2" } }), [2]);

      const [{ executionId }] = await store.jobs.executions(jobs[0].jobId);
      const event = { sequence: 11n, timestampMs: undefined, type: 1, payload: new Uint8Array(10) };
      await store.events.append([{ executionId, events: [event] }], LATER_MS);
      const [after] = await store.jobs.executions(jobs[0].jobId);
      assert.deepEqual([after.eventCount, after.eventBytes, after.lastSeenAtMs], [11, 1_368, LATER_MS]);

      // A key that was used before the upgrade is still used.
      const again = { jobId: "new", requestId: "build-a1", queue: "x", params: new Uint8Array() };
      assert.deepEqual((await store.jobs.enqueue(again, LATER_MS)).job.jobId, jobs[0].jobId);
      await store.jobs.requeueExpired(LATER_MS);
      const claim = await store.jobs.dequeue("default", 1_000, "", LATER_MS);
      assert.deepEqual([claim?.job.jobId, claim?.execution], [jobs[2].jobId, 2]);
      assert.equal(await store.jobs.delete(jobs[1].jobId), "done");
    })
  );
});

Deno.test("a database that was brought up to date is whole, and is not brought up to date again", async () => {
  await withFixture(async (path) => {
    await withStore(path, async () => {});
    const before = Deno.readFileSync(path);
    const database = new DatabaseSync(path);
    database.exec("PRAGMA foreign_keys = ON");
    assert.deepEqual(database.prepare("PRAGMA foreign_key_check").all(), []);
    assert.equal(database.prepare("PRAGMA integrity_check").get()!.integrity_check, "ok");
    const references = database.prepare("PRAGMA foreign_key_list(events)").get()!;
    assert.equal(references.table, "executions");
    database.close();
    await withStore(path, async () => {});
    assert.deepEqual(Deno.readFileSync(path), before);
  });
});

Deno.test("a database that cannot be brought up to date is left as it was", async () => {
  await withFixture((path) => {
    const damaged = new DatabaseSync(path);
    damaged.exec("PRAGMA foreign_keys = OFF; UPDATE executions SET job = 99 WHERE id = 4");
    damaged.close();
    const before = Deno.readFileSync(path);
    assert.throws(() => new SqliteStore(path, { files: systemFiles, nextTurn: systemNextTurn }), (error) => {
      assert.ok(error instanceof StoreError);
      assert.match(
        error.message,
        /rows of executions refer to rows that are not there\. The file was not changed/,
      );
      return true;
    });
    assert.deepEqual(Deno.readFileSync(path), before);
  });
});
