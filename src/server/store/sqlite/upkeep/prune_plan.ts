/**
 * What limits of age and size would delete from a database, by queue; read from the file, also beside the
 * server.
 */
import { nextToGo, type PruneReason, type RetentionPolicy } from "../../../retention/policy.ts";
import { converted } from "../sqlite_errors.ts";
import { openReadOnly, usedBytes } from "./read_only.ts";

export interface QueuePlan {
  queue: string;
  /** Jobs that have ended, and what their events take. */
  jobs: number;
  bytes: number;
  /** Those of them that would go. */
  goingJobs: number;
  goingBytes: number;
}

export interface PrunePlan {
  /** The file without its free pages. */
  usedBytes: number;
  queues: QueuePlan[];
  byReason: Record<PruneReason, number>;
  /**
   * When the first and the last of those that would go have ended, Unix milliseconds; undefined when none
   * would.
   */
  endedMs: readonly [first: number, last: number] | undefined;
}

interface EndedRow {
  jobId: string;
  queue: string;
  endedAtMs: number;
  bytes: number;
}

/** @throws StoreError when the file cannot be read */
export function planPrune(path: string, policy: RetentionPolicy, nowMs: number): PrunePlan {
  using database = openReadOnly(path);
  return converted("read", path, () => {
    const { sql, version } = database;
    const bytes = version >= 2
      ? "coalesce((SELECT sum(event_bytes) FROM executions WHERE job = jobs.id), 0)"
      : `coalesce((SELECT sum(length(payload)) FROM events JOIN executions ON executions.id = execution
           WHERE job = jobs.id), 0)`;
    const ended = sql.prepare(
      `SELECT job_id AS jobId, queue, updated_at_ms AS endedAtMs, ${bytes} AS bytes FROM jobs WHERE state >= 3
       ORDER BY updated_at_ms`,
    ).all() as unknown as EndedRow[];
    return plan(ended, usedBytes(sql), policy, nowMs);
  });
}

/** Plays what the server does, job by job, the oldest first. Pure. */
export function plan(
  ended: readonly EndedRow[],
  used: number,
  policy: RetentionPolicy,
  nowMs: number,
): PrunePlan {
  const queues = new Map<string, QueuePlan>();
  for (const { queue, bytes } of ended) {
    const totals = queues.get(queue) ?? { queue, jobs: 0, bytes: 0, goingJobs: 0, goingBytes: 0 };
    queues.set(queue, { ...totals, jobs: totals.jobs + 1, bytes: totals.bytes + bytes });
  }
  const eventBytes = ended.reduce((sum, { bytes }) => sum + bytes, 0);
  // A job takes its share of what the file takes: indexes and half-filled pages come to its events.
  const perByte = eventBytes === 0 ? 0 : used / eventBytes;
  const byReason = { age: 0, bytes: 0 };
  let left = used;
  let endedMs: [number, number] | undefined;
  const going = (job: EndedRow, reason: PruneReason) => {
    const totals = queues.get(job.queue)!;
    totals.goingJobs++;
    totals.goingBytes += job.bytes;
    byReason[reason]++;
    left -= job.bytes * perByte;
    endedMs = [Math.min(endedMs?.[0] ?? Infinity, job.endedAtMs), Math.max(endedMs?.[1] ?? 0, job.endedAtMs)];
  };
  // Age first, as the server does; one job asked about by itself is the oldest of its queue.
  const kept = ended.filter((job) => {
    if (nextToGo([job], 0, policy, nowMs)?.reason !== "age") return true;
    going(job, "age");
    return false;
  });
  for (const job of kept) {
    if (nextToGo([job], left, policy, nowMs) !== undefined) going(job, "bytes");
  }
  const sorted = [...queues.values()].sort((a, b) => a.queue < b.queue ? -1 : 1);
  return { usedBytes: used, queues: sorted, byReason, endedMs };
}
