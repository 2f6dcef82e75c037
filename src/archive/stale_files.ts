/**
 * Takes away what a killed process left in the making: hidden files, old ones, that nobody holds a lock on.
 * They come from making logs (which have a token in them), restoring, recovering and archiving;
 * `publish_file.ts` says why nothing is lost with them.
 */
import { FileLockedError } from "../platform/file_lock.ts";
import { type Files, isMissing } from "../platform/files.ts";
import type { Logger } from "../platform/logging/logger.ts";
import { readFileName } from "../wal/file_names.ts";

/**
 * Whoever makes such a file holds its lock from the first instant on but for the moment between creating and
 * locking it, and where a file system does not show the locks of other hosts. A minute is far more than that
 * moment.
 */
export const STALE_AFTER_MS = 60_000;

/**
 * Removes stale files from one directory and returns how many. The worker calls this when it starts and every
 * day.
 * @param nowMs Unix milliseconds, for their age
 */
export async function removeStaleFiles(
  directory: string,
  { files, logger, nowMs }: { files: Files; logger: Logger; nowMs: number },
): Promise<number> {
  let removed = 0;
  for (const name of await listTemporaryNames(files, directory)) {
    const path = `${directory}/${name}`;
    try {
      if (nowMs - await modifiedMs(files, path) < STALE_AFTER_MS) continue;
      const file = await files.open(path);
      try {
        await files.remove(path);
      } finally {
        file.close();
      }
      removed++;
      logger.info("Stale temporary file removed", { path });
    } catch (error) {
      // Its owner is at work, or has just finished.
      if (error instanceof FileLockedError || isMissing(error)) continue;
      throw error;
    }
  }
  return removed;
}

async function modifiedMs(files: Files, path: string): Promise<number> {
  return (await files.lstat(path)).mtime?.getTime() ?? 0;
}

async function listTemporaryNames(files: Files, directory: string): Promise<string[]> {
  const names: string[] = [];
  try {
    for (const { name, isFile } of await files.list(directory)) {
      if (isFile && readFileName(name)?.kind === "temporary") names.push(name);
    }
  } catch (error) {
    // No directory yet: nothing was ever made in it.
    if (!isMissing(error)) throw error;
  }
  return names;
}
