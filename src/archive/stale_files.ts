/**
 * Takes away what a killed archiver left: temporary files that nobody holds a lock on.
 */
import { FileLockedError } from "../platform/file_lock.ts";
import { type LogFiles } from "../platform/files.ts";
import { systemFiles } from "../platform/system_files.ts";
import type { Logger } from "../platform/logging/logger.ts";
import { parseLogName } from "../wal/log_name.ts";

/** As the archiver names them: a dot, the archive's name, and a random UUID. */
const TEMPORARY_NAME = /^\.(.+\.wal\.zst)\.tmp-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export function isTemporaryArchiveName(name: string): boolean {
  const match = TEMPORARY_NAME.exec(name);
  return match !== null && parseLogName(match[1]) !== undefined;
}

/**
 * Removes stale temporary files and returns how many. An archiver holds its file's lock as long as it lives,
 * so a lock that is free proves that it is gone, whatever the file's age and whichever container it ran in.
 * The worker calls this when it starts.
 */
export async function removeStaleTemporaryFiles(
  archiveDir: string,
  { logger, files = systemFiles }: { logger: Logger; files?: LogFiles },
): Promise<number> {
  let removed = 0;
  for (const name of await listTemporaryNames(archiveDir)) {
    const path = `${archiveDir}/${name}`;
    try {
      const file = await files.open(path);
      try {
        await files.remove(path);
      } finally {
        file.close();
      }
      removed++;
      logger.info("Stale temporary archive removed", { path });
    } catch (error) {
      // Its owner is at work, or has just finished.
      if (error instanceof FileLockedError || error instanceof Deno.errors.NotFound) continue;
      throw error;
    }
  }
  return removed;
}

async function listTemporaryNames(directory: string): Promise<string[]> {
  const names: string[] = [];
  try {
    for await (const entry of Deno.readDir(directory)) {
      if (entry.isFile && isTemporaryArchiveName(entry.name)) names.push(entry.name);
    }
  } catch (error) {
    // No directory yet: nothing was ever archived.
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return names;
}
