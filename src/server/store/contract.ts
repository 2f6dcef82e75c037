/**
 * What a store of jobs and events holds, whatever database keeps it.
 */
import type { JobState } from "../../events/gen/job/v1/job_pb.ts";

export interface StoredJob {
  jobId: string;
  queue: string;
  state: JobState;
  createdAtMs: number;
  updatedAtMs: number;
  /** A JobParams message. */
  params: Uint8Array;
}

export interface NewJob {
  jobId: string;
  /** Empty: none. */
  requestId: string;
  queue: string;
  params: Uint8Array;
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
  executionId: bigint;
  execution: number;
  startedAtMs: number;
  /** Undefined: not running any more. */
  expiresAtMs: number | undefined;
  endedAtMs: number | undefined;
  outcome: "requeued" | "completed" | undefined;
  /** A JobResult message, once the execution has completed. */
  result: Uint8Array | undefined;
}

export interface Requeued {
  jobId: string;
  queue: string;
  execution: number;
}

/** `superseded`: a later execution has begun. `ended`: this one no longer runs, and none came after it. */
export type Refusal = "unknown" | "superseded" | "ended";

export interface ListFilter {
  /** Empty: every queue. */
  queue: string;
  /** UNSPECIFIED: every state. */
  state: JobState;
  /** From 1 on. */
  page: number;
  pageSize: number;
}
