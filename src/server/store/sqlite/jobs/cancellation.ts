/**
 * Jobs that somebody does not want any more.
 */
import { JobState } from "../../../../events/gen/job/v1/job_pb.ts";
import type { ExecutionSubject } from "../../contract.ts";
import type { Sql } from "../sql.ts";
import { findJob, setState } from "./rows.ts";

export function cancel(
  sql: Sql,
  jobId: string,
  reason: string,
  nowMs: number,
): "unknown" | "cancelled" | "requested" | "ended" {
  return sql.write(() => {
    const job = findJob(sql, jobId);
    if (!job) return "unknown";
    if (job.state !== JobState.SCHEDULED && job.state !== JobState.RUNNING) return "ended";
    if (job.cancel_requested_at_ms === null) {
      sql.run(
        "UPDATE jobs SET cancel_requested_at_ms = ?, cancel_reason = ? WHERE id = ?",
        nowMs,
        reason,
        job.id,
      );
    }
    if (job.state === JobState.RUNNING) return "requested";
    setState(sql, job.id, JobState.CANCELLED, nowMs);
    return "cancelled";
  });
}

export function cancellations(
  sql: Sql,
  subjects: readonly ExecutionSubject[],
): (ExecutionSubject & { reason: string })[] {
  return sql.read(() =>
    subjects.flatMap(({ jobId, execution }) => {
      const job = sql.row<{ reason: string }>(
        `SELECT cancel_reason AS reason FROM jobs JOIN executions ON executions.job = jobs.id
         WHERE job_id = ? AND number = ? AND cancel_requested_at_ms IS NOT NULL AND outcome IS NOT 'completed'`,
        jobId,
        execution,
      );
      return job ? [{ jobId, execution, reason: job.reason }] : [];
    })
  );
}
