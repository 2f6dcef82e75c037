/**
 * Rows of jobs and executions, and how they are found.
 */
import type { JobState } from "../../../../events/gen/job/v1/job_pb.ts";
import type { StoredExecution, StoredJob } from "../../contract.ts";
import type { Sql } from "../sql.ts";

// node:sqlite knows rows only as records of values; the statements of this folder name exactly these columns.
export interface JobRow {
  id: number;
  job_id: string;
  queue: string;
  state: number;
  created_at_ms: number;
  updated_at_ms: number;
  params: Uint8Array;
  retry_of: string | null;
  cancel_requested_at_ms: number | null;
  cancel_reason: string;
  is_adopted: number;
}

export interface ExecutionRow {
  id: number;
  job: number;
  number: number;
  started_at_ms: number;
  visibility_ms: number;
  expires_at_ms: number | null;
  ended_at_ms: number | null;
  outcome: StoredExecution["outcome"] | null;
  worker: string;
  last_seen_at_ms: number;
  event_count: number;
  event_bytes: number;
  log_id: string | null;
  result: Uint8Array | null;
}

export function findJob(sql: Sql, jobId: string): JobRow | undefined {
  return sql.row<JobRow>("SELECT * FROM jobs WHERE job_id = ?", jobId);
}

/** The latest execution of the job that has this row. */
export function findLatest(sql: Sql, job: number): ExecutionRow | undefined {
  return sql.row<ExecutionRow>("SELECT * FROM executions WHERE job = ? ORDER BY number DESC LIMIT 1", job);
}

export function setState(sql: Sql, job: number, state: JobState, nowMs: number): void {
  sql.run("UPDATE jobs SET state = ?, updated_at_ms = ? WHERE id = ?", state, nowMs, job);
}

export function toJob(row: JobRow): StoredJob {
  return {
    jobId: row.job_id,
    queue: row.queue,
    state: row.state,
    createdAtMs: row.created_at_ms,
    updatedAtMs: row.updated_at_ms,
    params: row.params,
    retryOf: row.retry_of ?? undefined,
    cancelRequestedAtMs: row.cancel_requested_at_ms ?? undefined,
    cancelReason: row.cancel_reason,
    isAdopted: row.is_adopted !== 0,
  };
}

export function toExecution(row: ExecutionRow): StoredExecution {
  return {
    executionId: BigInt(row.id),
    execution: row.number,
    startedAtMs: row.started_at_ms,
    expiresAtMs: row.expires_at_ms ?? undefined,
    endedAtMs: row.ended_at_ms ?? undefined,
    outcome: row.outcome ?? undefined,
    result: row.result ?? undefined,
    worker: row.worker,
    lastSeenAtMs: row.last_seen_at_ms,
    eventCount: row.event_count,
    eventBytes: row.event_bytes,
    logId: row.log_id ?? undefined,
  };
}
