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
import type { EventFilter, EventPage, EventStore, JobStore } from "./store/contract.ts";
import type { Topic, Watch } from "./signals.ts";

export interface FollowOptions {
  jobs: Pick<JobStore, "executions" | "latestExecution">;
  events: Pick<EventStore, "lastArrival" | "history" | "arrivals">;
  /** News of jobs' events and executions. */
  news: Topic;
  jobId: string;
  /**
   * `fromSequence` counts for the execution that is the latest now; later ones are read from their beginning.
   */
  filter: EventFilter;
  signal: AbortSignal;
}

/** The store does not have the job, or no more. */
export class NoSuchJobError extends RangeError {
  override name = "NoSuchJobError";
  constructor(jobId: string) {
    super(`There is no job ${jobId}`);
  }
}

/**
 * Yields encoded JobEvents until the signal aborts. @throws NoSuchJobError also when the job is deleted
 * meanwhile
 */
export async function* followEvents(options: FollowOptions): AsyncGenerator<Uint8Array> {
  const { jobs, news, jobId, signal } = options;
  using watch = news.watch(jobId);
  const latest = await jobs.latestExecution(jobId);
  if (latest === undefined) throw new NoSuchJobError(jobId);
  let from = Math.max(1, latest);
  let filter = options.filter;
  while (!signal.aborted) {
    watch.clear();
    const next = (await jobs.executions(jobId)).find(({ execution }) => execution >= from);
    if (next !== undefined) {
      yield* followExecution(options, watch, next.executionId, next.execution, filter);
      from = next.execution + 1;
      filter = { ...filter, fromSequence: 1n };
    } else if (await jobs.latestExecution(jobId) === undefined) {
      throw new NoSuchJobError(jobId);
    } else {
      await watch.wait(signal);
    }
  }
}

/**
 * Ends when a later execution than `execution` has begun, or the job was deleted, and all that had arrived
 * for this one by then was read.
 */
async function* followExecution(
  { jobs, events, jobId, signal }: FollowOptions,
  watch: Watch,
  executionId: bigint,
  execution: number,
  filter: EventFilter,
): AsyncGenerator<Uint8Array> {
  const boundary = await events.lastArrival(executionId);
  let page: EventPage;
  let sequence = 0n;
  do {
    page = await events.history(executionId, filter, sequence, boundary);
    sequence = page.cursor;
    yield* page.payloads;
  } while (!page.isLast && !signal.aborted);

  let arrival = boundary;
  while (!signal.aborted) {
    // Cleared before anything is read: what comes while it is being read ends the waiting below at once.
    watch.clear();
    // Asked before the page, which then has all that had arrived when the later execution began.
    const latest = await jobs.latestExecution(jobId);
    page = await events.arrivals(executionId, filter, arrival);
    arrival = page.cursor;
    yield* page.payloads;
    if (!page.isLast) continue;
    if (latest === undefined || latest > execution) return;
    await watch.wait(signal);
  }
}
