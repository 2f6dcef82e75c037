/**
 * The last step of a job: its log, of which the server has everything, goes to the archive.
 */
import { ArchiveError } from "../archive/archive_errors.ts";
import { archiveLog } from "../archive/archiver.ts";
import type { Logger } from "../platform/logging/logger.ts";
import { problemName } from "../wal/errors.ts";
import type { JobEnd } from "./complete_job.ts";
import type { JobContext } from "./job_context.ts";
import { messageOf } from "../platform/error_text.ts";

/**
 * Archives a log that the server has all of. Failing at that loses nothing: the log stays, and archiving it
 * is tried again together with the search for logs of earlier runs.
 */
export async function archiveDelivered(
  context: JobContext,
  logPath: string,
  end: JobEnd | undefined,
  logger: Logger,
): Promise<void> {
  const { files, nextTurn, settings, archiveDir, observe, logsInHand, logsToArchive } = context;
  if (!settings.archiveOnComplete) return;
  try {
    const result = await archiveLog({
      files,
      nextTurn,
      logPath,
      archiveDir,
      level: settings.compressionLevel,
      logger,
      ended: end !== undefined,
      exitCode: end?.exitCode,
    });
    logsToArchive.delete(logPath);
    if (result.outcome === "damaged") {
      const { problem, offset } = result.damage;
      const message = `Did not archive a damaged log: ${problemName(problem)}. It stays where it is`;
      logger.error(message, { path: logPath, problem, offset });
      return;
    }
    // A file that comes back under this name is a new one.
    logsInHand.delete(logPath);
    observe.archived?.(result.summary.raw_bytes);
  } catch (error) {
    logsToArchive.set(logPath, end);
    logger.error("Could not archive a log - retrying later", { path: logPath, error: explained(error) });
  }
}

/** A log file has no other place for what to do. */
function explained(error: unknown): string {
  const isFull = error instanceof ArchiveError && error.noSpace;
  const next = " Make room on the archive's disk, for example with: airunner wal cleanup";
  return messageOf(error) + (isFull ? next : "");
}
