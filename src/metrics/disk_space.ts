/**
 * How large the file system of a directory is, and how much of it may still be used.
 */
import { statfs } from "node:fs";
import { promisify } from "node:util";

export interface DiskSpace {
  totalBytes: number;
  /** What the system keeps for root does not count. */
  freeBytes: number;
}

export async function readDiskSpace(directory: string): Promise<DiskSpace> {
  const { bavail, blocks, bsize } = await promisify(statfs)(directory);
  return { totalBytes: blocks * bsize, freeBytes: bavail * bsize };
}
