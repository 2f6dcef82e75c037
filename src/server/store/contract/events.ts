/**
 * Events of executions.
 *
 * An event is known by its execution and its sequence, and stored once: the first to arrive stays. There are
 * two orders to read in. History goes by sequence. Live reading goes by arrival, a number that only
 * rises within an execution, so that an event that arrives late with a low sequence has a high arrival
 * and a live reader still gets it. Arrivals rise in the order in which appends become visible: who has
 * seen one has not missed a lower one.
 */

export interface NewEvent {
  /** From 1 on; all of int64 is used. */
  sequence: bigint;
  /** Unix milliseconds; undefined when the event carries no usable timestamp. */
  timestampMs: bigint | undefined;
  /** An EventType, or a number that this program does not know yet. */
  type: number;
  /** A JobEvent message. */
  payload: Uint8Array;
}

export interface EventBatch {
  executionId: bigint;
  events: readonly NewEvent[];
}

export interface BatchOutcome {
  /** There is no such execution, or no more: nothing of the batch was stored. */
  isUnknown: boolean;
  stored: number;
  /** Events whose sequence the execution had already. */
  duplicate: number;
  /** The sequences among the duplicates whose bytes were others than the stored ones. */
  conflicts: bigint[];
}

export interface EventFilter {
  fromSequence: bigint;
  /** Unix milliseconds; undefined: whatever the time, and also events without one. */
  fromTimestampMs: bigint | undefined;
  /** Empty: every type. */
  types: readonly number[];
}

export interface EventPage {
  payloads: Uint8Array[];
  /** Where the next page starts: a sequence in history, an arrival in live reading. */
  cursor: bigint;
  /** True when nothing that was stored when this page was read lies behind it. */
  isLast: boolean;
}

export interface EventsChecksum {
  count: number;
  /** CRC-64/NVME, as CompareEventsRequest in airunner.proto says. */
  checksum: bigint;
}

export interface EventStore {
  /**
   * Stores all the batches at once, or none; the outcomes are in their order. Executions that got new events
   * were seen at `nowMs`, and their counts rise.
   */
  append(batches: readonly EventBatch[], nowMs: number): Promise<BatchOutcome[]>;
  /** The arrival of the execution's latest event; 0 when there is none. */
  lastArrival(executionId: bigint): Promise<bigint>;
  /**
   * Events of an execution that had arrived by `until`, in the order of their sequences, those after `after`.
   * A page has at most 256 events, and is at most a mebibyte and one event long.
   */
  history(executionId: bigint, filter: EventFilter, after: bigint, until: bigint): Promise<EventPage>;
  /**
   * Events of an execution in the order of their arrival, those after `after`; pages as those of `history`.
   * The last page's cursor lies behind what the filter left out, too.
   */
  arrivals(executionId: bigint, filter: EventFilter, after: bigint): Promise<EventPage>;
  /**
   * Count and checksum of the events whose sequences lie in `from` to `to`, both inclusive. Read page by
   * page, with other calls in between.
   */
  checksum(executionId: bigint, from: bigint, to: bigint): Promise<EventsChecksum>;
}
