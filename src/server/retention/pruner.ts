/**
 * Deletes jobs beyond the limits of age and size while the server runs, and gives the room back to the file
 * system: whole jobs, in small pieces with pauses in between, so that whoever stores events hardly notices.
 */
import type { Clock } from "../../platform/clock.ts";
import { messageOf } from "../../platform/error_text.ts";
import type { Logger } from "../../platform/logging/logger.ts";
import type { Store } from "../store/contract.ts";
import { isUnlimited, nextToGo, type PruneReason, type RetentionPolicy } from "./policy.ts";

/** How often somebody looks whether a job is old enough, or the database too large. */
const EVERY_MS = 60_000;
/** Between two jobs, and between two pieces that are given back: what a sync takes on a slow disk. */
const PAUSE_MS = 10;
/** What one transaction gives back: some milliseconds of work. */
const RECLAIM_BYTES = 1024 * 1024;
/**
 * What may stay free of the file: what is written next needs room, and a page is moved for each one given
 * back.
 */
const FREE_SHARE_KEPT = 1 / 16;
const FREE_BYTES_KEPT = 4 * 1024 * 1024;
/** A line for each hundredth job would fill the log after a year without limits. */
const REPORT_EVERY_MS = 60_000;

export interface PrunerOptions {
  store: Pick<Store, "jobs" | "upkeep">;
  policy: RetentionPolicy;
  clock: Clock;
  logger: Logger;
  /** Readers that wait for more of the job find out that it is gone. */
  wake(jobId: string): void;
  onPruned?(reason: PruneReason, bytes: number): void;
}

export interface Pruned {
  jobs: number;
  bytes: number;
}

export class Pruner {
  readonly #options: PrunerOptions;
  readonly #stopping = new AbortController();
  #isOverLimitSaid = false;
  #running: Promise<void> | undefined;

  constructor(options: PrunerOptions) {
    this.#options = options;
  }

  /** Looks every minute from now on. An error is logged, and tried again after a minute. */
  start(): void {
    this.#running = this.#run();
  }

  async #run(): Promise<void> {
    const { clock, logger } = this.#options;
    while (!this.#stopping.signal.aborted) {
      try {
        await this.prune();
        await this.reclaim();
      } catch (error) {
        logger.error("Cannot delete old jobs; trying again in a minute", { error: messageOf(error) });
      }
      await clock.sleep(EVERY_MS, this.#stopping.signal);
    }
  }

  /** Resolves when nothing is under way any more; a job that is just being deleted is deleted first. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  /** Deletes what is beyond the limits now. */
  async prune(): Promise<Pruned> {
    const { store, policy, clock, logger, wake, onPruned } = this.#options;
    const total: Pruned = { jobs: 0, bytes: 0 };
    if (isUnlimited(policy)) return total;
    let reportAtMs = clock.elapsedMs() + REPORT_EVERY_MS;
    while (!this.#stopping.signal.aborted) {
      const { usedBytes } = await store.upkeep.space();
      const going = nextToGo(await store.upkeep.oldestEnded(), usedBytes, policy, clock.nowMs());
      if (going === undefined) {
        this.#sayWhetherOver(usedBytes);
        break;
      }
      const executions = await store.jobs.executions(going.jobId);
      const bytes = executions.reduce((sum, { eventBytes }) => sum + eventBytes, 0);
      if (await store.jobs.delete(going.jobId) === "done") {
        wake(going.jobId);
        total.jobs++;
        total.bytes += bytes;
        onPruned?.(going.reason, bytes);
        logger.debug("Job deleted", { job_id: going.jobId, queue: going.queue, reason: going.reason, bytes });
      }
      if (clock.elapsedMs() >= reportAtMs) {
        logger.info("Deleting old jobs", { ...total });
        reportAtMs = clock.elapsedMs() + REPORT_EVERY_MS;
      }
      await clock.sleep(PAUSE_MS, this.#stopping.signal);
    }
    if (total.jobs > 0) logger.info("Old jobs deleted", { ...total });
    return total;
  }

  /** Gives free pages back to the file system, but for those that will be needed soon. */
  async reclaim(): Promise<void> {
    const { store, clock, logger } = this.#options;
    let pieces = 0;
    while (!this.#stopping.signal.aborted) {
      const { usedBytes, freeBytes } = await store.upkeep.space();
      const keptBytes = Math.max(FREE_BYTES_KEPT, (usedBytes + freeBytes) * FREE_SHARE_KEPT);
      if (
        freeBytes <= keptBytes || !await store.upkeep.reclaim(Math.min(RECLAIM_BYTES, freeBytes - keptBytes))
      ) break;
      pieces++;
      await clock.sleep(PAUSE_MS, this.#stopping.signal);
    }
    if (pieces > 0) logger.info("Space given back to the file system", { bytes: pieces * RECLAIM_BYTES });
  }

  /** Once, until it is not so any more: whoever set the limit has to know that it does not hold. */
  #sayWhetherOver(usedBytes: number): void {
    const { policy: { bytesMax }, logger } = this.#options;
    const isOver = bytesMax !== undefined && usedBytes > bytesMax;
    if (isOver && !this.#isOverLimitSaid) {
      logger.warn("The database is larger than its limit, and no job is left that may be deleted", {
        bytes: usedBytes,
        limit: bytesMax,
      });
    }
    this.#isOverLimitSaid = isOver;
  }
}
