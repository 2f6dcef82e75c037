/**
 * What `server prune` shows before it deletes anything. Pure.
 */
import type { PrunePlan } from "../server/store/sqlite/upkeep/prune_plan.ts";
import {
  counted,
  exactTime,
  formatAge,
  formatBytes,
  formatCount,
  formatTable,
  shown,
  type Style,
} from "../platform/text.ts";

export function renderPlan(path: string, plan: PrunePlan, nowMs: number, style: Style): string {
  const going = plan.queues.filter(({ goingJobs }) => goingJobs > 0);
  const head = `${shown(path)}: ${formatBytes(plan.usedBytes)} in use\n`;
  if (plan.endedMs === undefined) return `${head}  No job is beyond the limits\n`;
  const rows = going.map(({ queue, jobs, goingJobs, goingBytes }) => [
    shown(queue),
    `${formatCount(goingJobs)} of ${formatCount(jobs)}`,
    formatBytes(goingBytes),
  ]);
  const { age, bytes } = plan.byReason;
  const [first, last] = plan.endedMs;
  return head +
    formatTable(
      [{ title: "QUEUE" }, { title: "JOBS", align: "right" }, { title: "EVENTS", align: "right" }],
      rows,
      style,
    ) +
    `${counted(age + bytes, "job")} would go: ${formatCount(age)} for their age, ${
      formatCount(bytes)
    } for the size; ` +
    `the first ended ${formatAge(first, nowMs)}, the last ${formatAge(last, nowMs)}\n`;
}

/** The fixed shape; the order of its keys is part of it. */
export function pruneJson(
  path: string,
  plan: PrunePlan,
  dryRun: boolean,
  deleted: { jobs: number; bytes: number } | undefined,
) {
  return {
    schema_version: 1,
    path,
    dry_run: dryRun,
    used_bytes: plan.usedBytes,
    queues: plan.queues.map(({ queue, jobs, bytes, goingJobs, goingBytes }) => ({
      queue,
      ended_jobs: jobs,
      event_bytes: bytes,
      candidate_jobs: goingJobs,
      candidate_bytes: goingBytes,
    })),
    by_age: plan.byReason.age,
    by_bytes: plan.byReason.bytes,
    first_ended_at: plan.endedMs === undefined ? null : exactTime(plan.endedMs[0]),
    last_ended_at: plan.endedMs === undefined ? null : exactTime(plan.endedMs[1]),
    deleted_jobs: deleted?.jobs ?? 0,
    deleted_bytes: deleted?.bytes ?? 0,
  };
}
