/**
 * What a store promises of jobs that are deleted.
 */
import assert from "node:assert/strict";
import { JobState } from "../../../src/events/gen/job/v1/job_pb.ts";
import { eventOf, everything, sequencesOf, type StorePromises, success } from "./fixture.ts";

export const DELETION_PROMISES: StorePromises = {
  "a job that has ended is deleted, with all that is of it, and nothing else is": async (test) => {
    const kept = await test.running();
    await test.append(kept.executionId, 1, 2);
    const { executionId, job: { jobId } } = await test.running();
    // More than goes in one piece.
    await test.append(executionId, ...Array.from({ length: 1_000 }, (_, index) => index + 1));
    assert.equal(await test.jobs.delete(jobId), "not_ended");
    await test.jobs.complete(jobId, 1, success, test.nowMs);
    assert.equal(await test.jobs.delete(jobId), "done");
    assert.equal(await test.jobs.delete(jobId), "unknown");

    assert.equal(await test.jobs.job(jobId), undefined);
    assert.deepEqual(await test.jobs.executions(jobId), []);
    assert.equal(await test.jobs.executionId(jobId, 1), undefined);
    assert.equal(await test.store.events.lastArrival(executionId), 0n);
    assert.equal(await test.jobs.extend(jobId, 1, 1_000, test.nowMs), "unknown");
    assert.equal(await test.jobs.complete(jobId, 1, success, test.nowMs), "unknown");
    assert.deepEqual((await test.search()).jobs.map(({ job }) => job.jobId), [kept.job.jobId]);
    const [queue] = await test.jobs.queues();
    assert.deepEqual([queue.running, queue.ended, queue.eventBytes], [1, 0, 2]);
    assert.deepEqual(await test.history(kept.executionId), [1, 2]);
  },

  "a queue whose last job was deleted is gone": async (test) => {
    const jobId = await test.enqueue("short-lived");
    assert.equal(await test.jobs.delete(jobId), "not_ended");
    await test.jobs.cancel(jobId, "", test.nowMs);
    assert.equal(await test.jobs.delete(jobId), "done");
    assert.deepEqual(await test.jobs.queues(), []);
    assert.equal((await test.jobs.countJobs()).get("cancelled"), 0);
    assert.deepEqual(
      (await test.jobs.list({ queue: "", state: JobState.UNSPECIFIED, page: 1, pageSize: 5 })).jobs,
      [],
    );
  },

  "events that come for a job that was deleted are refused": async (test) => {
    const { executionId, job: { jobId } } = await test.running();
    await test.jobs.complete(jobId, 1, success, test.nowMs);
    await test.jobs.delete(jobId);
    assert.deepEqual(await test.append(executionId, 1), {
      isUnknown: true,
      stored: 0,
      duplicate: 0,
      conflicts: [],
    });
  },

  "a live reader misses nothing when the latest events of others are deleted": async (test) => {
    const reading = await test.running();
    await test.append(reading.executionId, 1);
    const { cursor } = await test.store.events.arrivals(reading.executionId, everything, 0n);
    const { executionId, job: { jobId } } = await test.running();
    await test.append(executionId, 1, 2, 3);
    const after = (await test.store.events.arrivals(reading.executionId, everything, cursor)).cursor;
    await test.jobs.complete(jobId, 1, success, test.nowMs);
    await test.jobs.delete(jobId);
    await test.append(reading.executionId, 2, 3);
    const page = await test.store.events.arrivals(reading.executionId, everything, after);
    assert.deepEqual(sequencesOf(page.payloads), [2, 3]);
  },

  "others have their turn while a large job is being deleted": async (test) => {
    const { executionId, job: { jobId } } = await test.running();
    await test.append(executionId, ...Array.from({ length: 3_000 }, (_, index) => eventOf(index + 1)));
    await test.jobs.complete(jobId, 1, success, test.nowMs);
    const other = await test.running();
    let isDeleted = false;
    const deleting = test.jobs.delete(jobId).then(() => isDeleted = true);
    while (await test.jobs.job(jobId) !== undefined) { /* It is about to go. */ }
    await test.append(other.executionId, 1);
    assert.equal(isDeleted, false);
    await deleting;
    assert.deepEqual(await test.history(other.executionId), [1]);
  },

  "an id that was deleted may be used again": async (test) => {
    const { job: { jobId } } = await test.running();
    await test.jobs.complete(jobId, 1, success, test.nowMs);
    await test.jobs.delete(jobId);
    await test.enqueue("default", { jobId });
    assert.equal((await test.claim()).execution, 1);
  },
};
