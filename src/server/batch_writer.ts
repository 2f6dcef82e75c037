/**
 * Group commit: requests that arrive while others are being stored share one transaction, and so one sync of
 * the disk.
 */
import type { Clock, NextTurn } from "../platform/clock.ts";
import type { BatchOutcome, EventBatch, EventStore } from "./store/contract.ts";

/** One is being synced while the next one is being written; more would only wait for the disk. */
const UNDER_WAY_MAX = 2;

/**
 * Of a transaction, unless a single batch is longer: some twenty milliseconds, in which a database in this
 * thread lets nobody else have a turn.
 */
const GROUP_BYTES_MAX = 4 * 1024 * 1024;

interface Waiting {
  batch: EventBatch;
  /** Of its payloads. */
  bytes: number;
  jobId: string;
  resolve(outcome: BatchOutcome): void;
  reject(error: unknown): void;
}

export interface BatchWriterOptions {
  store: Pick<EventStore, "append">;
  /** Called for each job that has new events, after they are on stable storage. */
  onStored(jobId: string): void;
  clock: Clock;
  nextTurn: NextTurn;
}

export class BatchWriter {
  readonly #options: BatchWriterOptions;
  #waiting: Waiting[] = [];
  /** Transactions that have begun and are not on stable storage yet. */
  #underWay = 0;
  #isScheduled = false;

  constructor(options: BatchWriterOptions) {
    this.#options = options;
  }

  /**
   * Resolves when the batch is on stable storage, all of it; rejects when none of it is. What waits here is
   * at most one request of each open call, since a call's next request is read only after this has resolved.
   */
  append(jobId: string, batch: EventBatch): Promise<BatchOutcome> {
    return new Promise((resolve, reject) => {
      const bytes = batch.events.reduce((sum, { payload }) => sum + payload.length, 0);
      this.#waiting.push({ batch, bytes, jobId, resolve, reject });
      this.#schedule();
    });
  }

  #schedule(): void {
    if (this.#isScheduled || this.#waiting.length === 0 || this.#underWay >= UNDER_WAY_MAX) return;
    this.#isScheduled = true;
    // What other connections have sent in this turn goes along.
    this.#options.nextTurn(() => {
      this.#isScheduled = false;
      void this.#write();
    });
  }

  /** Never rejects: errors are for those whose batches failed. */
  async #write(): Promise<void> {
    const group = this.#waiting.splice(0, groupLength(this.#waiting));
    this.#underWay++;
    // The rest of what waits goes with the next, while this one is being synced.
    const written = this.#writeGroup(group);
    this.#schedule();
    await written;
    this.#underWay--;
    this.#schedule();
  }

  async #writeGroup(group: readonly Waiting[]): Promise<void> {
    const { store, onStored, clock } = this.#options;
    let outcomes: BatchOutcome[];
    try {
      outcomes = await store.append(group.map(({ batch }) => batch), clock.nowMs());
    } catch (error) {
      for (const { reject } of group) reject(error);
      return;
    }
    group.forEach(({ resolve }, index) => resolve(outcomes[index]!));
    const changed = group.filter((_, index) => outcomes[index]!.stored > 0);
    for (const jobId of new Set(changed.map((waiting) => waiting.jobId))) onStored(jobId);
  }
}

/** How many of those that wait go into one transaction; at least one. */
function groupLength(waiting: readonly Waiting[]): number {
  let bytes = 0;
  const end = waiting.findIndex((one, index) => (bytes += one.bytes) > GROUP_BYTES_MAX && index > 0);
  return end === -1 ? waiting.length : end;
}
