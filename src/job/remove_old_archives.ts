/**
 * What a worker removes of its archives: those past their retention, and what crashes left half written.
 */
import { DAY_MS } from "../platform/time_units.ts";
import { applyRetention, planRetention, readRetentionEntries } from "../archive/retention.ts";
import { removeStaleFiles } from "../archive/stale_files.ts";
import type { Logger } from "../platform/logging/logger.ts";

export async function removeOldArchives(
  archiveDir: string,
  days: number,
  nowMs: number,
  logger: Logger,
): Promise<void> {
  await removeStaleFiles(archiveDir, { logger, nowMs });
  const policy = { olderThanMs: days * DAY_MS };
  const entries = await Array.fromAsync(readRetentionEntries(archiveDir, policy, nowMs));
  await applyRetention(planRetention(entries, policy, nowMs), { logger });
}
