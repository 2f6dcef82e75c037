/**
 * Decides which archives are old enough to go, and removes them. The decision is pure and comes first:
 * what the server may lack is never deleted, whatever its age, and neither is what cannot be read.
 */
import { type Files, isMissing } from "../platform/files.ts";
import type { Logger } from "../platform/logging/logger.ts";
import { reason } from "../wal/errors.ts";
import { scanLog } from "../wal/reader.ts";
import { type ArchiveEntry, listArchives } from "./archive_list.ts";
import { ArchiveDamagedError, ArchiveUnsupportedError } from "./archive_errors.ts";
import { readLogBytes } from "./log_bytes.ts";
import { readSummary } from "./summary.ts";

export interface RetentionEntry extends ArchiveEntry {
  /** When its content was last news: its last event, or else the file's own time. */
  ageBasisMs: number;
  /** Events that the server is not known to have. Undefined: nobody could tell. */
  pending: number | undefined;
  failed: number | undefined;
}

export interface RetentionPolicy {
  /** Infinity: none goes for its age. */
  olderThanMs: number;
  /** All archives together; beyond it the oldest go even before their time. */
  bytesMax?: number;
  /** So many of the newest stay, whatever their age and size. */
  keepNewest?: number;
  /** Also what the server may lack. For a person who was asked about each one; the worker never sets it. */
  includeUnsent?: boolean;
}

export type DeleteReason = "age" | "size";
/** `pending`, `failed`: the server lacks some of it; `unknown`: it could not be read. */
export type Hindrance = "pending" | "failed" | "unknown";
export type KeepReason = "young" | "newest" | Hindrance;

export interface RetentionPlan {
  /** `lost`: why it would have been kept, had the policy not included what is unsent. */
  delete: { entry: RetentionEntry; reason: DeleteReason; lost?: Hindrance }[];
  keep: { entry: RetentionEntry; reason: KeepReason }[];
}

export function planRetention(
  entries: Iterable<RetentionEntry>,
  { olderThanMs, bytesMax = Infinity, keepNewest = 0, includeUnsent = false }: RetentionPolicy,
  nowMs: number,
): RetentionPlan {
  if (!(olderThanMs >= 0)) throw new RangeError(`An age is 0 or more milliseconds, not ${olderThanMs}`);
  if (!(bytesMax >= 0)) throw new RangeError(`A size is 0 or more bytes, not ${bytesMax}`);
  const plan: RetentionPlan = { delete: [], keep: [] };
  let keptBytes = 0;
  const young: RetentionEntry[] = [];
  const oldestFirst = [...entries].sort((a, b) => a.ageBasisMs - b.ageBasisMs || (a.name < b.name ? -1 : 1));
  const newestFrom = oldestFirst.length - keepNewest;
  const lostWith = (entry: RetentionEntry) => {
    const lost = hindranceOf(entry);
    return lost === undefined ? {} : { lost };
  };
  for (const [at, entry] of oldestFirst.entries()) {
    const hindrance = hindranceOf(entry);
    const isHindered = hindrance !== undefined && !includeUnsent;
    if (!isHindered && at < newestFrom && nowMs - entry.ageBasisMs >= olderThanMs) {
      plan.delete.push({ entry, reason: "age", ...lostWith(entry) });
      continue;
    }
    keptBytes += entry.bytes;
    if (isHindered) plan.keep.push({ entry, reason: hindrance });
    else if (at >= newestFrom) plan.keep.push({ entry, reason: "newest" });
    else young.push(entry);
  }
  for (const entry of young) {
    if (keptBytes <= bytesMax) {
      plan.keep.push({ entry, reason: "young" });
    } else {
      plan.delete.push({ entry, reason: "size", ...lostWith(entry) });
      keptBytes -= entry.bytes;
    }
  }
  return plan;
}

function hindranceOf({ pending, failed }: RetentionEntry): Hindrance | undefined {
  if (pending === undefined || failed === undefined) return "unknown";
  if (pending > 0) return "pending";
  // Given up is not delivered.
  return failed > 0 ? "failed" : undefined;
}

/**
 * The archives in `directory` with all that the plan needs. Those with a summary are not decompressed; the
 * others are read to their end, but only when `policy` could otherwise ask for their removal.
 */
export async function* readRetentionEntries(
  files: Files,
  directory: string,
  policy: RetentionPolicy,
  nowMs: number,
): AsyncGenerator<RetentionEntry> {
  for await (const entry of listArchives(files, directory)) {
    try {
      yield await lookInto(files, entry, policy, nowMs);
    } catch (error) {
      // Removed since it was listed.
      if (!isMissing(error)) throw error;
    }
  }
}

async function lookInto(
  files: Files,
  entry: ArchiveEntry,
  policy: RetentionPolicy,
  nowMs: number,
): Promise<RetentionEntry> {
  const summary = await readSummary(files, entry.path);
  if (summary !== undefined) {
    const { pending, failed, last_ms } = summary;
    return { ...entry, ageBasisMs: last_ms ?? entry.mtimeMs, pending, failed };
  }
  const isCandidate = policy.bytesMax !== undefined || nowMs - entry.mtimeMs >= policy.olderThanMs;
  const counts = isCandidate ? await countUnsent(files, entry.path) : undefined;
  return { ...entry, ageBasisMs: entry.mtimeMs, pending: counts?.pending, failed: counts?.failed };
}

/** Undefined when not every byte of it can be accounted for. */
async function countUnsent(
  files: Files,
  path: string,
): Promise<{ pending: number; failed: number } | undefined> {
  try {
    const { damage, ledger } = await scanLog(await readLogBytes(files, path), () => {});
    return damage === undefined ? { pending: ledger.pending, failed: ledger.failed } : undefined;
  } catch (error) {
    if (error instanceof ArchiveDamagedError || error instanceof ArchiveUnsupportedError) return undefined;
    throw error;
  }
}

export interface RetentionResult {
  deleted: number;
  deletedBytes: number;
  /** What should have been removed and was not. */
  failures: { entry: RetentionEntry; error: unknown }[];
}

/**
 * Removes what `plan` says, or with `dryRun` only counts it. One that cannot be removed does not keep the
 * others.
 */
export async function applyRetention(
  plan: RetentionPlan,
  { files, dryRun = false, logger }: { files: Files; dryRun?: boolean; logger: Logger },
): Promise<RetentionResult> {
  const result: RetentionResult = { deleted: 0, deletedBytes: 0, failures: [] };
  const directories = new Set<string>();
  for (const { entry, reason: why } of plan.delete) {
    try {
      if (!dryRun) {
        await removeUnchanged(files, entry);
        directories.add(entry.path.slice(0, -entry.name.length - 1));
      }
      result.deleted++;
      result.deletedBytes += entry.bytes;
      logger.info(dryRun ? "Archive would be deleted" : "Archive deleted", {
        archive: entry.path,
        reason: why,
      });
    } catch (error) {
      result.failures.push({ entry, error });
      logger.warn("Archive could not be deleted", { archive: entry.path, error: reason(error) });
    }
  }
  for (const directory of directories) await files.syncDirectory(directory);
  return result;
}

/** The plan is about the file that was looked at: one that has taken its name since is left alone. */
async function removeUnchanged(files: Files, entry: RetentionEntry): Promise<void> {
  const { size, mtime } = await files.lstat(entry.path);
  if (size !== entry.bytes || (mtime?.getTime() ?? 0) !== entry.mtimeMs) {
    throw new Error("it has changed since it was looked at");
  }
  await files.remove(entry.path);
}
