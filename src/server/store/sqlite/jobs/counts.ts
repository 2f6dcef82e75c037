/**
 * How many jobs there are, from counters that the database keeps along.
 */
import { JobState } from "../../../../events/gen/job/v1/job_pb.ts";
import type { StoredQueue } from "../../contract.ts";
import type { Sql } from "../sql.ts";

const STATES = [
  JobState.SCHEDULED,
  JobState.RUNNING,
  JobState.COMPLETED,
  JobState.FAILED,
  JobState.CANCELLED,
] as const;

export function countJobs(sql: Sql): Map<string, number> {
  const text = "SELECT state, sum(jobs) AS jobs FROM queue_counts GROUP BY state";
  const rows = sql.read(() => sql.rows<{ state: JobState; jobs: number }>(text));
  const counts = new Map(rows.map(({ state, jobs }) => [state, jobs]));
  return new Map(STATES.map((state) => [JobState[state].toLowerCase(), counts.get(state) ?? 0]));
}

interface QueueRow {
  queue: string;
  scheduled: number;
  running: number;
  jobs: number;
  bytes: number;
  oldest: number | null;
}

export function queues(sql: Sql): StoredQueue[] {
  const text = `
    SELECT queue, sum(jobs) AS jobs,
      coalesce(sum(jobs) FILTER (WHERE state = ${JobState.SCHEDULED}), 0) AS scheduled,
      coalesce(sum(jobs) FILTER (WHERE state = ${JobState.RUNNING}), 0) AS running,
      coalesce((SELECT event_bytes FROM queue_sizes WHERE queue_sizes.queue = queue_counts.queue), 0) AS bytes,
      (SELECT created_at_ms FROM jobs WHERE jobs.queue = queue_counts.queue AND state = 1 ORDER BY id LIMIT 1) AS oldest
    FROM queue_counts GROUP BY queue HAVING sum(jobs) > 0 ORDER BY queue`;
  return sql.read(() => sql.rows<QueueRow>(text)).map((row) => ({
    queue: row.queue,
    scheduled: row.scheduled,
    running: row.running,
    ended: row.jobs - row.scheduled - row.running,
    oldestScheduledAtMs: row.oldest ?? undefined,
    eventBytes: row.bytes,
  }));
}
