/**
 * What a store promises of cancelled jobs.
 */
import assert from "node:assert/strict";
import { JobState } from "../../../src/events/gen/job/v1/job_pb.ts";
import { failure, type Fixture, type StorePromises, success, VISIBILITY_MS } from "./fixture.ts";

async function stateOf(test: Fixture, jobId: string): Promise<string> {
  return JobState[(await test.jobs.job(jobId))!.state];
}

export const CANCELLATION_PROMISES: StorePromises = {
  "a scheduled job that is cancelled leaves its queue": async (test) => {
    const jobId = await test.enqueue();
    test.nowMs += 5;
    assert.equal(await test.jobs.cancel(jobId, "not needed", test.nowMs), "cancelled");
    assert.equal(await test.jobs.dequeue("default", 1_000, "", test.nowMs), undefined);
    const job = await test.jobs.job(jobId);
    assert.deepEqual(
      [job!.state, job!.cancelRequestedAtMs, job!.cancelReason, job!.updatedAtMs],
      [JobState.CANCELLED, test.nowMs, "not needed", test.nowMs],
    );
    assert.equal(await test.jobs.cancel(jobId, "again", test.nowMs + 1), "ended");
    assert.equal((await test.jobs.job(jobId))!.cancelReason, "not needed");
    assert.equal(await test.jobs.cancel("no such job", "", test.nowMs), "unknown");
  },

  "a running job that is cancelled runs on, and keeps the first reason": async (test) => {
    const { job: { jobId } } = await test.running();
    const askedAtMs = test.nowMs;
    for (const reason of ["wrong branch", "impatient"]) {
      assert.equal(await test.jobs.cancel(jobId, reason, test.nowMs), "requested");
      test.nowMs += 1_000;
    }
    const job = await test.jobs.job(jobId);
    assert.deepEqual(
      [job!.state, job!.cancelRequestedAtMs, job!.cancelReason],
      [JobState.RUNNING, askedAtMs, "wrong branch"],
    );
    assert.equal(await test.jobs.extend(jobId, 1, VISIBILITY_MS, test.nowMs), "done");
    assert.equal(await stateOf(test, jobId), "RUNNING");
  },

  "a cancelled job that succeeds has succeeded, and one that fails is cancelled": async (test) => {
    for (const [result, state] of [[success, "COMPLETED"], [failure, "CANCELLED"]] as const) {
      const { job: { jobId } } = await test.running();
      await test.jobs.cancel(jobId, "", test.nowMs);
      assert.equal(await test.jobs.complete(jobId, 1, result, test.nowMs), "done");
      assert.equal(await stateOf(test, jobId), state);
      assert.equal((await test.jobs.executions(jobId))[0].outcome, "completed");
      assert.equal(await test.jobs.cancel(jobId, "", test.nowMs), "ended");
    }
  },

  "a cancelled job whose worker is not heard of is cancelled, and never goes back to its queue": async (
    test,
  ) => {
    const { job: { jobId } } = await test.running();
    await test.jobs.cancel(jobId, "", test.nowMs);
    test.nowMs += VISIBILITY_MS;
    const [requeued] = await test.jobs.requeueExpired(test.nowMs);
    assert.deepEqual(requeued, {
      jobId,
      queue: "default",
      execution: 1,
      isCancelled: true,
      isAdopted: false,
    });
    assert.equal(await stateOf(test, jobId), "CANCELLED");
    assert.equal((await test.jobs.executions(jobId))[0].outcome, "cancelled");
    assert.equal(await test.jobs.dequeue("default", 1_000, "", test.nowMs), undefined);
    // The worker was only away, and had done the work.
    assert.equal(await test.jobs.complete(jobId, 1, success, test.nowMs), "done");
    assert.equal(await stateOf(test, jobId), "COMPLETED");
  },

  "a cancelled job that did not reach its worker is cancelled": async (test) => {
    const claim = await test.running();
    await test.jobs.cancel(claim.job.jobId, "", test.nowMs);
    assert.equal(await test.jobs.release(claim, test.nowMs), true);
    assert.equal(await stateOf(test, claim.job.jobId), "CANCELLED");
    assert.equal(await test.jobs.dequeue("default", 1_000, "", test.nowMs), undefined);
  },

  "workers hear which of their executions are cancelled, whenever they ask": async (test) => {
    const cancelled = await test.running();
    const running = await test.running();
    const completed = await test.running();
    for (const { job } of [cancelled, completed]) await test.jobs.cancel(job.jobId, "because", test.nowMs);
    await test.jobs.complete(completed.job.jobId, 1, success, test.nowMs);
    const subjects = [cancelled, running, completed].map(({ job: { jobId }, execution }) => ({
      jobId,
      execution,
    }));
    const expected = [{ ...subjects[0], reason: "because" }];
    subjects.push({ jobId: subjects[0].jobId, execution: 2 }, { jobId: "no such job", execution: 1 });
    assert.deepEqual(await test.jobs.cancellations(subjects), expected);
    // The worker was away for longer than the execution was visible: it may still run.
    test.nowMs += VISIBILITY_MS;
    await test.jobs.requeueExpired(test.nowMs);
    assert.deepEqual(await test.jobs.cancellations(subjects), expected);
    assert.deepEqual(await test.jobs.cancellations([]), []);
  },

  "a job that was requeued and then cancelled is cancelled for the worker that was away": async (test) => {
    const { job: { jobId } } = await test.running();
    test.nowMs += VISIBILITY_MS;
    await test.jobs.requeueExpired(test.nowMs);
    assert.equal(await test.jobs.cancel(jobId, "late", test.nowMs), "cancelled");
    assert.deepEqual(await test.jobs.cancellations([{ jobId, execution: 1 }]), [
      { jobId, execution: 1, reason: "late" },
    ]);
  },
};
