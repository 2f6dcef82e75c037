/**
 * Jobs, their queues and their executions: no waiting, no wake-ups, no tokens.
 *
 * The states a job goes through:
 *
 *     enqueue -> SCHEDULED -> dequeue -> RUNNING -> complete -> COMPLETED or FAILED
 *                    ^                      |
 *                    +-- expired, released -+      also from here, as long as nobody dequeued it again
 *
 * Every dequeue makes a new execution, whose number rises. A job keeps its place in its queue when it is
 * requeued, so it is the next one to be handed out.
 *
 * `cancel` makes a SCHEDULED job CANCELLED. A RUNNING one goes on until its execution ends: with a success
 * it is COMPLETED all the same, and with every other end, expiry included, it is CANCELLED.
 *
 * A job that `adopt` made is RUNNING and never SCHEDULED: what it was made from ran elsewhere, and is not
 * to run again. When its execution expires it is FAILED, without a result, until the result comes.
 */
import type { JobState } from "../../../events/gen/job/v1/job_pb.ts";

export interface StoredJob {
  jobId: string;
  queue: string;
  state: JobState;
  createdAtMs: number;
  updatedAtMs: number;
  /** A JobParams message. */
  params: Uint8Array;
  /** The id of the job that this one is a retry of. */
  retryOf: string | undefined;
  /** Kept when the job ends otherwise than by the cancellation. */
  cancelRequestedAtMs: number | undefined;
  /** Empty: none was given. */
  cancelReason: string;
  /** Made by `adopt`, and not submitted here. */
  isAdopted: boolean;
}

export interface NewJob {
  jobId: string;
  /** Empty: none. */
  requestId: string;
  queue: string;
  /** A JobParams message. */
  params: Uint8Array;
  retryOf?: string;
}

/**
 * A job handed out: from now on `executionId` is the job's current execution, until `expiresAtMs` unless it
 * is extended.
 */
export interface Claim {
  job: StoredJob;
  executionId: bigint;
  execution: number;
  expiresAtMs: number;
}

export interface StoredExecution {
  /** What its events belong to. */
  executionId: bigint;
  /** From 1 on, rises with every dequeue. */
  execution: number;
  startedAtMs: number;
  /** Undefined: not running any more. */
  expiresAtMs: number | undefined;
  endedAtMs: number | undefined;
  /** `cancelled`: as `requeued`, but the job had been cancelled. */
  outcome: "requeued" | "completed" | "cancelled" | undefined;
  /** A JobResult message, once the execution has completed. */
  result: Uint8Array | undefined;
  /** The name of the worker that took it; empty for one that gave none. */
  worker: string;
  /** When the server last heard of it: its start, an event or an extension. */
  lastSeenAtMs: number;
  eventCount: number;
  /** Of the events' payloads. */
  eventBytes: number;
  /** The log that it was adopted from. */
  logId: string | undefined;
}

export interface Requeued {
  jobId: string;
  queue: string;
  execution: number;
  /** It ended then, and did not go back to its queue: it had been cancelled. */
  isCancelled: boolean;
  /** It ended then, and did not go back to its queue: see `adopt`. */
  isAdopted: boolean;
}

/** `superseded`: a later execution has begun. `ended`: this one no longer runs, and none came after it. */
export type Refusal = "unknown" | "superseded" | "ended";

/** As job.v1 lists. */
export interface ListFilter {
  /** Empty: every queue. */
  queue: string;
  /** UNSPECIFIED: every state. */
  state: JobState;
  /** From 1 on. */
  page: number;
  pageSize: number;
}

/** As airunner.v1 lists; a job has to meet all of it. */
export interface SearchFilter {
  /** Empty: every queue. */
  queue: string;
  /** Empty: every state. */
  states: readonly JobState[];
  /**
   * A part of the job's id or of its command line, whose words are joined by single spaces; upper and lower
   * case of ASCII letters are the same. Empty: every job.
   */
  text: string;
  /** Pairs that the job's metadata has to have. */
  metadata: Readonly<Record<string, string>>;
  /** Inclusive. */
  createdFromMs: number | undefined;
  /** Exclusive. */
  createdBeforeMs: number | undefined;
  pageSize: number;
  /** `next` of the page before; undefined: the first page. */
  before: string | undefined;
}

export interface SearchPage {
  /** Newest first, and of those made in the same millisecond the one that came last. */
  jobs: { job: StoredJob; latest: StoredExecution | undefined }[];
  /** Undefined: this is the last page. */
  next: string | undefined;
}

export interface StoredQueue {
  queue: string;
  scheduled: number;
  running: number;
  /** In whatever way. */
  ended: number;
  /** When the job at its head was made; undefined for an empty queue. */
  oldestScheduledAtMs: number | undefined;
  /** Of all its jobs' events. */
  eventBytes: number;
}

/** What is known of an execution that ran somewhere else. */
export interface Adoption {
  jobId: string;
  /** From 1 on. */
  execution: number;
  queue: string;
  /** A JobParams message. */
  params: Uint8Array;
  startedAtMs: number;
  worker: string;
  /** The same for a log at every call, and known to no other. */
  logId: string;
}

/**
 * - `other_log`: there is an execution of that number that this log is not of.
 * - `job_runs`: another execution of the job runs.
 * - `job_has_events`: another execution of the job has events, or a result.
 */
export type AdoptionRefusal = "other_log" | "job_runs" | "job_has_events";

export type AdoptionOutcome =
  | { outcome: "new" | "repeated" }
  | { outcome: "refused"; reason: AdoptionRefusal };

/** An execution, as a task token names it. */
export interface ExecutionSubject {
  jobId: string;
  execution: number;
}

export interface JobStore {
  /** The secret of that name, made by `create` when the database has none yet. */
  secret(name: string, create: () => Uint8Array): Promise<Uint8Array>;
  /**
   * Adds the job, unless its request id was seen before: then nothing changes and the first job is returned,
   * in whatever queue it is.
   */
  enqueue(job: NewJob, nowMs: number): Promise<{ job: StoredJob; isNew: boolean }>;
  /** Hands out the queue's first job as a new execution; undefined when none waits. */
  dequeue(queue: string, visibilityMs: number, worker: string, nowMs: number): Promise<Claim | undefined>;
  /**
   * Takes a job back that never reached its worker. Does nothing, and resolves to false, when the execution
   * shows any sign of having been received: extended, ended, or with events.
   */
  release(claim: Claim, nowMs: number): Promise<boolean>;
  /** Ends every execution that has not been extended in time: its job goes back to its place in its queue. */
  requeueExpired(nowMs: number): Promise<Requeued[]>;
  /** When the next running execution expires; undefined when none runs. */
  nextExpiryMs(): Promise<number | undefined>;
  /**
   * Lets every running execution run for `graceMs` more at least, or for its own visibility timeout if that
   * is less.
   */
  grantGrace(graceMs: number, nowMs: number): Promise<void>;
  /** Moves the expiry of the job's current execution to `visibilityMs` from now. */
  extend(jobId: string, execution: number, visibilityMs: number, nowMs: number): Promise<"done" | Refusal>;
  /**
   * Ends the job with the result of its latest execution. That the execution had expired does not matter
   * while nobody has dequeued the job again: the work was done, so the job leaves its queue.
   */
  complete(
    jobId: string,
    execution: number,
    result: { success: boolean; bytes: Uint8Array },
    nowMs: number,
  ): Promise<"done" | "repeated" | Refusal>;
  /** Undefined: there is none of that id. */
  job(jobId: string): Promise<StoredJob | undefined>;
  /** Every execution the job ever had, first to latest. None is forgotten while the job is there. */
  executions(jobId: string): Promise<StoredExecution[]>;
  /** What an execution's events belong to; undefined when there is no such execution. */
  executionId(jobId: string, execution: number): Promise<bigint | undefined>;
  /** The number of the job's latest execution; 0 before the first, undefined for an unknown job. */
  latestExecution(jobId: string): Promise<number | undefined>;
  /** One page of jobs, newest first. There is always a page 1, so `lastPage` is at least 1. */
  list(filter: ListFilter): Promise<{ jobs: StoredJob[]; lastPage: number }>;
  /** The length of the parameters on a page of `list`, found out without reading them. */
  listedBytes(filter: ListFilter): Promise<number>;
  /** @throws RangeError when `before` is no position that a page gave */
  search(filter: SearchFilter): Promise<SearchPage>;
  /** How many jobs there are in each state, by the state's name in lower case. */
  countJobs(): Promise<Map<string, number>>;
  /** Every queue that has a job, by name. */
  queues(): Promise<StoredQueue[]>;
  /**
   * `cancelled`: it was SCHEDULED and is CANCELLED now. `requested`: it is RUNNING, and what was asked is
   * kept; asked again, time and reason stay those of the first. `ended`: nothing was changed.
   */
  cancel(
    jobId: string,
    reason: string,
    nowMs: number,
  ): Promise<"unknown" | "cancelled" | "requested" | "ended">;
  /**
   * Which of these executions are to be cancelled: those of a job that was cancelled, unless they have
   * completed. Also such as have expired meanwhile, whose worker may not know it yet.
   */
  cancellations(subjects: readonly ExecutionSubject[]): Promise<(ExecutionSubject & { reason: string })[]>;
  /**
   * Deletes a job that has ended, with its executions and events. It is gone, for all other methods, before
   * the last of its events; those are deleted a little at a time, with other calls in between.
   */
  delete(jobId: string): Promise<"done" | "unknown" | "not_ended">;
  /**
   * Makes the execution, and its job where there is none, RUNNING for `visibilityMs`. `repeated`: it was
   * made from this log before; when it has expired since, it runs again. `refused`: these events would be
   * mixed with those of another run.
   */
  adopt(adoption: Adoption, visibilityMs: number, nowMs: number): Promise<AdoptionOutcome>;
}
