/**
 * The queues as workers see them: a job that comes goes to the worker that has waited longest, a job whose
 * execution expired comes back.
 *
 * Whoever wants a job stands in the queue's line, also who will not wait, and each line is served by one turn
 * at a time, from its head. So nobody is overtaken, and between asking the store for a job and handing it
 * over nobody else is asked for. A turn ends only when the line is empty, or when the store had no job and
 * nobody said since it was asked that there may be one: so a job never lies in its queue while a worker
 * waits. That a job is handed out once is the store's promise, to other servers on its database as well.
 */
import type { Clock } from "../platform/clock.ts";
import type { Logger } from "../platform/logging/logger.ts";
import type { Claim, JobStore, NewJob, StoredJob } from "./store/contract.ts";
import { ANYBODY, type Caller, callerFields } from "./caller.ts";
import type { Signals } from "./signals.ts";
import { WaitingLine } from "./waiting_line.ts";

/** What a worker asks for. */
export interface ClaimRequest {
  queue: string;
  visibilityMs: number;
  /** Its name; empty for one that gives none. */
  worker: string;
  /** What it is registered as, if it is. */
  workerId?: string;
}

/** Where one queue is served. */
interface Counter {
  readonly queue: string;
  readonly line: WaitingLine<ClaimRequest, Claim>;
  /** Somebody serves the line. */
  isServing: boolean;
  /** There may be a job that the turn under way has not seen. */
  hasNews: boolean;
}

export class JobQueue {
  readonly #store: JobStore;
  readonly #signals: Signals;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #counters = new Map<string, Counter>();
  /** Called when an execution may expire at the given time. */
  onExpiry: (expiresAtMs: number) => void = () => {};

  constructor(options: { store: JobStore; signals: Signals; clock: Clock; logger: Logger }) {
    this.#store = options.store;
    this.#signals = options.signals;
    this.#clock = options.clock;
    this.#logger = options.logger;
    this.#signals.jobs.listen((queue) => this.#serve(queue));
  }

  /** `who`: whose call it is, for the log. */
  async enqueue(job: NewJob, who: Caller = ANYBODY): Promise<StoredJob> {
    const { job: stored, isNew } = await this.#store.enqueue(job, this.#clock.nowMs());
    if (isNew) {
      this.#logger.info("Job enqueued", {
        job_id: stored.jobId,
        queue: stored.queue,
        ...(job.retryOf === undefined ? {} : { retry_of: job.retryOf }),
        ...callerFields(who),
      });
      this.#signals.jobs.signal(stored.queue);
    }
    return stored;
  }

  /** The queue's first job, if one waits for which nobody came before. */
  claim(request: ClaimRequest): Promise<Claim | undefined> {
    return this.#join(request, false);
  }

  /** The queue's first job, now or as soon as there is one; undefined when the signal aborted first. */
  async waitForClaim(request: ClaimRequest, signal: AbortSignal): Promise<Claim | undefined> {
    const claim = await this.#join(request, true, signal);
    // The signal may abort after the job was handed over and before this line ran.
    if (!claim || !signal.aborted) return claim;
    await this.releaseUnsent([claim]);
    return undefined;
  }

  /** Takes a job back that did not reach the worker it was claimed for. */
  async release(claim: Claim): Promise<void> {
    if (!await this.#store.release(claim, this.#clock.nowMs())) return;
    this.#logger.info("Job requeued: its worker went away before it had it", logged(claim));
    this.#signals.jobs.signal(claim.job.queue);
  }

  /**
   * As `release`, for a caller that nobody listens to any more: never rejects, since expiry brings the jobs
   * back too.
   */
  async releaseUnsent(claims: readonly Claim[]): Promise<void> {
    for (const claim of claims) {
      try {
        await this.release(claim);
      } catch (error) {
        const fields = { ...logged(claim), error: (error as Error).message };
        this.#logger.error(
          "Cannot requeue a job that did not reach its worker; it returns when it expires",
          fields,
        );
      }
    }
  }

  async requeueExpired(): Promise<void> {
    const requeued = await this.#store.requeueExpired(this.#clock.nowMs());
    for (const { jobId, queue, execution, isCancelled, isAdopted } of requeued) {
      const fields = { job_id: jobId, execution, queue };
      if (isCancelled) {
        this.#logger.warn("Job cancelled: it was to be, and its worker did not report in time", fields);
      } else if (isAdopted) {
        this.#logger.warn(
          "Adopted job has no result yet: whoever delivers it did not report in time",
          fields,
        );
      } else {
        this.#logger.warn("Job requeued: its worker did not report in time", fields);
      }
    }
    for (const queue of new Set(requeued.map((job) => job.queue))) this.#signals.jobs.signal(queue);
  }

  nextExpiryMs(): Promise<number | undefined> {
    return this.#store.nextExpiryMs();
  }

  /** How many workers stand before the queue. */
  waiting(queue: string): number {
    return this.#counters.get(queue)?.line.length ?? 0;
  }

  /** The same for every queue before which somebody stands. */
  waitingByQueue(): Map<string, number> {
    const lengths = [...this.#counters.values()].map(({ queue, line }) => [queue, line.length] as const);
    return new Map(lengths.filter(([, length]) => length > 0));
  }

  #join(request: ClaimRequest, isPatient: boolean, signal?: AbortSignal): Promise<Claim | undefined> {
    const counter = this.#counters.get(request.queue) ?? openCounter(request.queue);
    this.#counters.set(request.queue, counter);
    const claim = counter.line.join(request, isPatient, signal);
    this.#serve(request.queue);
    return claim.finally(() => this.#close(counter));
  }

  /** Begins a turn, or tells the one under way that it has to look again. */
  #serve(queue: string): void {
    const counter = this.#counters.get(queue);
    if (!counter) return;
    counter.hasNews = true;
    // Never rejects: what fails is told to the worker that asked.
    if (!counter.isServing) void this.#takeTurn(counter);
  }

  async #takeTurn(counter: Counter): Promise<void> {
    counter.isServing = true;
    while (counter.hasNews && counter.line.length > 0) {
      counter.hasNews = false;
      // Who comes from now on has brought news, and is answered by the next round.
      const asking = counter.line.places;
      try {
        // What has expired is at the head of the queue.
        await this.requeueExpired();
      } catch (error) {
        for (const place of asking) place.fail(error);
        continue;
      }
      await this.#handOut(counter.line);
      for (const place of asking) if (!place.isPatient) place.settle(undefined);
    }
    // Nothing was awaited since there was no news, so none has come in between.
    counter.isServing = false;
    this.#close(counter);
  }

  /** Serves the line in order until it is empty or the store has no job. */
  async #handOut(line: WaitingLine<ClaimRequest, Claim>): Promise<void> {
    for (let place = line.first; place !== undefined; place = line.first) {
      const { queue, visibilityMs, worker } = place.request;
      let claim: Claim | undefined;
      try {
        claim = await this.#store.dequeue(queue, visibilityMs, worker, this.#clock.nowMs());
      } catch (error) {
        // It asked, and can ask again.
        place.fail(error);
        continue;
      }
      if (claim === undefined) return;
      this.#announce(claim, place.request);
      // Who went away while the store was asked swallows nothing: the job is the next one's.
      if (!place.settle(claim)) await this.releaseUnsent([claim]);
    }
  }

  #announce(claim: Claim, { worker, workerId = "" }: ClaimRequest): void {
    this.#logger.info("Job handed out", {
      ...logged(claim),
      ...(worker === "" ? {} : { worker }),
      ...(workerId === "" ? {} : { worker_id: workerId }),
    });
    this.onExpiry(claim.expiresAtMs);
    // Readers of the job's events go on to the new execution.
    this.#signals.events.signal(claim.job.jobId);
  }

  /** A line that nobody stands in costs nothing; who comes next opens it again. */
  #close(counter: Counter): void {
    if (counter.isServing || counter.line.length > 0) return;
    if (this.#counters.get(counter.queue) === counter) this.#counters.delete(counter.queue);
  }
}

function openCounter(queue: string): Counter {
  return { queue, line: new WaitingLine(), isServing: false, hasNews: false };
}

function logged({ job, execution }: Claim) {
  return { job_id: job.jobId, execution, queue: job.queue };
}
