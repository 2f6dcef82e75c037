/**
 * Executions that run for as long as they are heard of, and what becomes of their jobs when they are not.
 */
import { JobState } from "../../../../events/gen/job/v1/job_pb.ts";
import type { Refusal, Requeued } from "../../contract.ts";
import type { Sql } from "../sql.ts";
import { changeLatest } from "./completion.ts";
import { type ExecutionRow, type JobRow, setState } from "./rows.ts";

export function requeueExpired(sql: Sql, nowMs: number): Requeued[] {
  const next = nextExpiryMs(sql);
  // Looking in vain is the usual case, and must not cost a write.
  if (next === undefined || next > nowMs) return [];
  return sql.write(() => {
    // Few of all the executions run; without the hint SQLite may look at every one.
    const expired = sql.rows<ExecutionRow>(
      "SELECT * FROM executions INDEXED BY executions_running WHERE expires_at_ms <= ? ORDER BY expires_at_ms",
      nowMs,
    );
    return expired.map((row) => endUnfinished(sql, row, nowMs));
  });
}

/** Ends an execution that runs and has no result. */
export function endUnfinished(sql: Sql, row: ExecutionRow, nowMs: number): Requeued {
  const job = sql.row<Omit<JobRow, "params">>(
    "SELECT job_id, queue, cancel_requested_at_ms, is_adopted FROM jobs WHERE id = ?",
    row.job,
  )!;
  const isCancelled = job.cancel_requested_at_ms !== null;
  const isAdopted = job.is_adopted !== 0;
  sql.run(
    "UPDATE executions SET expires_at_ms = NULL, ended_at_ms = ?, outcome = ? WHERE id = ?",
    nowMs,
    isCancelled ? "cancelled" : "requeued",
    row.id,
  );
  const state = isCancelled ? JobState.CANCELLED : isAdopted ? JobState.FAILED : JobState.SCHEDULED;
  setState(sql, row.job, state, nowMs);
  return { jobId: job.job_id, queue: job.queue, execution: row.number, isCancelled, isAdopted };
}

export function nextExpiryMs(sql: Sql): number | undefined {
  const text = "SELECT min(expires_at_ms) AS next FROM executions WHERE expires_at_ms IS NOT NULL";
  return sql.read(() => sql.row<{ next: number | null }>(text))?.next ?? undefined;
}

export function grantGrace(sql: Sql, graceMs: number, nowMs: number): void {
  sql.write(() =>
    sql.run(
      `UPDATE executions SET expires_at_ms = max(expires_at_ms, ? + min(visibility_ms, ?))
       WHERE expires_at_ms IS NOT NULL`,
      nowMs,
      graceMs,
    )
  );
}

export function extend(
  sql: Sql,
  jobId: string,
  execution: number,
  visibilityMs: number,
  nowMs: number,
): "done" | Refusal {
  return changeLatest(sql, jobId, execution, (row) => {
    if (row.expires_at_ms === null) return "ended";
    sql.run(
      "UPDATE executions SET visibility_ms = ?, expires_at_ms = ?, last_seen_at_ms = ? WHERE id = ?",
      visibilityMs,
      nowMs + visibilityMs,
      nowMs,
      row.id,
    );
    setState(sql, row.job, JobState.RUNNING, nowMs);
    return "done";
  });
}
