/**
 * What a store promises of executions that ran elsewhere.
 */
import assert from "node:assert/strict";
import { JobState } from "../../../src/events/gen/job/v1/job_pb.ts";
import type { AdoptionRefusal } from "../../../src/server/store/contract.ts";
import { adoption, failure, type Fixture, type StorePromises, success, VISIBILITY_MS } from "./fixture.ts";

const adopt = (test: Fixture, more: Parameters<typeof adoption>[0] = {}) =>
  test.jobs.adopt(adoption(more), VISIBILITY_MS, test.nowMs);

async function assertRefused(
  test: Fixture,
  more: Parameters<typeof adoption>[0],
  reason: AdoptionRefusal,
): Promise<void> {
  assert.deepEqual(await adopt(test, more), { outcome: "refused", reason });
}

export const ADOPTION_PROMISES: StorePromises = {
  "an adopted execution is there under its own ids, and takes events and a result": async (test) => {
    assert.deepEqual(await adopt(test, { execution: 3 }), { outcome: "new" });
    const job = (await test.jobs.job("elsewhere"))!;
    assert.deepEqual(
      [job.state, job.isAdopted, job.queue, job.createdAtMs, job.updatedAtMs],
      [JobState.RUNNING, true, "default", 1_600_000_000_000, test.nowMs],
    );
    const executionId = (await test.jobs.executionId("elsewhere", 3))!;
    await test.append(executionId, 1, 2);
    const [execution, ...others] = await test.jobs.executions("elsewhere");
    assert.deepEqual(others, []);
    assert.deepEqual(
      [execution.execution, execution.worker, execution.logId, execution.startedAtMs, execution.eventCount],
      [3, "host-a", "log-a", 1_600_000_000_000, 2],
    );
    assert.equal(execution.expiresAtMs, test.nowMs + VISIBILITY_MS);
    assert.equal(await test.jobs.latestExecution("elsewhere"), 3);
    assert.equal(await test.jobs.extend("elsewhere", 3, VISIBILITY_MS, test.nowMs), "done");
    assert.equal(await test.jobs.complete("elsewhere", 3, failure, test.nowMs), "done");
    assert.equal((await test.jobs.job("elsewhere"))!.state, JobState.FAILED);
  },

  "adopting again for the same log gives the same answer, and changes no result": async (test) => {
    await adopt(test);
    const executionId = await test.jobs.executionId("elsewhere", 1);
    assert.deepEqual(await adopt(test, { params: new Uint8Array() }), { outcome: "repeated" });
    assert.equal(await test.jobs.executionId("elsewhere", 1), executionId);
    await test.jobs.complete("elsewhere", 1, success, test.nowMs);
    assert.deepEqual(await adopt(test), { outcome: "repeated" });
    assert.equal((await test.jobs.job("elsewhere"))!.state, JobState.COMPLETED);
    assert.equal(await test.jobs.nextExpiryMs(), undefined);
  },

  "an adopted job is never handed out: when it expires it waits for its log": async (test) => {
    await adopt(test);
    test.nowMs += VISIBILITY_MS;
    assert.deepEqual(await test.jobs.requeueExpired(test.nowMs), [
      { jobId: "elsewhere", queue: "default", execution: 1, isCancelled: false, isAdopted: true },
    ]);
    assert.equal((await test.jobs.job("elsewhere"))!.state, JobState.FAILED);
    assert.equal(await test.jobs.dequeue("default", 1_000, "", test.nowMs), undefined);
    assert.deepEqual(await adopt(test), { outcome: "repeated" });
    assert.equal((await test.jobs.job("elsewhere"))!.state, JobState.RUNNING);
    const [{ expiresAtMs, endedAtMs, outcome }] = await test.jobs.executions("elsewhere");
    assert.deepEqual([expiresAtMs, endedAtMs, outcome], [test.nowMs + VISIBILITY_MS, undefined, undefined]);
    assert.equal(await test.jobs.complete("elsewhere", 1, success, test.nowMs), "done");
    assert.equal((await test.jobs.job("elsewhere"))!.state, JobState.COMPLETED);
  },

  "a log of the same number is not the same log": async (test) => {
    await adopt(test);
    await assertRefused(test, { logId: "log-b" }, "other_log");
    const { job: { jobId } } = await test.running();
    await assertRefused(test, { jobId }, "other_log");
  },

  "a log is not mixed with another run of its job": async (test) => {
    const { executionId, job: { jobId } } = await test.running();
    const other = { jobId, execution: 2, logId: "log-b" };
    await assertRefused(test, other, "job_runs");
    await test.append(executionId, 1);
    await test.jobs.complete(jobId, 1, success, test.nowMs);
    await assertRefused(test, other, "job_has_events");
    assert.equal((await test.jobs.executions(jobId)).length, 1);
  },

  "a log is not mixed with a run that wrote nothing and has a result": async (test) => {
    const { job: { jobId } } = await test.running();
    await test.jobs.complete(jobId, 1, success, test.nowMs);
    await assertRefused(test, { jobId, execution: 2, logId: "log-b" }, "job_has_events");
    assert.equal((await test.jobs.job(jobId))!.state, JobState.COMPLETED);
  },

  "a job that waits and has no events takes the log that it is of, and leaves its queue": async (test) => {
    const jobId = await test.enqueue();
    assert.deepEqual(await adopt(test, { jobId }), { outcome: "new" });
    const job = (await test.jobs.job(jobId))!;
    assert.deepEqual([job.state, job.isAdopted], [JobState.RUNNING, false]);
    assert.equal(await test.jobs.dequeue("default", 1_000, "", test.nowMs), undefined);
  },

  "an adopted job that was cancelled and is not heard of is cancelled": async (test) => {
    await adopt(test);
    assert.equal(await test.jobs.cancel("elsewhere", "", test.nowMs), "requested");
    test.nowMs += VISIBILITY_MS;
    await test.jobs.requeueExpired(test.nowMs);
    assert.equal((await test.jobs.job("elsewhere"))!.state, JobState.CANCELLED);
  },
};
