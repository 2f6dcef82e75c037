/**
 * How fast a data directory grows, and when its disk will be full. Pure.
 *
 * Nothing is measured along: files tell by themselves how much was written when. A file counts as written
 * when its last event happened, because its own time is that of the last copy. What was deleted in the
 * meantime is missing, and what other programs write as well: it is an estimate, and says so.
 */

import { DAY_MS } from "../platform/time_units.ts";

export interface WrittenFile {
  readonly bytes: number;
  readonly writtenMs: number;
}

export interface Growth {
  readonly windowMs: number;
  /** Shorter than the window when the oldest file is younger. */
  readonly measuredMs: number;
  readonly bytes: number;
  readonly bytesPerDay: number;
}

/** A first hour says little about a day, less than an hour nothing. */
const MEASURED_MS_MIN = 3_600_000;

export function estimateGrowth(files: readonly WrittenFile[], windowMs: number, nowMs: number): Growth {
  let bytes = 0;
  let oldestMs = nowMs;
  for (const { bytes: fileBytes, writtenMs } of files) {
    if (writtenMs < oldestMs) oldestMs = writtenMs;
    // One from the future, by a clock that was wrong, was written before now all the same.
    if (writtenMs >= nowMs - windowMs) bytes += fileBytes;
  }
  const measuredMs = Math.min(windowMs, Math.max(nowMs - oldestMs, MEASURED_MS_MIN));
  return { windowMs, measuredMs, bytes, bytesPerDay: bytes * DAY_MS / measuredMs };
}

/** `never`: retention deletes as much as is written before the disk is full. `inMs` is from now. */
export type Filling = { readonly kind: "never"; readonly settledBytes: number } | {
  readonly kind: "full";
  readonly inMs: number;
};

/** `usedBytes` is what the logs and archives take now. Undefined when nothing grows. */
export function estimateFilling(
  { bytesPerDay }: Pick<Growth, "bytesPerDay">,
  room: { readonly freeBytes: number; readonly usedBytes: number; readonly retentionDays: number },
): Filling | undefined {
  if (bytesPerDay <= 0) return undefined;
  const settledBytes = bytesPerDay * room.retentionDays;
  if (settledBytes <= room.usedBytes + room.freeBytes) return { kind: "never", settledBytes };
  return { kind: "full", inMs: room.freeBytes / bytesPerDay * DAY_MS };
}
