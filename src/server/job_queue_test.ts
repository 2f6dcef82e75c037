import assert from "node:assert/strict";
import fc from "fast-check";
import { JobState } from "../events/gen/job/v1/job_pb.ts";
import { TestStore } from "../../tests/support/server_store.ts";
import type { Claim } from "./store/contract.ts";

const VISIBILITY_MS = 10_000;
const never = new AbortController().signal;

Deno.test("a waiting worker gets the job that comes, the longest waiting one first", async () => {
  using test = new TestStore();
  const waiting = [1, 2, 3].map(() => test.queue.waitForClaim("default", VISIBILITY_MS, never));
  assert.equal(test.queue.waiting("default"), 3);
  const ids = [1, 2, 3].map(() => test.enqueue());
  const claims = await Promise.all(waiting);
  assert.deepEqual(claims.map((claim) => claim!.job.jobId), ids);
});

Deno.test("a job does not wake workers before another queue", () => {
  using test = new TestStore();
  const leaving = new AbortController();
  void test.queue.waitForClaim("other", VISIBILITY_MS, leaving.signal);
  test.enqueue("default");
  assert.equal(test.queue.waiting("other"), 1);
  leaving.abort();
  assert.equal(test.queue.waiting("other"), 0);
});

Deno.test("a worker that went away swallows no job, not even in the moment of the hand-over", async () => {
  using test = new TestStore();
  const leaving = [new AbortController(), new AbortController()];
  const [before, during] = leaving.map(({ signal }) =>
    test.queue.waitForClaim("default", VISIBILITY_MS, signal)
  );
  const staying = test.queue.waitForClaim("default", VISIBILITY_MS, never);
  leaving[0].abort();
  const jobId = test.enqueue();
  // The job is handed to the second worker by now, whose code has not run yet.
  leaving[1].abort();
  assert.equal(await before, undefined);
  assert.equal(await during, undefined);
  const claim = await staying;
  assert.deepEqual([claim!.job.jobId, claim!.execution], [jobId, 2]);
});

Deno.test("an expired job goes to whoever waits", async () => {
  using test = new TestStore();
  test.enqueue();
  test.claim();
  const waiting = test.queue.waitForClaim("default", VISIBILITY_MS, never);
  test.clock.advance(VISIBILITY_MS);
  test.queue.requeueExpired();
  assert.equal((await waiting)!.execution, 2);
});

Deno.test("jobs that expire together go to as many as wait", async () => {
  using test = new TestStore();
  const ids = [test.enqueue(), test.enqueue()];
  test.claim();
  test.claim();
  const waiting = [1, 2].map(() => test.queue.waitForClaim("default", VISIBILITY_MS, never));
  test.clock.advance(VISIBILITY_MS);
  test.queue.requeueExpired();
  const claims = await Promise.all(waiting);
  assert.deepEqual(claims.map((claim) => claim!.job.jobId), ids);
});

Deno.test("a worker whose claim failed gets the error, and the job stays in its queue", async () => {
  using test = new TestStore();
  const waiting = test.queue.waitForClaim("default", VISIBILITY_MS, never);
  const dequeue = test.store.dequeue;
  test.store.dequeue = () => {
    throw new Error("The disk is full");
  };
  const jobId = test.enqueue();
  await assert.rejects(waiting, /The disk is full/);
  test.store.dequeue = dequeue;
  assert.equal(test.claim().job.jobId, jobId);
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

Deno.test("the queue does what the model says, whatever happens in whatever order", () => {
  fc.assert(
    fc.property(fc.array(anyStep, { maxLength: 80, size: "max" }), (steps) => {
      using test = new TestStore();
      const model = new Model(test.clock.nowMs());
      const claims: Claim[] = [];
      for (const step of steps) {
        apply(step, test, model, claims);
        assertSame(test, model);
      }
    }),
    { numRuns: 60 },
  );
});

function apply(step: Step, test: TestStore, model: Model, claims: Claim[]): void {
  if (step.kind === "enqueue") {
    const events = new Map();
    model.jobs.push({ jobId: test.enqueue(), state: "scheduled", execution: 0, expiresAtMs: 0, events });
  } else if (step.kind === "dequeue") {
    model.expire();
    const expected = model.dequeue();
    const claim = test.queue.claim("default", VISIBILITY_MS);
    assert.deepEqual([claim?.job.jobId, claim?.execution], [expected?.jobId, expected?.execution]);
    if (claim) claims.push(claim);
  } else if (step.kind === "pass") {
    test.clock.advance(step.durationMs);
    model.nowMs += step.durationMs;
    test.queue.requeueExpired();
    model.expire();
  } else if ("claim" in step && claims.length > 0) {
    // Counted from the latest one back, so that current and old executions both come up often.
    applyToClaim(step, claims.at(-1 - step.claim % claims.length)!, test, model);
  }
}

function applyToClaim(
  step: Extract<Step, { claim: number }>,
  claim: Claim,
  test: TestStore,
  model: Model,
): void {
  const { job: { jobId }, execution } = claim;
  const job = model.job(jobId);
  const isLatest = job.execution === execution;
  const isRunning = isLatest && job.state === "running";
  if (step.kind === "publish") {
    const known = job.events.get(execution)!;
    const outcome = test.publish(claim, step.sequence);
    assert.equal(outcome.stored, known.has(step.sequence) ? 0 : 1);
    known.add(step.sequence);
  } else if (step.kind === "extend") {
    const outcome = test.store.extend(jobId, execution, VISIBILITY_MS, model.nowMs);
    assert.equal(outcome, isRunning ? "done" : isLatest ? "ended" : "superseded");
    if (isRunning) job.expiresAtMs = model.nowMs + VISIBILITY_MS;
  } else if (step.kind === "complete") {
    const outcome = test.store.complete(
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
    assert.equal(test.store.release(claim, model.nowMs), isUntouched);
    if (isUntouched) job.state = "scheduled";
  }
}

function assertSame(test: TestStore, model: Model): void {
  const states = { scheduled: JobState.SCHEDULED, running: JobState.RUNNING, ended: JobState.COMPLETED };
  for (const job of model.jobs) {
    assert.equal(test.store.job(job.jobId)!.state, states[job.state]);
    assert.equal(test.store.latestExecution(job.jobId), job.execution);
  }
  const expiries = model.jobs.filter(({ state }) => state === "running").map((job) => job.expiresAtMs);
  assert.equal(test.store.nextExpiryMs(), expiries.length ? Math.min(...expiries) : undefined);
}
