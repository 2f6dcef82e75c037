/**
 * What delivery needs to know of a write-ahead log: the part of `wal/log.ts` that the sender drives, and the
 * seam its tests use.
 */

/** An event of a log that the server has not stored yet, as far as we know. */
export interface PendingEvent {
  sequence: bigint;
  timestampMs: bigint;
  /**
   * A protobuf JobEvent, unless another writer put something else there. Valid until the event is
   * acknowledged or given up.
   */
  payload: Uint8Array;
  /** Where its record begins in the file, which tells it from every other event of the log. */
  offset: number;
  /** Bytes of the record. */
  length: number;
}

export interface PendingSource {
  /** Oldest first, at most so many events and bytes, but at least one event if any is pending. */
  pending(limit: { events: number; bytes: number }): Promise<PendingEvent[]>;
  /** Resolves when something is pending, when the log is closed, or when the signal aborts. */
  waitForPending(signal?: AbortSignal): Promise<void>;
  /** Records that the server has stored these, the first ones that `pending()` gave. */
  acknowledge(events: readonly PendingEvent[]): Promise<void>;
  /** Records that the event was given up. */
  fail(event: PendingEvent, reason: { code: string; message: string; attempts: number }): Promise<void>;
  /** Why the log takes no more records, if it does not. */
  readonly sealed?: Error | undefined;
}
