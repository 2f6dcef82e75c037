/**
 * How an execution ends with a result.
 */
import { JobState } from "../../../../events/gen/job/v1/job_pb.ts";
import type { Refusal } from "../../contract.ts";
import type { Sql } from "../sql.ts";
import { type ExecutionRow, findJob, findLatest, type JobRow, setState } from "./rows.ts";

export function complete(
  sql: Sql,
  jobId: string,
  execution: number,
  result: { success: boolean; bytes: Uint8Array },
  nowMs: number,
): "done" | "repeated" | Refusal {
  return changeLatest(sql, jobId, execution, (row, job) => {
    if (row.outcome === "completed") return "repeated";
    sql.run(
      `UPDATE executions
       SET expires_at_ms = NULL, ended_at_ms = ?, last_seen_at_ms = ?, outcome = 'completed', result = ? WHERE id = ?`,
      nowMs,
      nowMs,
      result.bytes,
      row.id,
    );
    const isCancelled = job.cancel_requested_at_ms !== null;
    const state = result.success ? JobState.COMPLETED : isCancelled ? JobState.CANCELLED : JobState.FAILED;
    setState(sql, row.job, state, nowMs);
    return "done";
  });
}

/** Finds the job and its execution, and lets `change` act when the execution is the job's latest. */
export function changeLatest<Outcome>(
  sql: Sql,
  jobId: string,
  execution: number,
  change: (row: ExecutionRow, job: JobRow) => Outcome,
): Outcome | "unknown" | "superseded" {
  return sql.write(() => {
    const job = findJob(sql, jobId);
    const latest = job && findLatest(sql, job.id);
    if (!job || !latest || execution > latest.number) return "unknown";
    if (execution < latest.number) return "superseded";
    return change(latest, job);
  });
}
