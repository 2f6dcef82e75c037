import assert from "node:assert/strict";
import fc from "fast-check";
import { JobState } from "../events/gen/job/v1/job_pb.ts";
import { TestStore } from "../../tests/support/server_store.ts";
import { silentLogger } from "../platform/logging/logger.ts";
import { slowed } from "../../tests/support/slow_store.ts";
import { type ClaimRequest, JobQueue } from "./job_queue.ts";
import type { Claim } from "./store/contract.ts";

const VISIBILITY_MS = 10_000;
const never = new AbortController().signal;

function wanted(queue = "default"): ClaimRequest {
  return { queue, visibilityMs: VISIBILITY_MS, worker: "" };
}

Deno.test("a waiting worker gets the job that comes, the longest waiting one first", async () => {
  await using test = new TestStore();
  const waiting = [1, 2, 3].map(() => test.queue.waitForClaim(wanted(), never));
  assert.equal(test.queue.waiting("default"), 3);
  const ids = [await test.enqueue(), await test.enqueue(), await test.enqueue()];
  const claims = await Promise.all(waiting);
  assert.deepEqual(claims.map((claim) => claim!.job.jobId), ids);
});

Deno.test("a job does not wake workers before another queue", async () => {
  await using test = new TestStore();
  const leaving = new AbortController();
  const waiting = test.queue.waitForClaim(wanted("other"), leaving.signal);
  await test.enqueue("default");
  assert.equal(test.queue.waiting("other"), 1);
  leaving.abort();
  assert.equal(test.queue.waiting("other"), 0);
  assert.equal(await waiting, undefined);
});

Deno.test("a worker that went away swallows no job, not even in the moment of the hand-over", async () => {
  await using test = new TestStore();
  const leaving = [new AbortController(), new AbortController()];
  const [before, during] = leaving.map(({ signal }) => test.queue.waitForClaim(wanted(), signal));
  const staying = test.queue.waitForClaim(wanted(), never);
  leaving[0].abort();
  const dequeue = test.jobs.dequeue;
  test.jobs.dequeue = async (...values) => {
    const claim = await dequeue(...values);
    // The job is the second worker's by now, which has not heard of it yet.
    leaving[1].abort();
    return claim;
  };
  const jobId = await test.enqueue();
  assert.equal(await before, undefined);
  assert.equal(await during, undefined);
  const claim = await staying;
  assert.deepEqual([claim!.job.jobId, claim!.execution], [jobId, 2]);
});

Deno.test("an expired job goes to whoever waits", async () => {
  await using test = new TestStore();
  await test.enqueue();
  await test.claim();
  const waiting = test.queue.waitForClaim(wanted(), never);
  test.clock.advance(VISIBILITY_MS);
  await test.queue.requeueExpired();
  assert.equal((await waiting)!.execution, 2);
});

Deno.test("jobs that expire together go to as many as wait", async () => {
  await using test = new TestStore();
  const ids = [await test.enqueue(), await test.enqueue()];
  await test.claim();
  await test.claim();
  const waiting = [1, 2].map(() => test.queue.waitForClaim(wanted(), never));
  test.clock.advance(VISIBILITY_MS);
  await test.queue.requeueExpired();
  const claims = await Promise.all(waiting);
  assert.deepEqual(claims.map((claim) => claim!.job.jobId), ids);
});

Deno.test("a worker whose claim failed gets the error, and the job stays in its queue", async () => {
  await using test = new TestStore();
  const waiting = test.queue.waitForClaim(wanted(), never);
  const dequeue = test.jobs.dequeue;
  test.jobs.dequeue = () => Promise.reject(new Error("The disk is full"));
  const jobId = await test.enqueue();
  await assert.rejects(waiting, /The disk is full/);
  test.jobs.dequeue = dequeue;
  assert.equal((await test.claim()).job.jobId, jobId);
});

Deno.test("who will not wait gets nothing from an empty queue, and overtakes nobody", async () => {
  await using test = new TestStore();
  const patient = test.queue.waitForClaim(wanted(), never);
  assert.equal(await test.queue.claim(wanted()), undefined);
  const claims = [patient, test.queue.claim(wanted())];
  const ids = [await test.enqueue(), await test.enqueue()];
  assert.equal((await claims[0])!.job.jobId, ids[0]);
  assert.equal(await claims[1], undefined);
  assert.equal((await test.queue.claim(wanted()))!.job.jobId, ids[1]);
});

Deno.test("a job that comes while the store is asked in vain does not wait for the next one", async () => {
  await using test = new TestStore();
  const asked = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<void>();
  const { dequeue } = test.jobs;
  test.jobs.dequeue = async (...values) => {
    const claim = await dequeue(...values);
    asked.resolve();
    await answer.promise;
    return claim;
  };
  const waiting = test.queue.waitForClaim(wanted(), never);
  await asked.promise;
  const jobId = await test.enqueue();
  answer.resolve();
  assert.equal((await waiting)!.job.jobId, jobId);
});

Deno.test("workers that come and go before a slow store: each job goes to one of them, and none is lost", async () => {
  // How many jobs come, and who waits for one: until it gets one, or goes away after some steps.
  const anyRun = fc.record({
    jobs: fc.integer({ min: 1, max: 6 }),
    workers: fc.array(fc.option(fc.nat({ max: 12 }), { nil: undefined }), { minLength: 1, maxLength: 8 }),
  });
  await fc.assert(
    fc.asyncProperty(fc.scheduler(), anyRun, async (scheduler, { jobs, workers }) => {
      await using test = new TestStore();
      const pause = () => scheduler.schedule(Promise.resolve());
      const queue = new JobQueue({
        store: slowed(test.jobs, pause),
        signals: test.signals,
        clock: test.clock,
        logger: silentLogger,
      });
      const ends = new AbortController();
      const arrived: number[] = [];
      const work = async (leavesAfter: number | undefined, index: number) => {
        const leaving = new AbortController();
        const signal = AbortSignal.any([leaving.signal, ends.signal]);
        const claimed = queue.waitForClaim(wanted(), signal);
        for (let step = 0; step < (leavesAfter ?? 0); step++) await pause();
        if (leavesAfter !== undefined) leaving.abort();
        const claim = await claimed;
        if (claim && leavesAfter === undefined) arrived.push(index);
        return claim;
      };
      const working = workers.map(work);
      const enqueueing = Array.from({ length: jobs }, () => test.enqueueOn(queue));
      await scheduler.waitFor(Promise.all(enqueueing));
      await scheduler.waitIdle();
      const staying = workers.filter((leavesAfter) => leavesAfter === undefined).length;
      // Nobody waits while there is a job.
      const counts = await test.jobs.countJobs();
      assert.ok(
        counts.get("scheduled") === 0 || queue.waiting("default") === 0,
        "a job waits for a worker that waits",
      );
      assert.deepEqual(arrived, arrived.toSorted((a, b) => a - b), "somebody was overtaken");
      ends.abort();
      const claims = (await scheduler.waitFor(Promise.all(working))).filter((claim) => claim !== undefined);
      assert.equal(
        new Set(claims.map(({ job }) => job.jobId)).size,
        claims.length,
        "a job was handed out twice",
      );
      assert.ok(claims.length >= Math.min(jobs, staying), "a worker that stayed has no job");
      await scheduler.waitIdle();
      assert.equal((await test.jobs.countJobs()).get("running"), claims.length, "a job was swallowed");
    }),
    { numRuns: 150 },
  );
});

/** The queue as it is meant to be, in the simplest possible terms. */
interface ModelJob {
  jobId: string;
  state: "scheduled" | "running" | "ended";
  execution: number;
  expiresAtMs: number;
  /** Sequences by execution. */
  events: Map<number, Set<number>>;
}

type Step =
  | { kind: "enqueue" | "dequeue" }
  | { kind: "pass"; durationMs: number }
  | { kind: "complete" | "extend" | "release"; claim: number }
  | { kind: "publish"; claim: number; sequence: number };

const anyClaim = fc.nat({ max: 5 });
const anyStep: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constantFrom("enqueue" as const, "dequeue" as const) }),
  fc.record({ kind: fc.constantFrom("enqueue" as const, "dequeue" as const) }),
  fc.record({
    kind: fc.constant("pass" as const),
    durationMs: fc.constantFrom(1, VISIBILITY_MS / 2, VISIBILITY_MS),
  }),
  fc.record({
    kind: fc.constantFrom("complete" as const, "extend" as const, "release" as const),
    claim: anyClaim,
  }),
  fc.record({
    kind: fc.constant("publish" as const),
    claim: anyClaim,
    sequence: fc.integer({ min: 1, max: 5 }),
  }),
);

class Model {
  readonly jobs: ModelJob[] = [];
  nowMs: number;

  constructor(nowMs: number) {
    this.nowMs = nowMs;
  }

  job(jobId: string): ModelJob {
    return this.jobs.find((job) => job.jobId === jobId)!;
  }

  expire(): void {
    for (const job of this.jobs) {
      if (job.state === "running" && job.expiresAtMs <= this.nowMs) job.state = "scheduled";
    }
  }

  dequeue(): ModelJob | undefined {
    const job = this.jobs.find(({ state }) => state === "scheduled");
    if (!job) return undefined;
    job.state = "running";
    job.execution++;
    job.expiresAtMs = this.nowMs + VISIBILITY_MS;
    job.events.set(job.execution, new Set());
    return job;
  }
}

Deno.test("the queue does what the model says, whatever happens in whatever order", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(anyStep, { maxLength: 80, size: "max" }), async (steps) => {
      await using test = new TestStore();
      const model = new Model(test.clock.nowMs());
      const claims: Claim[] = [];
      for (const step of steps) {
        await apply(step, test, model, claims);
        await assertSame(test, model);
      }
    }),
    { numRuns: 60 },
  );
});

async function apply(step: Step, test: TestStore, model: Model, claims: Claim[]): Promise<void> {
  if (step.kind === "enqueue") {
    const events = new Map();
    model.jobs.push({
      jobId: await test.enqueue(),
      state: "scheduled",
      execution: 0,
      expiresAtMs: 0,
      events,
    });
  } else if (step.kind === "dequeue") {
    model.expire();
    const expected = model.dequeue();
    const claim = await test.queue.claim(wanted());
    assert.deepEqual([claim?.job.jobId, claim?.execution], [expected?.jobId, expected?.execution]);
    if (claim) claims.push(claim);
  } else if (step.kind === "pass") {
    test.clock.advance(step.durationMs);
    model.nowMs += step.durationMs;
    await test.queue.requeueExpired();
    model.expire();
  } else if ("claim" in step && claims.length > 0) {
    // Counted from the latest one back, so that current and old executions both come up often.
    await applyToClaim(step, claims.at(-1 - step.claim % claims.length)!, test, model);
  }
}

async function applyToClaim(
  step: Extract<Step, { claim: number }>,
  claim: Claim,
  test: TestStore,
  model: Model,
): Promise<void> {
  const { job: { jobId }, execution } = claim;
  const job = model.job(jobId);
  const isLatest = job.execution === execution;
  const isRunning = isLatest && job.state === "running";
  if (step.kind === "publish") {
    const known = job.events.get(execution)!;
    const outcome = await test.publish(claim, step.sequence);
    assert.equal(outcome!.stored, known.has(step.sequence) ? 0 : 1);
    known.add(step.sequence);
  } else if (step.kind === "extend") {
    const outcome = await test.jobs.extend(jobId, execution, VISIBILITY_MS, model.nowMs);
    assert.equal(outcome, isRunning ? "done" : isLatest ? "ended" : "superseded");
    if (isRunning) job.expiresAtMs = model.nowMs + VISIBILITY_MS;
  } else if (step.kind === "complete") {
    const outcome = await test.jobs.complete(
      jobId,
      execution,
      { success: true, bytes: new Uint8Array() },
      model.nowMs,
    );
    assert.equal(outcome, !isLatest ? "superseded" : job.state === "ended" ? "repeated" : "done");
    if (isLatest) job.state = "ended";
  } else {
    const isUntouched = isRunning && job.expiresAtMs === claim.expiresAtMs &&
      job.events.get(execution)!.size === 0;
    assert.equal(await test.jobs.release(claim, model.nowMs), isUntouched);
    if (isUntouched) job.state = "scheduled";
  }
}

async function assertSame(test: TestStore, model: Model): Promise<void> {
  const states = { scheduled: JobState.SCHEDULED, running: JobState.RUNNING, ended: JobState.COMPLETED };
  for (const job of model.jobs) {
    assert.equal((await test.jobs.job(job.jobId))!.state, states[job.state]);
    assert.equal(await test.jobs.latestExecution(job.jobId), job.execution);
  }
  const expiries = model.jobs.filter(({ state }) => state === "running").map((job) => job.expiresAtMs);
  assert.equal(await test.jobs.nextExpiryMs(), expiries.length ? Math.min(...expiries) : undefined);
}
