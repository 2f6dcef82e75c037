/**
 * Executions that ran elsewhere, made from what their logs say.
 */
import { JobState } from "../../../../events/gen/job/v1/job_pb.ts";
import type { Adoption, AdoptionOutcome, AdoptionRefusal } from "../../contract.ts";
import type { Sql } from "../sql.ts";
import { insertExecution } from "./handing_out.ts";
import { type ExecutionRow, findJob, type JobRow, setState } from "./rows.ts";
import { insertJob } from "./submission.ts";

export function adopt(sql: Sql, adoption: Adoption, visibilityMs: number, nowMs: number): AdoptionOutcome {
  return sql.write(() => {
    const job = findJob(sql, adoption.jobId);
    const executions = job
      ? sql.rows<ExecutionRow>("SELECT * FROM executions WHERE job = ? ORDER BY number", job.id)
      : [];
    const own = executions.find(({ number }) => number === adoption.execution);
    if (own?.log_id === adoption.logId) {
      revive(sql, own, own === executions.at(-1), visibilityMs, nowMs);
      return { outcome: "repeated" };
    }
    const reason = own ? "other_log" : whyNot(executions);
    if (reason !== undefined) return { outcome: "refused", reason };
    const execution = {
      job: job?.id ?? insertAdoptedJob(sql, adoption, nowMs),
      number: adoption.execution,
      startedAtMs: adoption.startedAtMs,
      visibilityMs,
      worker: adoption.worker,
      logId: adoption.logId,
    };
    insertExecution(sql, execution, nowMs);
    if (job) setState(sql, job.id, JobState.RUNNING, nowMs);
    return { outcome: "new" };
  });
}

/** What of the job's other executions is in the way. */
function whyNot(executions: readonly ExecutionRow[]): AdoptionRefusal | undefined {
  if (executions.some((row) => row.expires_at_ms !== null)) return "job_runs";
  // A result without events is one of a run that wrote none.
  if (executions.some((row) => row.event_count > 0 || row.outcome === "completed")) return "job_has_events";
  return undefined;
}

/** It is as old as its execution, and was last changed now. */
function insertAdoptedJob(sql: Sql, adoption: Adoption, nowMs: number): JobRow["id"] {
  const job = { ...adoption, requestId: "", state: JobState.RUNNING, createdAtMs: adoption.startedAtMs };
  return insertJob(sql, { ...job, isAdopted: true }, nowMs);
}

/** Whoever delivers its log may have been away for longer than the execution was visible. */
function revive(sql: Sql, row: ExecutionRow, isLatest: boolean, visibilityMs: number, nowMs: number): void {
  if (row.outcome === "completed" || !isLatest) return;
  sql.run(
    `UPDATE executions SET visibility_ms = ?, expires_at_ms = ?, last_seen_at_ms = ?, ended_at_ms = NULL, outcome = NULL
     WHERE id = ?`,
    visibilityMs,
    nowMs + visibilityMs,
    nowMs,
    row.id,
  );
  setState(sql, row.job, JobState.RUNNING, nowMs);
}
