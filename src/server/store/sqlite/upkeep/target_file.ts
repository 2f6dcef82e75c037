/**
 * A database file under a new name: whole or not at all, for its owner alone, and never in place of another.
 */
import { FileLockedError } from "../../../../platform/file_lock.ts";
import { type Files, isMissing, isNoSpaceError, type LockedFile } from "../../../../platform/files.ts";
import { fileName, parentDirectory } from "../../../../platform/path_names.ts";
import { nameToBe, publishFile } from "../../../../platform/publish_file.ts";
import { AlreadyExists } from "../../../../platform/system_errors.ts";
import { formatBytes } from "../../../../platform/text.ts";
import { StoreError } from "../../store_error.ts";
import { isFullDiskError } from "../sqlite_errors.ts";

/** What is kept free beside a new file: its directory's entry, and those who write elsewhere on the disk. */
const SPARE_BYTES = 1024 * 1024;

export interface NewFile {
  write(file: LockedFile, hiddenPath: string): Promise<void>;
  check(file: LockedFile, hiddenPath: string): Promise<void>;
}

/** @throws StoreError when the name is taken, hidden or impossible; what `write` and `check` throw */
export async function publishDatabase(files: Files, path: string, { write, check }: NewFile): Promise<void> {
  const directory = parentDirectory(path);
  const name = fileName(path);
  await refuseTaken(files, path);
  await removeStale(files, directory, name);
  try {
    const published = await publishFile({ files, directory, names: [name], write, check });
    if (published.isNew) published.file.close();
  } catch (error) {
    if (error instanceof AlreadyExists) throw taken(path);
    if (error instanceof RangeError) {
      throw new StoreError(`Cannot write ${path}: ${error.message}. Name another file.`, path);
    }
    if (isNoSpaceError(error) || isFullDiskError(error)) {
      throw new StoreError(
        `Cannot write ${path}: the disk is full. Nothing was kept of it; make room and try again.`,
        path,
        {
          cause: error,
        },
      );
    }
    throw error;
  }
}

/**
 * Before anything is written. @throws StoreError
 */
export async function refuseWithoutRoom(files: Files, path: string, bytes: number): Promise<void> {
  await refuseTaken(files, path);
  const { freeBytes } = await files.space(parentDirectory(path));
  if (freeBytes >= bytes + SPARE_BYTES) return;
  throw new StoreError(
    `Cannot write ${path}: it takes ${formatBytes(bytes)}, and there are ${formatBytes(freeBytes)} free. ` +
      "Nothing was written; make room, or name a file on another disk.",
    path,
  );
}

async function refuseTaken(files: Files, path: string): Promise<void> {
  try {
    await files.lstat(path);
  } catch (error) {
    if (isMissing(error)) return;
    throw error;
  }
  throw taken(path);
}

function taken(path: string): StoreError {
  return new StoreError(
    `Cannot write ${path}: there is such a file, and it was not changed. Name another, or take it away first.`,
    path,
  );
}

/** What killed processes left of this file in the making: hidden names whose lock is free. */
export async function removeStale(files: Files, directory: string, name: string): Promise<void> {
  for (const entry of await files.list(directory)) {
    if (nameToBe(entry.name) !== name) continue;
    const path = `${directory}/${entry.name}`;
    try {
      const file = await files.open(path);
      try {
        await files.remove(path);
      } finally {
        file.close();
      }
    } catch (error) {
      // Somebody is making it, or has just finished.
      if (error instanceof FileLockedError || isMissing(error)) continue;
      throw error;
    }
  }
}
