/**
 * What all logs and archives of a data directory add up to, and how fast they grow. Pure.
 */
import { DAY_MS } from "../platform/time_units.ts";
import type { DiskSpace } from "../platform/disk_space.ts";
import { estimateFilling, estimateGrowth, type Filling, type Growth } from "./growth.ts";
import type { InventoryLog, LogState } from "./inventory.ts";

export interface InventoryTotals {
  readonly states: Readonly<Record<LogState, number>>;
  /** Files that could not be read; their sizes count all the same. */
  readonly unreadable: number;
  readonly logs: { readonly files: number; readonly bytes: number };
  readonly unsent: {
    readonly pending: number;
    readonly pendingBytes: number;
    readonly failed: number;
    readonly oldestMs: number | undefined;
    readonly oldestPath: string | undefined;
  };
  readonly archives: {
    readonly files: number;
    readonly bytes: number;
    /** Of the logs in them, uncompressed. */
    readonly rawBytes: number;
    readonly oldestMs: number | undefined;
  };
}

export function totalInventory(inventory: readonly InventoryLog[]): InventoryTotals {
  const states: Record<LogState, number> = { active: 0, orphaned: 0, corrupt: 0, archived: 0 };
  const logs = { files: 0, bytes: 0 };
  const archives = { files: 0, bytes: 0, rawBytes: 0, oldestMs: undefined as number | undefined };
  const unsent = {
    pending: 0,
    pendingBytes: 0,
    failed: 0,
    oldestMs: undefined as number | undefined,
    oldestPath: undefined as string | undefined,
  };
  let unreadable = 0;
  for (const { file, state, facts } of inventory) {
    states[state]++;
    if (facts === undefined) unreadable++;
    if (file.kind === "archive") {
      archives.files++;
      archives.bytes += file.bytes;
      archives.rawBytes += facts?.rawBytes ?? file.bytes;
      archives.oldestMs = Math.min(archives.oldestMs ?? Infinity, writtenMs({ file, facts }));
    } else {
      logs.files++;
      logs.bytes += file.bytes;
    }
    unsent.pending += facts?.pending ?? 0;
    unsent.pendingBytes += facts?.pendingBytes ?? 0;
    unsent.failed += facts?.failed ?? 0;
    const oldestMs = facts?.oldestPendingMs ?? undefined;
    if (oldestMs !== undefined && oldestMs < (unsent.oldestMs ?? Infinity)) {
      unsent.oldestMs = oldestMs;
      unsent.oldestPath = file.path;
    }
  }
  return { states, unreadable, logs, unsent, archives };
}

/** When a file's last event happened: its own time is that of the last copy. */
function writtenMs({ file, facts }: Pick<InventoryLog, "file" | "facts">): number {
  return facts?.lastEventMs ?? file.mtimeMs;
}

export interface DirectoryGrowth {
  readonly growth: Growth;
  readonly filling: Filling | undefined;
}

const WINDOWS_MS = [DAY_MS, 7 * DAY_MS];

/**
 * By what was written in the last day, and in the last week. The disk that fills is that of the archives:
 * every log ends there.
 */
export function growthOf(
  inventory: readonly InventoryLog[],
  disks: readonly DiskSpace[],
  { archiveDir, retentionDays }: { readonly archiveDir: string; readonly retentionDays: number },
  nowMs: number,
): DirectoryGrowth[] {
  const files = inventory.map((log) => ({ bytes: log.file.bytes, writtenMs: writtenMs(log) }));
  const usedBytes = files.reduce((sum, { bytes }) => sum + bytes, 0);
  const freeBytes = disks.find(({ directories }) => directories.includes(archiveDir))?.freeBytes ?? 0;
  return WINDOWS_MS.map((windowMs) => {
    const growth = estimateGrowth(files, windowMs, nowMs);
    return { growth, filling: estimateFilling(growth, { freeBytes, usedBytes, retentionDays }) };
  });
}
