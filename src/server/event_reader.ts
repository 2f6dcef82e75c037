/**
 * Reads a job's events for one reader: what is stored, then what comes.
 *
 * History is read by sequence, up to the last event that had arrived when reading began; everything
 * that arrived later is read by arrival. Each event is on exactly one side of that line, so none is
 * missed and none comes twice, and a late event with a low sequence is still delivered, only out of
 * order. In the usual case, one publisher that sends in order, arrival and sequence are the same order.
 *
 * Executions follow one another: when a new one has begun and nothing of the old one is left, the
 * reader goes on with the first event of the new one. Events that arrive for an execution after that
 * are stored, but this reader does not see them: sequences of two executions must not be mixed.
 *
 * A reader holds one page of events; the next is read only when the consumer has taken the last.
 */
import type { EventFilter, EventPage, EventStore } from "./store/sqlite/event_store.ts";
import type { Store } from "./store/sqlite/store.ts";
import type { WakeUps } from "./subscriptions.ts";

export interface FollowOptions {
  store: Pick<Store, "executionId" | "latestExecution">;
  events: EventStore;
  wakeUps: WakeUps;
  jobId: string;
  /**
   * `fromSequence` counts for the execution that is the latest now; later ones are read from their beginning.
   */
  filter: EventFilter;
  signal: AbortSignal;
}

/**
 * Yields encoded JobEvents until the signal aborts. @throws RangeError for a job that the store does not
 * have.
 */
export async function* followEvents(options: FollowOptions): AsyncGenerator<Uint8Array> {
  const { store, wakeUps, jobId, signal } = options;
  const latest = store.latestExecution(jobId);
  if (latest === undefined) throw new RangeError(`There is no job ${jobId}`);
  let execution = Math.max(1, latest);
  let filter = options.filter;
  while (!signal.aborted) {
    const executionId = store.executionId(jobId, execution);
    if (executionId === undefined) {
      await wakeUps.wait(jobId, signal);
      continue;
    }
    yield* followExecution(options, executionId, filter, execution + 1);
    execution++;
    filter = { ...filter, fromSequence: 1n };
  }
}

/** Ends when the execution numbered `next` has begun and all that had arrived for this one was read. */
async function* followExecution(
  { store, events, wakeUps, jobId, signal }: FollowOptions,
  executionId: bigint,
  filter: EventFilter,
  next: number,
): AsyncGenerator<Uint8Array> {
  const boundary = events.lastArrival();
  let page: EventPage;
  let sequence = 0n;
  do {
    page = events.history(executionId, filter, sequence, boundary);
    sequence = page.cursor;
    yield* page.payloads;
  } while (!page.isLast && !signal.aborted);

  let arrival = boundary;
  while (!signal.aborted) {
    page = events.arrivals(executionId, filter, arrival);
    arrival = page.cursor;
    if (page.payloads.length > 0) {
      yield* page.payloads;
      continue;
    }
    // Nothing is awaited between reading an empty page and these two lines, so nothing can come in between.
    if (store.executionId(jobId, next) !== undefined) return;
    await wakeUps.wait(jobId, signal);
  }
}
