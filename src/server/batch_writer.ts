/**
 * Group commit: requests that arrive while others are being stored share one transaction, and so one sync of
 * the disk.
 */
import type { Clock, NextTurn } from "../platform/clock.ts";
import type { BatchOutcome, EventBatch, EventStore } from "./store/contract.ts";

interface Waiting {
  batch: EventBatch;
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
  #isWriting = false;

  constructor(options: BatchWriterOptions) {
    this.#options = options;
  }

  /**
   * Resolves when the batch is on stable storage, all of it; rejects when none of it is. What waits here is
   * at most one request of each open call, since a call's next request is read only after this has resolved.
   */
  append(jobId: string, batch: EventBatch): Promise<BatchOutcome> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ batch, jobId, resolve, reject });
      if (this.#isWriting) return;
      this.#isWriting = true;
      // What other connections have sent in this turn goes along.
      this.#options.nextTurn(() => void this.#write());
    });
  }

  /** Never rejects: errors are for those whose batches failed. */
  async #write(): Promise<void> {
    while (this.#waiting.length > 0) {
      const group = this.#waiting;
      this.#waiting = [];
      await this.#writeGroup(group);
    }
    this.#isWriting = false;
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
