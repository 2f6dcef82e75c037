/**
 * The room on the file systems of the data directory, in bytes and in inodes.
 */
import { statfs } from "node:fs";
import { promisify } from "node:util";
import { parentDirectory } from "../platform/files.ts";

export interface DiskRoom {
  /** The directories that lie on it. */
  readonly directories: readonly string[];
  readonly totalBytes: number;
  /** What the system keeps for root does not count. */
  readonly freeBytes: number;
  /** Files that there can be; 0 where the file system has no such limit, as Btrfs. */
  readonly totalInodes: number;
  readonly freeInodes: number;
}

/** One entry for each file system. */
export async function readDiskRoom(directories: readonly string[]): Promise<DiskRoom[]> {
  const rooms = new Map<number, DiskRoom>();
  for (const directory of directories) {
    const there = await existing(directory);
    const { dev } = await Deno.stat(there);
    const known = rooms.get(dev);
    if (known !== undefined) {
      rooms.set(dev, { ...known, directories: [...known.directories, directory] });
      continue;
    }
    const { bavail, blocks, bsize, files, ffree } = await promisify(statfs)(there);
    rooms.set(dev, {
      directories: [directory],
      totalBytes: blocks * bsize,
      freeBytes: bavail * bsize,
      totalInodes: files,
      freeInodes: ffree,
    });
  }
  return [...rooms.values()];
}

/** The directory, or the nearest one above it that exists: there it will be made. */
async function existing(directory: string): Promise<string> {
  for (let at = directory;; at = parentDirectory(at)) {
    try {
      await Deno.stat(at);
      return at;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound) || at === parentDirectory(at)) throw error;
    }
  }
}
