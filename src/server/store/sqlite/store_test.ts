import assert from "node:assert/strict";
import { JobState } from "../../../events/gen/job/v1/job_pb.ts";
import { Database } from "./database.ts";
import { Store } from "./store.ts";
import { TestStore } from "../../../../tests/support/server_store.ts";

const success = { success: true, bytes: new Uint8Array([7]) };
const failure = { success: false, bytes: new Uint8Array([8]) };

Deno.test("a request id seen before returns the first job, in whatever queue", () => {
  using test = new TestStore();
  const first = test.enqueue("default", "build-1");
  assert.equal(test.enqueue("other", "build-1"), first);
  assert.notEqual(test.enqueue("default", "build-2"), first);
  assert.notEqual(test.enqueue(), test.enqueue());
  assert.equal(test.queue.claim("other", 1_000), undefined);
});

Deno.test("a queue is first in, first out, and knows nothing of other queues", () => {
  using test = new TestStore();
  const ids = ["a", "b", "a", "a"].map((queue) => test.enqueue(queue));
  assert.deepEqual([test.claim("a"), test.claim("a"), test.claim("a")].map(({ job }) => job.jobId), [
    ids[0],
    ids[2],
    ids[3],
  ]);
  assert.equal(test.queue.claim("a", 1_000), undefined);
  assert.equal(test.claim("b").job.jobId, ids[1]);
});

Deno.test("an execution that was not extended in time goes back to its place in the queue", () => {
  using test = new TestStore();
  const first = test.enqueue();
  const second = test.enqueue();
  test.claim();
  test.clock.advance(9_999);
  assert.deepEqual(test.store.requeueExpired(test.clock.nowMs()), []);
  test.clock.advance(1);
  assert.deepEqual(test.store.requeueExpired(test.clock.nowMs()), [{
    jobId: first,
    queue: "default",
    execution: 1,
  }]);
  assert.equal(test.store.job(first)!.state, JobState.SCHEDULED);
  const again = test.claim();
  assert.deepEqual([again.job.jobId, again.execution], [first, 2]);
  assert.equal(test.claim().job.jobId, second);
});

Deno.test("only the current, running execution is extended", () => {
  using test = new TestStore();
  const { job: { jobId } } = (test.enqueue(), test.claim());
  const extend = (execution: number) => test.store.extend(jobId, execution, 60_000, test.clock.nowMs());
  assert.equal(extend(1), "done");
  assert.equal(test.store.nextExpiryMs(), test.clock.nowMs() + 60_000);
  assert.equal(extend(2), "unknown");
  test.clock.advance(60_000);
  test.queue.requeueExpired();
  assert.equal(extend(1), "ended");
  test.claim();
  assert.equal(extend(1), "superseded");
  assert.equal(extend(2), "done");
  test.store.complete(jobId, 2, success, 0);
  assert.equal(extend(2), "ended");
  assert.equal(test.store.extend("no such job", 1, 1, 1), "unknown");
});

Deno.test("completing again changes nothing, and an old execution cannot complete", () => {
  using test = new TestStore();
  const jobId = test.enqueue();
  test.claim();
  test.clock.advance(10_000);
  test.claim();
  assert.equal(test.store.complete(jobId, 1, success, 1), "superseded");
  assert.equal(test.store.complete(jobId, 2, failure, 1), "done");
  assert.equal(test.store.complete(jobId, 2, success, 2), "repeated");
  assert.equal(test.store.job(jobId)!.state, JobState.FAILED);
  assert.equal(test.store.nextExpiryMs(), undefined);
  assert.deepEqual(
    test.store.executions(jobId).map(({ execution, outcome, result }) => [execution, outcome, result?.[0]]),
    [[1, "requeued", undefined], [2, "completed", 8]],
  );
});

Deno.test("a requeued job whose execution completes before anybody took it again leaves its queue", () => {
  using test = new TestStore();
  const jobId = test.enqueue();
  test.claim();
  test.clock.advance(10_000);
  test.queue.requeueExpired();
  assert.equal(test.store.complete(jobId, 1, success, 1), "done");
  assert.equal(test.store.job(jobId)!.state, JobState.COMPLETED);
  assert.equal(test.queue.claim("default", 1_000), undefined);
});

Deno.test("a job is released only while nothing shows that its worker has it", () => {
  using test = new TestStore();
  const jobId = test.enqueue();
  const now = test.clock.nowMs();
  const released = test.claim();
  assert.equal(test.store.release(released, now), true);
  assert.equal(test.store.release(released, now), false);

  const extended = test.claim();
  test.store.extend(jobId, 2, 20_000, now);
  assert.equal(test.store.release(extended, now), false);

  test.clock.advance(20_000);
  const published = test.claim();
  test.publish(published, 1);
  assert.equal(test.store.release(published, now), false);
  assert.equal(test.store.job(jobId)!.state, JobState.RUNNING);
});

Deno.test("jobs are listed newest first, page by page, by queue and state", () => {
  using test = new TestStore();
  const ids = Array.from({ length: 5 }, (_, index) => test.enqueue(index % 2 ? "odd" : "even"));
  test.claim("even");
  const list = (queue: string, state: JobState, page: number, pageSize = 2) => {
    const { jobs, lastPage } = test.store.list({ queue, state, page, pageSize });
    return [jobs.map((job) => ids.indexOf(job.jobId)), lastPage];
  };
  assert.deepEqual(list("", JobState.UNSPECIFIED, 1), [[4, 3], 3]);
  assert.deepEqual(list("", JobState.UNSPECIFIED, 3), [[0], 3]);
  assert.deepEqual(list("", JobState.UNSPECIFIED, 4), [[], 3]);
  assert.deepEqual(list("even", JobState.UNSPECIFIED, 1, 500), [[4, 2, 0], 1]);
  assert.deepEqual(list("even", JobState.RUNNING, 1), [[0], 1]);
  assert.deepEqual(list("none", JobState.UNSPECIFIED, 1), [[], 1]);
});

Deno.test("a running job gets grace after a restart, but no more than its own visibility timeout", () => {
  using test = new TestStore();
  for (let job = 0; job < 4; job++) test.enqueue();
  const now = test.clock.nowMs();
  test.store.dequeue("default", 1_000, now);
  test.store.dequeue("default", 50_000, now - 50_000);
  test.store.dequeue("default", 200_000, now - 200_000);
  test.store.dequeue("default", 500_000, now);
  test.store.grantGrace(90_000, now);
  const expiries = [1, 2, 3, 4].map(() => {
    const next = test.store.nextExpiryMs()!;
    test.store.requeueExpired(next);
    return next - now;
  });
  assert.deepEqual(expiries, [1_000, 50_000, 90_000, 500_000]);
});

Deno.test("a secret is made once and kept", () => {
  using test = new TestStore();
  const path = `${test.directory}/other.db`;
  for (const offered of [1, 2]) {
    const database = new Database(path);
    const secret = new Store(database).secret("a", () => new Uint8Array([offered]));
    database.close();
    assert.deepEqual(secret, new Uint8Array([1]));
  }
});
