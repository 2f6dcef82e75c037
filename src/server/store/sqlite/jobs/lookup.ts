/**
 * One job and its executions, by the job's id.
 */
import type { StoredExecution, StoredJob } from "../../contract.ts";
import type { Sql } from "../sql.ts";
import { type ExecutionRow, findJob, toExecution, toJob } from "./rows.ts";

export function job(sql: Sql, jobId: string): StoredJob | undefined {
  const row = sql.read(() => findJob(sql, jobId));
  return row && toJob(row);
}

export function executions(sql: Sql, jobId: string): StoredExecution[] {
  const text = `SELECT executions.* FROM executions JOIN jobs ON jobs.id = executions.job
                WHERE jobs.job_id = ? ORDER BY number`;
  return sql.read(() => sql.rows<ExecutionRow>(text, jobId)).map(toExecution);
}

export function executionId(sql: Sql, jobId: string, execution: number): bigint | undefined {
  const text = `SELECT executions.id FROM executions JOIN jobs ON jobs.id = executions.job
                WHERE jobs.job_id = ? AND number = ?`;
  const row = sql.read(() => sql.row<{ id: number }>(text, jobId, execution));
  return row && BigInt(row.id);
}

export function latestExecution(sql: Sql, jobId: string): number | undefined {
  const text = `SELECT (SELECT coalesce(max(number), 0) FROM executions WHERE job = jobs.id) AS latest
                FROM jobs WHERE job_id = ?`;
  return sql.read(() => sql.row<{ latest: number }>(text, jobId))?.latest;
}
