/**
 * What keeps the store from growing for ever.
 */

/** The job of a queue that ended before all others of it that have ended. */
export interface OldestEnded {
  queue: string;
  jobId: string;
  /** When it was updated last, which is its end. */
  endedAtMs: number;
}

export interface StoreSpace {
  /** What jobs, events and all that belongs to them take on the disk. */
  usedBytes: number;
  /**
   * What was given up by what was deleted: room for what comes, and not given back to the file system yet.
   */
  freeBytes: number;
}

export interface UpkeepStore {
  /** One job of each queue that has jobs that have ended. */
  oldestEnded(): Promise<OldestEnded[]>;
  space(): Promise<StoreSpace>;
  /**
   * Gives up to `bytesMax` of what is free back to the file system; false when nothing could be given back.
   */
  reclaim(bytesMax: number): Promise<boolean>;
}
