/**
 * Jobs that go out to workers, and come back because they never arrived there.
 */
import { JobState } from "../../../../events/gen/job/v1/job_pb.ts";
import type { Claim } from "../../contract.ts";
import type { Sql } from "../sql.ts";
import { endUnfinished } from "./expiry.ts";
import { type ExecutionRow, findLatest, type JobRow, setState, toJob } from "./rows.ts";

const NEXT = "FROM jobs WHERE queue = ? AND state = 1 ORDER BY id LIMIT 1";

export function dequeue(
  sql: Sql,
  queue: string,
  visibilityMs: number,
  worker: string,
  nowMs: number,
): Claim | undefined {
  // Asking in vain is the usual case, and must not cost a write.
  if (!sql.read(() => sql.row(`SELECT id ${NEXT}`, queue))) return undefined;
  return sql.write(() => {
    const job = sql.row<JobRow>(`SELECT * ${NEXT}`, queue)!;
    const execution = (findLatest(sql, job.id)?.number ?? 0) + 1;
    const executionId = insertExecution(sql, {
      job: job.id,
      number: execution,
      startedAtMs: nowMs,
      visibilityMs,
      worker,
      logId: null,
    }, nowMs);
    setState(sql, job.id, JobState.RUNNING, nowMs);
    return {
      job: { ...toJob(job), state: JobState.RUNNING, updatedAtMs: nowMs },
      executionId,
      execution,
      expiresAtMs: nowMs + visibilityMs,
    };
  });
}

export function insertExecution(
  sql: Sql,
  row: {
    job: number;
    number: number;
    startedAtMs: number;
    visibilityMs: number;
    worker: string;
    logId: string | null;
  },
  nowMs: number,
): bigint {
  const { lastInsertRowid } = sql.run(
    `INSERT INTO executions
       (job, number, started_at_ms, visibility_ms, expires_at_ms, worker, last_seen_at_ms, log_id)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
    row.job,
    row.number,
    row.startedAtMs,
    row.visibilityMs,
    nowMs + row.visibilityMs,
    row.worker,
    nowMs,
    row.logId,
  );
  return BigInt(lastInsertRowid);
}

export function release(sql: Sql, claim: Claim, nowMs: number): boolean {
  return sql.write(() => {
    const row = sql.row<ExecutionRow>(
      "SELECT * FROM executions WHERE id = ? AND expires_at_ms = ? AND event_count = 0 AND job IS NOT NULL",
      claim.executionId,
      claim.expiresAtMs,
    );
    if (row) endUnfinished(sql, row, nowMs);
    return row !== undefined;
  });
}
