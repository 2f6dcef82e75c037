/**
 * What directories and files look like, for `airunner doctor`. Reads only.
 */
import type { FileInfo, Files } from "../platform/files.ts";
import { NotADirectory, NotFound } from "../platform/system_errors.ts";
import type { FileFacts, PathFacts } from "./probe.ts";

const PERMISSIONS = 0o7777;

export async function lookAt(files: Files, path: string): Promise<PathFacts | undefined> {
  const link = await ifThere(files.lstat(path));
  if (link === undefined) return undefined;
  const linkTarget = link.isSymlink ? await files.readLink(path) : undefined;
  const info = link.isSymlink ? await ifThere(files.stat(path)) : link;
  const { mode, uid } = info ?? link;
  return {
    kind: info === undefined
      ? "broken_link"
      : info.isDirectory
      ? "directory"
      : info.isFile
      ? "file"
      : "other",
    linkTarget,
    mode: (mode ?? 0) & PERMISSIONS,
    ownerId: uid ?? undefined,
  };
}

type IsLocked = (file: { dev: number; ino: number }) => boolean;

/** So many files are looked at before others get a turn: about a millisecond. */
const FILES_PER_TURN = 256;

export async function listDirectory(
  files: Files,
  directory: string,
  isLocked: IsLocked,
): Promise<FileFacts[]> {
  const entries = await ifThere(files.list(directory)) ?? [];
  const names = entries.filter(({ isFile }) => isFile).map(({ name }) => name);
  const listed: FileFacts[] = [];
  for (const [index, name] of names.entries()) {
    if (index % FILES_PER_TURN === FILES_PER_TURN - 1) await new Promise((resolve) => setTimeout(resolve));
    const path = `${directory}/${name}`;
    const info = statIfThere(files, path);
    if (info?.isFile !== true) continue;
    const { size: bytes, dev, ino, mode, uid, mtime } = info;
    listed.push({
      name,
      path,
      bytes,
      mtimeMs: mtime?.getTime() ?? 0,
      mode: (mode ?? 0) & PERMISSIONS,
      ownerId: uid ?? undefined,
      isLocked: isLocked({ dev, ino: ino ?? 0 }),
    });
  }
  return listed;
}

function statIfThere(files: Files, path: string): FileInfo | undefined {
  try {
    // At once, because a thread for each of ten thousand files would take five times as long.
    return files.lstatNow(path);
  } catch (error) {
    // Removed since the directory was read.
    if (error instanceof NotFound) return undefined;
    throw error;
  }
}

async function ifThere<T>(looking: Promise<T>): Promise<T | undefined> {
  try {
    return await looking;
  } catch (error) {
    if (error instanceof NotFound || error instanceof NotADirectory) return undefined;
    throw error;
  }
}
