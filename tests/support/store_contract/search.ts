/**
 * What a store promises of lists as people ask for them.
 */
import assert from "node:assert/strict";
import { JobState } from "../../../src/events/gen/job/v1/job_pb.ts";
import type { SearchFilter } from "../../../src/server/store/contract.ts";
import { adoption, type Fixture, params, type StorePromises, success, VISIBILITY_MS } from "./fixture.ts";

/** The numbers of the jobs found, 1 for the first. */
async function find(test: Fixture, filter: Partial<SearchFilter> = {}): Promise<number[]> {
  return (await test.search(filter)).jobs.map(({ job }) => Number(job.jobId.slice(-4)));
}

export const SEARCH_PROMISES: StorePromises = {
  "jobs are found newest first, with their latest execution": async (test) => {
    await test.enqueue();
    const { job: { jobId } } = await test.running();
    test.nowMs += VISIBILITY_MS;
    await test.jobs.requeueExpired(test.nowMs);
    const { jobs, next } = await test.search();
    assert.deepEqual(jobs.map(({ job, latest }) => [job.jobId, latest?.execution, latest?.outcome]), [
      ["job-0002", undefined, undefined],
      ["job-0001", 1, "requeued"],
    ]);
    assert.equal(next, undefined);
    assert.equal(jobId, "job-0001");
    assert.deepEqual(jobs[1].job, await test.jobs.job(jobId));
    assert.deepEqual(jobs[1].latest, (await test.jobs.executions(jobId))[0]);
  },

  "pages follow one another by position, whatever comes and goes meanwhile": async (test) => {
    for (let job = 0; job < 7; job++) {
      await test.enqueue();
      // Some were made in the same millisecond.
      test.nowMs += job % 2;
    }
    const first = await test.search({ pageSize: 3 });
    assert.deepEqual(first.jobs.map(({ job }) => job.jobId), ["job-0007", "job-0006", "job-0005"]);
    await test.enqueue();
    await test.jobs.cancel("job-0005", "", test.nowMs);
    await test.jobs.delete("job-0005");
    const second = await test.search({ pageSize: 3, before: first.next });
    assert.deepEqual(second.jobs.map(({ job }) => job.jobId), ["job-0004", "job-0003", "job-0002"]);
    const last = await test.search({ pageSize: 3, before: second.next });
    assert.deepEqual([last.jobs.map(({ job }) => job.jobId), last.next], [["job-0001"], undefined]);
    await assert.rejects(test.search({ before: "page 2" }), RangeError);
  },

  "a page that ends with the last job is the last page": async (test) => {
    for (let job = 0; job < 4; job++) await test.enqueue();
    const { next } = await test.search({ pageSize: 2 });
    assert.equal((await test.search({ pageSize: 2, before: next })).next, undefined);
  },

  "jobs are found by queue and states": async (test) => {
    for (const queue of ["a", "b", "a", "b", "a"]) await test.enqueue(queue);
    await test.claim("a");
    await test.jobs.complete("job-0001", 1, success, test.nowMs);
    await test.claim("b");
    assert.deepEqual(await find(test, { queue: "a" }), [5, 3, 1]);
    assert.deepEqual(await find(test, { states: [JobState.SCHEDULED, JobState.RUNNING] }), [5, 4, 3, 2]);
    assert.deepEqual(await find(test, { queue: "a", states: [JobState.COMPLETED, JobState.SCHEDULED] }), [
      5,
      3,
      1,
    ]);
    assert.deepEqual(await find(test, { queue: "b", states: [JobState.RUNNING] }), [2]);
    assert.deepEqual(await find(test, { queue: "c" }), []);
    const { next } = await test.search({ states: [JobState.SCHEDULED], pageSize: 2 });
    assert.deepEqual(await find(test, { states: [JobState.SCHEDULED], pageSize: 2, before: next }), [3]);
  },

  "jobs are found by when they were made": async (test) => {
    const startMs = test.nowMs;
    for (let job = 0; job < 5; job++) {
      await test.enqueue();
      test.nowMs += 1_000;
    }
    assert.deepEqual(await find(test, { createdFromMs: startMs + 3_000 }), [5, 4]);
    assert.deepEqual(await find(test, { createdBeforeMs: startMs + 3_000 }), [3, 2, 1]);
    const between = { createdFromMs: startMs + 1_000, createdBeforeMs: startMs + 4_000 };
    assert.deepEqual(await find(test, between), [4, 3, 2]);
    const { next } = await test.search({ ...between, pageSize: 2 });
    assert.deepEqual(await find(test, { ...between, before: next }), [2]);
    // An adopted job is as old as what it was made from.
    const old = adoption({ jobId: "job-0009", startedAtMs: startMs - 1 });
    await test.jobs.adopt(old, VISIBILITY_MS, test.nowMs);
    assert.deepEqual(await find(test), [5, 4, 3, 2, 1, 9]);
  },

  "jobs are found by a piece of their id or command line": async (test) => {
    await test.enqueue("default", { params: params("make", ["all", "-j 8"]) });
    await test.enqueue("default", { params: params("sh", ["-c", "Make 100%_of it"]) });
    await test.enqueue("default", { params: new Uint8Array([255]) });
    assert.deepEqual(await find(test, { text: "make" }), [2, 1]);
    assert.deepEqual(await find(test, { text: "make all -J" }), [1]);
    assert.deepEqual(await find(test, { text: "0%_o" }), [2]);
    assert.deepEqual(await find(test, { text: "%" }), [2]);
    assert.deepEqual(await find(test, { text: "JOB-0003" }), [3]);
    assert.deepEqual(await find(test, { text: "nothing like that" }), []);
  },

  "jobs are found by their metadata": async (test) => {
    const enqueue = (queue: string, metadata: Record<string, string>) =>
      test.enqueue(queue, { params: params("make", [], metadata) });
    await enqueue("a", { branch: "main", commit: "1" });
    await enqueue("a", { branch: "main", commit: "2" });
    await enqueue("b", { branch: "main", commit: "1" });
    await enqueue("b", { branch: "other" });
    assert.deepEqual(await find(test, { metadata: { branch: "main" } }), [3, 2, 1]);
    assert.deepEqual(await find(test, { metadata: { branch: "main", commit: "1" } }), [3, 1]);
    assert.deepEqual(await find(test, { metadata: { branch: "main" }, queue: "a" }), [2, 1]);
    assert.deepEqual(await find(test, { metadata: { branch: "main" }, states: [JobState.RUNNING] }), []);
    assert.deepEqual(await find(test, { metadata: { branch: "mai" } }), []);
    const { next } = await test.search({ metadata: { branch: "main" }, pageSize: 2 });
    assert.deepEqual(await find(test, { metadata: { branch: "main" }, before: next }), [1]);
  },

  "what is rare is found among many": async (test) => {
    // More than is looked through in one go.
    const rare = await test.enqueue("default", { params: params("needle") });
    for (let job = 0; job < 2_500; job++) await test.enqueue();
    const { jobs, next } = await test.search({ text: "needle" });
    assert.deepEqual([jobs.map(({ job }) => job.jobId), next], [[rare], undefined]);
  },
};
