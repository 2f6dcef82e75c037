/**
 * The orders in which logs can be listed. Pure.
 */
import { isCompletionDue } from "../wal/completion.ts";
import type { InventoryLog } from "./inventory.ts";

export const SORTS = ["urgency", "job", "time", "size", "pending"] as const;
export type Sort = (typeof SORTS)[number];

/** What sorts alike is told by path, so that two listings are the same. */
export function inOrder(logs: readonly InventoryLog[], sort: Sort): InventoryLog[] {
  const compare = COMPARE[sort];
  return [...logs].sort((one, other) => compare(one, other) || byPath(one, other));
}

type Compare = (one: InventoryLog, other: InventoryLog) => number;

const COMPARE: Readonly<Record<Sort, Compare>> = {
  urgency: (one, other) => urgency(one) - urgency(other) || oldest(one) - oldest(other),
  job: (one, other) => compareText(one.facts?.jobId ?? one.file.name, other.facts?.jobId ?? other.file.name),
  time: (one, other) => changed(other) - changed(one),
  size: (one, other) => other.file.bytes - one.file.bytes,
  pending: (one, other) => (other.facts?.pending ?? 0) - (one.facts?.pending ?? 0),
};

/** What somebody has to act on comes first, what looks after itself last. */
function urgency({ state, facts }: InventoryLog): number {
  if (facts === undefined || state === "corrupt") return 0;
  if (facts.failed > 0) return 1;
  if (facts.pending > 0 || isCompletionDue(facts)) return state === "active" ? 3 : 2;
  return state === "active" ? 4 : state === "orphaned" ? 5 : 6;
}

function oldest({ facts }: InventoryLog): number {
  return facts?.oldestPendingMs ?? Number.MAX_SAFE_INTEGER;
}

function changed({ facts, file }: InventoryLog): number {
  return facts?.lastEventMs ?? file.mtimeMs;
}

function byPath(one: InventoryLog, other: InventoryLog): number {
  return compareText(one.file.path, other.file.path);
}

function compareText(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}
