/**
 * Which job goes next, by age and by size. Pure.
 *
 * Nothing goes unless a limit says so. A job goes whole, and only when it has ended; the one that ended first
 * is the first to go, for age and for size alike. A queue whose jobs are kept for ever keeps them whatever
 * the size.
 */
import type { OldestEnded } from "../store/contract.ts";

export interface RetentionPolicy {
  /** How long a job is kept after its end; undefined: for ever. */
  ageMs: number | undefined;
  /** The same for single queues, which come before `ageMs`; Infinity: for ever. */
  queueAgesMs: ReadonlyMap<string, number>;
  /** How large the database may be, without its free pages; undefined: no limit. */
  bytesMax: number | undefined;
}

export type PruneReason = "age" | "bytes";

export interface Going extends OldestEnded {
  reason: PruneReason;
}

export const KEEP_ALL: RetentionPolicy = { ageMs: undefined, queueAgesMs: new Map(), bytesMax: undefined };

export function isUnlimited({ ageMs, queueAgesMs, bytesMax }: RetentionPolicy): boolean {
  return ageMs === undefined && bytesMax === undefined &&
    [...queueAgesMs.values()].every((age) => age === Infinity);
}

/** Undefined: nothing goes, be it that no limit is reached or that nothing may go. */
export function nextToGo(
  oldest: readonly OldestEnded[],
  usedBytes: number,
  policy: RetentionPolicy,
  nowMs: number,
): Going | undefined {
  const overdue = first(oldest.filter(({ queue, endedAtMs }) => nowMs - endedAtMs > ageOf(queue, policy)));
  if (overdue !== undefined) return { ...overdue, reason: "age" };
  if (policy.bytesMax === undefined || usedBytes <= policy.bytesMax) return undefined;
  const kept = (queue: string) => policy.queueAgesMs.get(queue) === Infinity;
  const largest = first(oldest.filter(({ queue }) => !kept(queue)));
  return largest && { ...largest, reason: "bytes" };
}

function ageOf(queue: string, { ageMs, queueAgesMs }: RetentionPolicy): number {
  return queueAgesMs.get(queue) ?? ageMs ?? Infinity;
}

function first(jobs: readonly OldestEnded[]): OldestEnded | undefined {
  return jobs.reduce<OldestEnded | undefined>(
    (oldest, job) => oldest === undefined || job.endedAtMs < oldest.endedAtMs ? job : oldest,
    undefined,
  );
}
