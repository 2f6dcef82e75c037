/**
 * What the server keeps, whatever database keeps it: the whole contract, from which all others import it.
 *
 * Every method may be called while others are under way, and behaves as if the calls came one after
 * another. One that resolved is on stable storage, so that it may be acknowledged; one that rejected
 * changed nothing. Times are Unix milliseconds of the caller's clock; a store has none of its own.
 *
 * All methods reject with a StoreError when the database fails.
 */
import type { EventStore } from "./contract/events.ts";
import type { JobStore } from "./contract/jobs.ts";
import type { WorkerStore } from "./contract/workers.ts";

export type * from "./contract/events.ts";
export type * from "./contract/jobs.ts";
export type * from "./contract/workers.ts";

export interface Store {
  readonly jobs: JobStore;
  readonly events: EventStore;
  readonly workers: WorkerStore;
  /** Lets go of the database. No other call may be under way. */
  close(): Promise<void>;
}
