/**
 * The room on file systems, seen from directories that may still have to be made.
 */
import type { Files, FileSystemSpace } from "./files.ts";
import { parentDirectory } from "./path_names.ts";
import { NotADirectory, NotFound } from "./system_errors.ts";

export interface DiskSpace extends FileSystemSpace {
  /** The directories that lie on it, of those that were asked for. */
  readonly directories: readonly string[];
}

/** One entry for each file system, in the order of the directories. */
export async function diskSpaceOf(files: Files, directories: readonly string[]): Promise<DiskSpace[]> {
  const disks = new Map<number, DiskSpace>();
  for (const directory of directories) {
    const { path, device } = await nearestExisting(files, directory);
    const known = disks.get(device);
    disks.set(
      device,
      known === undefined
        ? { directories: [directory], ...await files.space(path) }
        : { ...known, directories: [...known.directories, directory] },
    );
  }
  return [...disks.values()];
}

/** The path, or the nearest one above it that exists: there it will be made. */
async function nearestExisting(files: Files, path: string): Promise<{ path: string; device: number }> {
  for (let at = path;; at = parentDirectory(at)) {
    try {
      return { path: at, device: (await files.stat(at)).dev };
    } catch (error) {
      const isMissing = error instanceof NotFound || error instanceof NotADirectory;
      if (!isMissing || at === parentDirectory(at)) throw error;
    }
  }
}

/**
 * How much of a disk is kept free for everything else on it, by the setting `minFreeSpace`: on a small disk a
 * twentieth of it, if that is less. Jobs wait as soon as no more than this is free.
 */
export function keptFreeBytes(totalBytes: number, freeBytesMin: number): number {
  return Math.min(freeBytesMin, totalBytes / 20);
}
