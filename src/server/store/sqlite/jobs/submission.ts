/**
 * How a job comes into the database.
 */
import { JobState } from "../../../../events/gen/job/v1/job_pb.ts";
import type { NewJob, StoredJob } from "../../contract.ts";
import { searchableOf } from "../../searchable.ts";
import type { Sql } from "../sql.ts";
import { findJob, type JobRow, toJob } from "./rows.ts";

export function enqueue(sql: Sql, job: NewJob, nowMs: number): { job: StoredJob; isNew: boolean } {
  return sql.write(() => {
    const first = job.requestId === ""
      ? undefined
      : sql.row<JobRow>("SELECT * FROM jobs WHERE request_id = ?", job.requestId);
    if (first) return { job: toJob(first), isNew: false };
    insertJob(sql, { ...job, state: JobState.SCHEDULED, createdAtMs: nowMs, isAdopted: false }, nowMs);
    return { job: toJob(findJob(sql, job.jobId)!), isNew: true };
  });
}

export interface InsertedJob extends NewJob {
  state: JobState;
  createdAtMs: number;
  isAdopted: boolean;
}

/** Adds the job and what it is found by. Returns its row's id. */
export function insertJob(sql: Sql, job: InsertedJob, nowMs: number): number {
  const id = Number(
    sql.run(
      `INSERT INTO jobs (job_id, request_id, queue, state, created_at_ms, updated_at_ms, params, retry_of, is_adopted)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      job.jobId,
      job.requestId === "" ? null : job.requestId,
      job.queue,
      job.state,
      job.createdAtMs,
      nowMs,
      job.params,
      job.retryOf ?? null,
      job.isAdopted ? 1 : 0,
    ).lastInsertRowid,
  );
  const { text, metadata } = searchableOf(job.jobId, job.params);
  sql.run("INSERT INTO job_texts (job, text) VALUES (?, ?)", id, text);
  for (const [name, value] of Object.entries(metadata)) {
    sql.run(
      "INSERT INTO job_metadata (name, value, created_at_ms, job) VALUES (?, ?, ?, ?)",
      name,
      value,
      job.createdAtMs,
      id,
    );
  }
  return id;
}
