/**
 * How SQLite goes about every question that is asked of it: by an index, whatever is asked, so that a million
 * jobs cost no more than ten.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { JobState } from "../../../events/gen/job/v1/job_pb.ts";
import { systemNextTurn } from "../../../platform/system_clock.ts";
import { systemFiles } from "../../../platform/system_files.ts";
import {
  adoption,
  eventOf,
  everything,
  failure,
  Fixture,
  params,
} from "../../../../tests/support/store_contract/fixture.ts";
import { Database } from "./database.ts";
import { SqliteStore } from "./sqlite_store.ts";

/** Tables that grow with the jobs, and an index of which nearly everything lies behind any bound. */
const LARGE = /\bSCAN (?:jobs|executions|events|job_texts|job_metadata)\b|\(job>\?\)/;

/** Everything that the server does, once. */
async function exercise(test: Fixture): Promise<void> {
  const metadata = { branch: "main", commit: "1" };
  await test.enqueue("default", { requestId: "r", params: params("make", ["all"], metadata) });
  await test.enqueue();
  const { jobs, events } = test.store;
  const claim = await test.claim();
  const { executionId, job: { jobId } } = claim;
  await test.append(executionId, 1, 1, eventOf(2));
  const states = [JobState.SCHEDULED, JobState.RUNNING];
  for (
    const filter of [
      {},
      { queue: "default" },
      { states },
      { queue: "default", states, createdFromMs: 1, createdBeforeMs: Number.MAX_SAFE_INTEGER },
      { text: "make" },
      { metadata, text: "make", queue: "default", states },
    ]
  ) await test.search(filter);
  for (const queue of ["", "default"]) {
    for (const state of [JobState.UNSPECIFIED, JobState.RUNNING]) {
      await jobs.list({ queue, state, page: 1, pageSize: 2 });
      await jobs.listedBytes({ queue, state, page: 1, pageSize: 2 });
    }
  }
  await events.history(executionId, everything, 0n, 99n);
  await events.arrivals(executionId, everything, 0n);
  await events.checksum(executionId, 1n, 2n);
  await jobs.executions(jobId);
  await jobs.executionId(jobId, 1);
  await jobs.latestExecution(jobId);
  await jobs.cancellations([{ jobId, execution: 1 }]);
  await jobs.extend(jobId, 1, 1_000, test.nowMs);
  await jobs.requeueExpired(test.nowMs + 1_000);
  await jobs.cancel(jobId, "", test.nowMs);
  await jobs.complete(jobId, 1, failure, test.nowMs);
  await jobs.countJobs();
  await jobs.queues();
  await jobs.adopt(adoption(), 1_000, test.nowMs);
  await jobs.adopt(adoption(), 1_000, test.nowMs);
  await jobs.release(claim, test.nowMs);
  await jobs.grantGrace(1_000, test.nowMs);
  await jobs.delete(jobId);
}

Deno.test("every question is answered by an index, and in the order in which it has its rows", async () => {
  const asked = new Set<string>();
  const { prepare } = Database.prototype;
  Database.prototype.prepare = function (sql) {
    asked.add(sql);
    return prepare.call(this, sql);
  };
  const directory = Deno.makeTempDirSync();
  try {
    const store = new SqliteStore(join(directory, "server.db"), {
      files: systemFiles,
      nextTurn: systemNextTurn,
    });
    await exercise(new Fixture({ store, other: store, [Symbol.asyncDispose]: () => Promise.resolve() }));
    for (const sql of asked) {
      const plan = prepare.call(store.database, `EXPLAIN QUERY PLAN ${sql}`).all().map(({ detail }) =>
        String(detail)
      );
      const text = `${sql}\n${plan.join("\n")}`;
      assert.doesNotMatch(plan.join("\n"), LARGE, text);
      // Not the rows of a whole table or queue; a page that was found may be put in order.
      assert.doesNotMatch(plan.join("\n"), /TEMP B-TREE FOR ORDER BY/, text);
    }
    assert.ok(asked.size > 40, `${asked.size} questions`);
    await store.close();
  } finally {
    Database.prototype.prepare = prepare;
    Deno.removeSync(directory, { recursive: true });
  }
});
