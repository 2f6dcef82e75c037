/**
 * Directories of many files: which there are, with what the system says of each.
 */
import { type FileEntry, type FileInfo, type Files, isMissing } from "../platform/files.ts";
import type { Host } from "../platform/host.ts";
import { DirectoryUnreadableError } from "./errors.ts";

export interface ListedFile {
  readonly name: string;
  readonly path: string;
  readonly dev: number;
  readonly ino: number;
  readonly bytes: number;
  readonly mtimeMs: number;
  /** Permission bits alone. */
  readonly mode: number;
  /** Undefined where files have no owners. */
  readonly ownerId: number | undefined;
}

const PERMISSIONS = 0o7777;

/** So many files are looked at before others get a turn: about a millisecond. */
export const FILES_PER_TURN = 256;

/** The regular files of a directory, hidden ones included, in no order. @throws {NotFound} and the like */
export async function listFiles(
  { files, clock }: Pick<Host, "files" | "clock">,
  directory: string,
): Promise<ListedFile[]> {
  const entries = await files.list(directory);
  const listed: ListedFile[] = [];
  for (const [index, { name, isFile }] of entries.entries()) {
    if (index % FILES_PER_TURN === FILES_PER_TURN - 1) await clock.sleep(0);
    if (!isFile) continue;
    const path = `${directory}/${name}`;
    // At once, because a thread for each file would take five times as long.
    const info = lookAt(files, path);
    if (info?.isFile !== true) continue;
    const { dev, ino, size: bytes, mtime, mode, uid } = info;
    listed.push({
      name,
      path,
      dev,
      ino: ino ?? 0,
      bytes,
      mtimeMs: mtime?.getTime() ?? 0,
      mode: (mode ?? 0) & PERMISSIONS,
      ownerId: uid ?? undefined,
    });
  }
  return listed;
}

function lookAt(files: Files, path: string): FileInfo | undefined {
  try {
    return files.lstatNow(path);
  } catch (error) {
    // Removed since the directory was read.
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** As `listFiles`; a directory that does not exist yet holds nothing. @throws {DirectoryUnreadableError} */
export async function filesIn(
  host: Pick<Host, "files" | "clock">,
  directory: string,
): Promise<ListedFile[]> {
  return await orNothing(directory, listFiles(host, directory));
}

/**
 * What is in a directory, by name; nothing in one that does not exist yet. @throws {DirectoryUnreadableError}
 */
export async function entriesIn(files: Files, directory: string): Promise<FileEntry[]> {
  const entries = await orNothing(directory, files.list(directory));
  return entries.sort((one, other) => one.name < other.name ? -1 : 1);
}

async function orNothing<T>(directory: string, listing: Promise<T[]>): Promise<T[]> {
  try {
    return await listing;
  } catch (error) {
    if (isMissing(error)) return [];
    throw new DirectoryUnreadableError(directory, error);
  }
}

/** Whether a path leads to a regular file. What is not for us to see is none that we could name. */
export async function isFile(files: Files, path: string): Promise<boolean> {
  try {
    return (await files.stat(path)).isFile;
  } catch {
    return false;
  }
}
