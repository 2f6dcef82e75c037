/**
 * Group commit: requests that arrive while others are being stored share one transaction, and so one sync of
 * the disk.
 */
import type { NextTurn } from "../platform/clock.ts";
import type { BatchOutcome, EventBatch, EventStore } from "./store/sqlite/event_store.ts";

interface Waiting {
  batch: EventBatch;
  jobId: string;
  resolve(outcome: BatchOutcome): void;
  reject(error: unknown): void;
}

export class BatchWriter {
  readonly #store: Pick<EventStore, "append">;
  readonly #onStored: (jobId: string) => void;
  readonly #nextTurn: NextTurn;
  #waiting: Waiting[] = [];

  /** `onStored` is called for each job that has new events, after they are on stable storage. */
  constructor(
    store: Pick<EventStore, "append">,
    onStored: (jobId: string) => void,
    nextTurn: NextTurn,
  ) {
    this.#store = store;
    this.#onStored = onStored;
    this.#nextTurn = nextTurn;
  }

  /**
   * Resolves when the batch is on stable storage, all of it; rejects when none of it is. What waits here is
   * at most one request of each open call, since a call's next request is read only after this has resolved.
   */
  append(jobId: string, batch: EventBatch): Promise<BatchOutcome> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ batch, jobId, resolve, reject });
      if (this.#waiting.length === 1) this.#nextTurn(() => this.#flush());
    });
  }

  #flush(): void {
    const group = this.#waiting;
    this.#waiting = [];
    let outcomes: BatchOutcome[];
    try {
      outcomes = this.#store.append(group.map(({ batch }) => batch));
    } catch (error) {
      for (const { reject } of group) reject(error);
      return;
    }
    group.forEach(({ resolve }, index) => resolve(outcomes[index]!));
    const changed = group.filter((_, index) => outcomes[index]!.stored > 0);
    for (const jobId of new Set(changed.map((waiting) => waiting.jobId))) this.#onStored(jobId);
  }
}
