/**
 * What a store promises whatever happens in whatever order: random lives of jobs, by several callers, against
 * a model; and callers that do not wait for each other.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { JobState } from "../../../src/events/gen/job/v1/job_pb.ts";
import type { Claim, Store } from "../../../src/server/store/contract.ts";
import { adoption, eventOf, failure, Fixture, type OpenStores, success, VISIBILITY_MS } from "./fixture.ts";
import { ModelStore } from "./model.ts";

const KINDS = [
  "enqueue",
  "enqueue",
  "dequeue",
  "dequeue",
  "dequeue",
  "extend",
  "succeed",
  "fail",
  "release",
  "publish",
  "publish",
  "cancel",
  "delete",
  "adopt",
  "pass",
] as const;

interface Step {
  kind: (typeof KINDS)[number];
  /** Whether the other server is asked. */
  isOther: boolean;
  /** Which of the claims, or of the jobs, counted from the latest one back. */
  which: number;
  /** A sequence, the number of an execution, or how long to wait. */
  size: number;
}

const anyStep: fc.Arbitrary<Step> = fc.record({
  kind: fc.constantFrom(...KINDS),
  isOther: fc.boolean(),
  which: fc.nat({ max: 5 }),
  size: fc.integer({ min: 1, max: 3 }),
});

type Subject = Pick<Claim, "execution" | "expiresAtMs" | "executionId"> & {
  jobId: string;
  claim: Claim | undefined;
};

/** Does one step to the store and to its model, and compares what they answer. */
class Comparison {
  readonly model: ModelStore;
  readonly subjects: Subject[] = [];
  readonly jobIds: string[] = [];

  constructor(readonly test: Fixture) {
    this.model = new ModelStore(test.nowMs);
  }

  async apply({ kind, isOther, which, size }: Step): Promise<void> {
    const { test, model } = this;
    const store = isOther ? test.other : test.store;
    const subject = this.subjects.at(-1 - which);
    const jobId = this.jobIds.at(-1 - which);
    if (kind === "enqueue") {
      const id = await test.enqueue();
      model.enqueue(id);
      this.jobIds.push(id);
    } else if (kind === "dequeue") {
      await this.#dequeue(store);
    } else if (kind === "adopt") {
      await this.#adopt(store, jobId ?? "elsewhere", size, `log-${which % 2}`);
    } else if (kind === "pass") {
      test.nowMs += size * VISIBILITY_MS / 2;
      model.nowMs = test.nowMs;
      const expired = await store.jobs.requeueExpired(test.nowMs);
      const told = expired.map(({ jobId, execution }) => `${jobId} ${execution}`);
      assert.deepEqual(told.toSorted(), model.expire().toSorted());
    } else if (kind === "cancel" && jobId !== undefined) {
      assert.equal(await store.jobs.cancel(jobId, "", test.nowMs), model.cancel(jobId));
    } else if (kind === "delete" && jobId !== undefined) {
      assert.equal(await store.jobs.delete(jobId), model.delete(jobId));
    } else if (subject !== undefined) {
      await this.#applyToSubject(kind, store, subject, size);
    }
  }

  async #dequeue(store: Store): Promise<void> {
    const claim = await store.jobs.dequeue("default", VISIBILITY_MS, "", this.test.nowMs);
    const expected = this.model.dequeue();
    assert.deepEqual(claim && { jobId: claim.job.jobId, execution: claim.execution }, expected);
    if (claim) this.subjects.push({ ...claim, jobId: claim.job.jobId, claim });
  }

  async #adopt(store: Store, jobId: string, execution: number, logId: string): Promise<void> {
    const { outcome } = await store.jobs.adopt(
      adoption({ jobId, execution, logId }),
      VISIBILITY_MS,
      this.test.nowMs,
    );
    assert.equal(outcome, this.model.adopt(jobId, execution, logId));
    if (outcome !== "new") return;
    if (!this.jobIds.includes(jobId)) this.jobIds.push(jobId);
    const executionId = (await store.jobs.executionId(jobId, execution))!;
    this.subjects.push({ jobId, execution, executionId, expiresAtMs: 0, claim: undefined });
  }

  async #applyToSubject(
    kind: Step["kind"],
    { jobs, events }: Store,
    subject: Subject,
    size: number,
  ): Promise<void> {
    const { model, test: { nowMs } } = this;
    const { jobId, execution, executionId, claim } = subject;
    if (kind === "extend") {
      assert.equal(await jobs.extend(jobId, execution, VISIBILITY_MS, nowMs), model.extend(jobId, execution));
    } else if (kind === "succeed" || kind === "fail") {
      const isSuccess = kind === "succeed";
      const outcome = await jobs.complete(jobId, execution, isSuccess ? success : failure, nowMs);
      assert.equal(outcome, model.complete(jobId, execution, isSuccess));
    } else if (kind === "release" && claim !== undefined) {
      // Of a job that was deleted, an id may have come again; the row that was claimed has not.
      const isSame = await jobs.executionId(jobId, execution) === executionId;
      const expected = isSame && model.release(jobId, execution, claim.expiresAtMs);
      assert.equal(await jobs.release(claim, nowMs), expected);
    } else if (kind === "publish") {
      const isSame = await jobs.executionId(jobId, execution) === executionId;
      const [outcome] = await events.append([{ executionId, events: [eventOf(size)] }], nowMs);
      const expected = isSame ? model.append(jobId, execution, size) : undefined;
      assert.deepEqual(outcome!.isUnknown ? undefined : outcome!.stored, expected);
    }
  }

  async assertSame(): Promise<void> {
    const { model, test: { jobs } } = this;
    for (const expected of model.jobs) {
      const job = (await jobs.job(expected.jobId))!;
      assert.deepEqual(
        [JobState[job.state], job.isAdopted, job.cancelRequestedAtMs !== undefined],
        [JobState[expected.state], expected.isAdopted, expected.isCancelled],
        expected.jobId,
      );
      const executions = await jobs.executions(expected.jobId);
      assert.deepEqual(
        executions.map((one) => [one.execution, one.expiresAtMs, one.outcome, one.logId, one.eventCount]),
        expected.executions.map((
          one,
        ) => [one.number, one.expiresAtMs, one.outcome, one.logId, one.sequences.size]),
        expected.jobId,
      );
    }
    const count = (...states: JobState[]) => model.jobs.filter(({ state }) => states.includes(state)).length;
    const [queue] = await jobs.queues();
    assert.deepEqual(
      [queue?.scheduled ?? 0, queue?.running ?? 0, queue?.ended ?? 0, queue?.eventBytes ?? 0],
      [
        count(JobState.SCHEDULED),
        count(JobState.RUNNING),
        count(JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED),
        model.jobs.flatMap(({ executions }) => executions).reduce(
          (sum, { sequences }) => sum + sequences.size,
          0,
        ),
      ],
    );
    const expiries = model.jobs.flatMap(({ executions }) => executions)
      .flatMap(({ expiresAtMs }) => expiresAtMs ?? []);
    assert.equal(await jobs.nextExpiryMs(), expiries.length ? Math.min(...expiries) : undefined);
  }
}

/** What becomes of a claim, by a caller of its own. */
type Life = "succeed" | "fail" | "release" | "vanish" | "cancel" | "publish";

export const INTERLEAVING_PROMISES: Record<string, (open: OpenStores) => Promise<void>> = {
  "jobs live as the model says, whatever happens in whatever order": async (open) => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyStep, { maxLength: 80, size: "max" }), async (steps) => {
        await using test = new Fixture(await open());
        const comparison = new Comparison(test);
        for (const step of steps) {
          await comparison.apply(step);
          await comparison.assertSame();
        }
      }),
      { numRuns: 80 },
    );
  },

  "callers that do not wait for each other get each job once, and lose none": async (open) => {
    const anyLife = fc.constantFrom<Life>("succeed", "fail", "release", "vanish", "cancel", "publish");
    const anyRun = fc.record({
      jobs: fc.integer({ min: 1, max: 8 }),
      callers: fc.array(fc.array(anyLife, { minLength: 1, maxLength: 6 }), { minLength: 2, maxLength: 4 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), anyRun, async (scheduler, { jobs, callers }) => {
        await using test = new Fixture(await open());
        const claims: Claim[] = [];
        const call = async (store: Store, lives: readonly Life[]) => {
          for (const life of lives) {
            await scheduler.schedule(Promise.resolve());
            const claim = await store.jobs.dequeue("default", VISIBILITY_MS, "", test.nowMs);
            if (!claim) continue;
            claims.push(claim);
            await scheduler.schedule(Promise.resolve());
            await live(store, claim, life, test.nowMs);
          }
        };
        const enqueueing = Array.from({ length: jobs }, async () => {
          await scheduler.schedule(Promise.resolve());
          await test.enqueue();
        });
        const calling = callers.map((lives, index) => call(index % 2 ? test.other : test.store, lives));
        await scheduler.waitFor(Promise.all([...enqueueing, ...calling]));
        await assertEachOnce(test, claims, jobs);
      }),
      { numRuns: 60 },
    );
  },
};

async function live(store: Store, claim: Claim, life: Life, nowMs: number): Promise<void> {
  const { job: { jobId }, execution, executionId } = claim;
  if (life === "release") await store.jobs.release(claim, nowMs);
  if (life === "cancel") await store.jobs.cancel(jobId, "", nowMs);
  if (life === "publish") await store.events.append([{ executionId, events: [eventOf(1)] }], nowMs);
  if (life === "succeed" || life === "fail") {
    const result = life === "succeed" ? success : failure;
    assert.equal(await store.jobs.complete(jobId, execution, result, nowMs), "done");
  }
}

async function assertEachOnce(test: Fixture, claims: readonly Claim[], jobs: number): Promise<void> {
  const handedOut = claims.map(({ job, execution }) => `${job.jobId} ${execution}`);
  assert.equal(new Set(handedOut).size, handedOut.length, `handed out: ${handedOut}`);
  const listed = (await test.search({ pageSize: 100 })).jobs;
  assert.equal(listed.length, jobs);
  for (const { job, latest } of listed) {
    const own = claims.filter((claim) => claim.job.jobId === job.jobId);
    assert.equal(latest?.execution ?? 0, own.length, job.jobId);
    // Nobody is lost: what does not run and has not ended is in its queue.
    if (job.state === JobState.RUNNING) assert.notEqual(latest?.expiresAtMs, undefined, job.jobId);
    else assert.equal(latest?.expiresAtMs, undefined, job.jobId);
  }
  const [queue] = await test.jobs.queues();
  const waiting = listed.filter(({ job }) => job.state === JobState.SCHEDULED).length;
  assert.equal(queue?.scheduled ?? 0, waiting);
  let left = 0;
  while (await test.jobs.dequeue("default", VISIBILITY_MS, "", test.nowMs)) left++;
  assert.equal(left, waiting);
}
