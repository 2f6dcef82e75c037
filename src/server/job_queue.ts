/**
 * The queues as workers see them: a job that comes goes to the worker that has waited longest, a job whose
 * execution expired comes back.
 *
 * Invariant: while somebody waits before a queue, the queue is empty. Everything that adds a job to a queue
 * serves the line before it yields, so a newcomer that finds a job overtakes nobody.
 */
import type { Clock } from "../platform/clock.ts";
import type { Logger } from "../platform/logging/logger.ts";
import type { Claim, NewJob, StoredJob } from "./store/contract.ts";
import type { Store } from "./store/sqlite/store.ts";
import { WaitingLines, type WakeUps } from "./subscriptions.ts";

interface Visibility {
  visibilityMs: number;
}

export class JobQueue {
  readonly #store: Store;
  readonly #wakeUps: WakeUps;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #lines = new WaitingLines<Visibility, Claim>();
  /** Called when an execution may expire at the given time. */
  onExpiry: (expiresAtMs: number) => void = () => {};

  constructor(options: { store: Store; wakeUps: WakeUps; clock: Clock; logger: Logger }) {
    this.#store = options.store;
    this.#wakeUps = options.wakeUps;
    this.#clock = options.clock;
    this.#logger = options.logger;
  }

  enqueue(job: NewJob): StoredJob {
    const { job: stored, isNew } = this.#store.enqueue(job, this.#clock.nowMs());
    if (isNew) {
      this.#logger.info("Job enqueued", { job_id: stored.jobId, queue: stored.queue });
      this.#offer(stored.queue);
    }
    return stored;
  }

  /** The queue's first job, if one waits. */
  claim(queue: string, visibilityMs: number): Claim | undefined {
    this.requeueExpired();
    return this.#take(queue, visibilityMs);
  }

  /** The queue's first job, now or as soon as there is one; undefined when the signal aborted first. */
  async waitForClaim(queue: string, visibilityMs: number, signal: AbortSignal): Promise<Claim | undefined> {
    const claim = this.claim(queue, visibilityMs) ??
      await this.#lines.wait(queue, { visibilityMs }, signal);
    // The signal may abort after the job was handed over and before this line ran.
    if (claim && signal.aborted) {
      this.release(claim);
      return undefined;
    }
    return claim;
  }

  /** Takes a job back that did not reach the worker it was claimed for. */
  release(claim: Claim): void {
    if (!this.#store.release(claim, this.#clock.nowMs())) return;
    this.#logger.info("Job requeued: its worker went away before it had it", logged(claim));
    this.#offer(claim.job.queue);
  }

  /**
   * As `release`, for a caller that nobody listens to any more: never throws, since expiry brings the jobs
   * back too.
   */
  releaseUnsent(claims: readonly Claim[]): void {
    for (const claim of claims) {
      try {
        this.release(claim);
      } catch (error) {
        const fields = { ...logged(claim), error: (error as Error).message };
        this.#logger.error(
          "Cannot requeue a job that did not reach its worker; it returns when it expires",
          fields,
        );
      }
    }
  }

  requeueExpired(): void {
    const requeued = this.#store.requeueExpired(this.#clock.nowMs());
    for (const { jobId, queue, execution } of requeued) {
      this.#logger.warn("Job requeued: its worker did not report in time", {
        job_id: jobId,
        execution,
        queue,
      });
    }
    for (const queue of new Set(requeued.map((job) => job.queue))) this.#offer(queue);
  }

  nextExpiryMs(): number | undefined {
    return this.#store.nextExpiryMs();
  }

  /** How many workers wait before the queue. */
  waiting(queue: string): number {
    return this.#lines.length(queue);
  }

  #offer(queue: string): void {
    this.#lines.serve(queue, ({ visibilityMs }) => this.#take(queue, visibilityMs));
  }

  #take(queue: string, visibilityMs: number): Claim | undefined {
    const claim = this.#store.dequeue(queue, visibilityMs, this.#clock.nowMs());
    if (!claim) return undefined;
    this.#logger.info("Job handed out", logged(claim));
    this.onExpiry(claim.expiresAtMs);
    // Readers of the job's events go on to the new execution.
    this.#wakeUps.wake(claim.job.jobId);
    return claim;
  }
}

function logged({ job, execution }: Claim) {
  return { job_id: job.jobId, execution, queue: job.queue };
}
