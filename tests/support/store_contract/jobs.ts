/**
 * What a store promises of queues, executions and results.
 */
import assert from "node:assert/strict";
import { JobState } from "../../../src/events/gen/job/v1/job_pb.ts";
import { failure, type StorePromises, success, VISIBILITY_MS } from "./fixture.ts";

export const JOB_PROMISES: StorePromises = {
  "a request id seen before returns the first job, in whatever queue": async (test) => {
    const first = await test.enqueue("default", { requestId: "build-1" });
    assert.equal(await test.enqueue("other", { requestId: "build-1" }), first);
    assert.notEqual(await test.enqueue("default", { requestId: "build-2" }), first);
    assert.notEqual(await test.enqueue(), await test.enqueue());
    assert.equal(await test.jobs.dequeue("other", 1_000, "", test.nowMs), undefined);
  },

  "a job is kept as it was given": async (test) => {
    const first = await test.enqueue("a queue");
    const jobId = await test.enqueue("a queue", { retryOf: first });
    const job = await test.jobs.job(jobId);
    assert.deepEqual({ ...job, params: job!.params.length > 0 }, {
      jobId,
      queue: "a queue",
      state: JobState.SCHEDULED,
      createdAtMs: test.nowMs,
      updatedAtMs: test.nowMs,
      params: true,
      retryOf: first,
      cancelRequestedAtMs: undefined,
      cancelReason: "",
      isAdopted: false,
    });
    assert.equal((await test.jobs.job(first))!.retryOf, undefined);
    assert.equal(await test.jobs.job("no such job"), undefined);
  },

  "a queue is first in, first out, and knows nothing of other queues": async (test) => {
    const ids: string[] = [];
    for (const queue of ["a", "b", "a", "a"]) ids.push(await test.enqueue(queue));
    const claimed: string[] = [];
    for (let job = 0; job < 3; job++) claimed.push((await test.claim("a")).job.jobId);
    assert.deepEqual(claimed, [ids[0], ids[2], ids[3]]);
    assert.equal(await test.jobs.dequeue("a", 1_000, "", test.nowMs), undefined);
    assert.equal((await test.claim("b")).job.jobId, ids[1]);
  },

  "an execution knows who took it and when it was last heard of": async (test) => {
    const jobId = await test.enqueue();
    const { executionId } = await test.claim("default", "host-7");
    const startedAtMs = test.nowMs;
    const seen = async () => {
      const [execution] = await test.jobs.executions(jobId);
      return [
        execution.worker,
        execution.lastSeenAtMs - startedAtMs,
        execution.eventCount,
        execution.eventBytes,
      ];
    };
    assert.deepEqual(await seen(), ["host-7", 0, 0, 0]);
    test.nowMs += 1_000;
    await test.append(executionId, 1, 10, 1);
    assert.deepEqual(await seen(), ["host-7", 1_000, 2, 3]);
    test.nowMs += 1_000;
    await test.jobs.extend(jobId, 1, VISIBILITY_MS, test.nowMs);
    assert.deepEqual(await seen(), ["host-7", 2_000, 2, 3]);
    test.nowMs += 1_000;
    await test.jobs.complete(jobId, 1, success, test.nowMs);
    assert.deepEqual(await seen(), ["host-7", 3_000, 2, 3]);
  },

  "an execution that was not extended in time goes back to its place in the queue": async (test) => {
    const first = await test.enqueue();
    const second = await test.enqueue();
    await test.claim();
    assert.deepEqual(await test.jobs.requeueExpired(test.nowMs + VISIBILITY_MS - 1), []);
    test.nowMs += VISIBILITY_MS;
    assert.deepEqual(await test.jobs.requeueExpired(test.nowMs), [
      { jobId: first, queue: "default", execution: 1, isCancelled: false, isAdopted: false },
    ]);
    assert.equal((await test.jobs.job(first))!.state, JobState.SCHEDULED);
    const again = await test.claim();
    assert.deepEqual([again.job.jobId, again.execution], [first, 2]);
    assert.equal((await test.claim()).job.jobId, second);
  },

  "only the current, running execution is extended": async (test) => {
    const { job: { jobId } } = await test.running();
    const extend = (execution: number) => test.jobs.extend(jobId, execution, 60_000, test.nowMs);
    assert.equal(await extend(1), "done");
    assert.equal(await test.jobs.nextExpiryMs(), test.nowMs + 60_000);
    assert.equal(await extend(2), "unknown");
    test.nowMs += 60_000;
    await test.jobs.requeueExpired(test.nowMs);
    assert.equal(await extend(1), "ended");
    await test.claim();
    assert.equal(await extend(1), "superseded");
    assert.equal(await extend(2), "done");
    await test.jobs.complete(jobId, 2, success, 0);
    assert.equal(await extend(2), "ended");
    assert.equal(await test.jobs.extend("no such job", 1, 1, 1), "unknown");
  },

  "completing again changes nothing, and an old execution cannot complete": async (test) => {
    const { job: { jobId } } = await test.running();
    test.nowMs += VISIBILITY_MS;
    await test.jobs.requeueExpired(test.nowMs);
    await test.claim();
    assert.equal(await test.jobs.complete(jobId, 1, success, 1), "superseded");
    assert.equal(await test.jobs.complete(jobId, 2, failure, 1), "done");
    assert.equal(await test.jobs.complete(jobId, 2, success, 2), "repeated");
    assert.equal((await test.jobs.job(jobId))!.state, JobState.FAILED);
    assert.equal(await test.jobs.nextExpiryMs(), undefined);
    assert.deepEqual(
      (await test.jobs.executions(jobId)).map((
        { execution, outcome, result },
      ) => [execution, outcome, result?.[0]]),
      [[1, "requeued", undefined], [2, "completed", 8]],
    );
  },

  "a requeued job whose execution completes before anybody took it again leaves its queue": async (test) => {
    const { job: { jobId } } = await test.running();
    test.nowMs += VISIBILITY_MS;
    await test.jobs.requeueExpired(test.nowMs);
    assert.equal(await test.jobs.complete(jobId, 1, success, 1), "done");
    assert.equal((await test.jobs.job(jobId))!.state, JobState.COMPLETED);
    assert.equal(await test.jobs.dequeue("default", 1_000, "", test.nowMs), undefined);
  },

  "a job is released only while nothing shows that its worker has it": async (test) => {
    const released = await test.running();
    const { jobId } = released.job;
    assert.equal(await test.jobs.release(released, test.nowMs), true);
    assert.equal(await test.jobs.release(released, test.nowMs), false);

    const extended = await test.claim();
    await test.jobs.extend(jobId, 2, 20_000, test.nowMs);
    assert.equal(await test.jobs.release(extended, test.nowMs), false);

    test.nowMs += 20_000;
    await test.jobs.requeueExpired(test.nowMs);
    const published = await test.claim();
    await test.append(published.executionId, 1);
    assert.equal(await test.jobs.release(published, test.nowMs), false);
    assert.equal((await test.jobs.job(jobId))!.state, JobState.RUNNING);
  },

  "a running job gets grace after a restart, but no more than its own visibility timeout": async (test) => {
    for (let job = 0; job < 4; job++) await test.enqueue();
    const now = test.nowMs;
    await test.jobs.dequeue("default", 1_000, "", now);
    await test.jobs.dequeue("default", 50_000, "", now - 50_000);
    await test.jobs.dequeue("default", 200_000, "", now - 200_000);
    await test.jobs.dequeue("default", 500_000, "", now);
    await test.jobs.grantGrace(90_000, now);
    const expiries: number[] = [];
    for (let job = 0; job < 4; job++) {
      const next = (await test.jobs.nextExpiryMs())!;
      await test.jobs.requeueExpired(next);
      expiries.push(next - now);
    }
    assert.deepEqual(expiries, [1_000, 50_000, 90_000, 500_000]);
  },

  "an execution is found by its job and number, and the latest one by its job": async (test) => {
    const jobId = await test.enqueue();
    assert.equal(await test.jobs.latestExecution(jobId), 0);
    const { executionId } = await test.claim();
    assert.equal(await test.jobs.latestExecution(jobId), 1);
    assert.equal(await test.jobs.executionId(jobId, 1), executionId);
    assert.equal(await test.jobs.executionId(jobId, 2), undefined);
    assert.equal(await test.jobs.executionId("no such job", 1), undefined);
    assert.equal(await test.jobs.latestExecution("no such job"), undefined);
  },

  "a secret is made once and kept": async (test) => {
    const secret = (store: typeof test.store, offered: number) =>
      store.jobs.secret("a", () => new Uint8Array([offered]));
    assert.deepEqual(await secret(test.store, 1), new Uint8Array([1]));
    assert.deepEqual(await secret(test.other, 2), new Uint8Array([1]));
  },

  "jobs are listed newest first, page by page, by queue and state": async (test) => {
    const ids: string[] = [];
    for (let job = 0; job < 5; job++) ids.push(await test.enqueue(job % 2 ? "odd" : "even"));
    await test.claim("even");
    const list = async (queue: string, state: JobState, page: number, pageSize = 2) => {
      const { jobs, lastPage } = await test.jobs.list({ queue, state, page, pageSize });
      return [jobs.map((job) => ids.indexOf(job.jobId)), lastPage];
    };
    assert.deepEqual(await list("", JobState.UNSPECIFIED, 1), [[4, 3], 3]);
    assert.deepEqual(await list("", JobState.UNSPECIFIED, 3), [[0], 3]);
    assert.deepEqual(await list("", JobState.UNSPECIFIED, 4), [[], 3]);
    assert.deepEqual(await list("even", JobState.UNSPECIFIED, 1, 500), [[4, 2, 0], 1]);
    assert.deepEqual(await list("even", JobState.RUNNING, 1), [[0], 1]);
    assert.deepEqual(await list("", JobState.SCHEDULED, 2, 3), [[1], 2]);
    assert.deepEqual(await list("none", JobState.UNSPECIFIED, 1), [[], 1]);
    const filter = { queue: "even", state: JobState.UNSPECIFIED, page: 1, pageSize: 2 };
    const lengths = (await test.jobs.list(filter)).jobs.map((job) => job.params.length);
    assert.equal(await test.jobs.listedBytes(filter), lengths[0] + lengths[1]);
  },

  "jobs are counted by state, and queues by what is in them": async (test) => {
    await test.enqueue("b");
    await test.enqueue("b");
    const claim = await test.claim("b");
    await test.append(claim.executionId, 1, 22);
    const { job: { jobId } } = await test.running("a");
    await test.jobs.complete(jobId, 1, failure, test.nowMs);
    assert.deepEqual(
      [...await test.jobs.countJobs()],
      [["scheduled", 1], ["running", 1], ["completed", 0], ["failed", 1], ["cancelled", 0]],
    );
    assert.deepEqual(await test.jobs.queues(), [
      { queue: "a", scheduled: 0, running: 0, ended: 1, oldestScheduledAtMs: undefined, eventBytes: 0 },
      { queue: "b", scheduled: 1, running: 1, ended: 0, oldestScheduledAtMs: test.nowMs, eventBytes: 3 },
    ]);
  },
};
