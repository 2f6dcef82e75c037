/**
 * What a worker removes of its archives: those past their retention, and what crashes left half written.
 */
import type { Clock } from "../platform/clock.ts";
import { DAY_MS } from "../platform/time_units.ts";
import type { Files } from "../platform/files.ts";
import { applyRetention, planRetention, readRetentionEntries } from "../archive/retention.ts";
import { removeStaleFiles } from "../archive/stale_files.ts";
import type { Logger } from "../platform/logging/logger.ts";

export async function removeOldArchives(
  { files, clock, logger }: { files: Files; clock: Clock; logger: Logger },
  archiveDir: string,
  days: number,
): Promise<void> {
  const nowMs = clock.nowMs();
  await removeStaleFiles(archiveDir, { files, logger, nowMs });
  const policy = { olderThanMs: days * DAY_MS };
  const entries = await Array.fromAsync(readRetentionEntries(files, archiveDir, policy, nowMs));
  await applyRetention(planRetention(entries, policy, nowMs), { files, logger });
}
