/**
 * What directories, files and file systems look like, for `airunner doctor`. Reads only.
 */
import { statfs } from "node:fs";
import { promisify } from "node:util";
import { parentDirectory } from "../platform/files.ts";
import { fileSystemKind } from "./file_system_kind.ts";
import type { FileFacts, FileSystemFacts, PathFacts } from "./probe.ts";

const PERMISSIONS = 0o7777;

export async function lookAt(path: string): Promise<PathFacts | undefined> {
  const link = await ifThere(Deno.lstat(path));
  if (link === undefined) return undefined;
  const linkTarget = link.isSymlink ? await Deno.readLink(path) : undefined;
  const info = link.isSymlink ? await ifThere(Deno.stat(path)) : link;
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

export async function listDirectory(directory: string, isLocked: IsLocked): Promise<FileFacts[]> {
  const names: string[] = [];
  await ifThere((async () => {
    for await (const { name, isFile } of Deno.readDir(directory)) if (isFile) names.push(name);
  })());
  const files: FileFacts[] = [];
  for (const [index, name] of names.entries()) {
    if (index % FILES_PER_TURN === FILES_PER_TURN - 1) await new Promise((resolve) => setTimeout(resolve));
    const path = `${directory}/${name}`;
    const info = statIfThere(path);
    if (info?.isFile !== true) continue;
    const { size: bytes, dev, ino, mode, uid, mtime } = info;
    files.push({
      name,
      path,
      bytes,
      mtimeMs: mtime?.getTime() ?? 0,
      mode: (mode ?? 0) & PERMISSIONS,
      ownerId: uid ?? undefined,
      isLocked: isLocked({ dev, ino: ino ?? 0 }),
    });
  }
  return files;
}

function statIfThere(path: string): Deno.FileInfo | undefined {
  try {
    // At once, because a thread for each of ten thousand files would take five times as long.
    return Deno.lstatSync(path);
  } catch (error) {
    // Removed since the directory was read.
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** A directory that is still to be made will be on the file system of the nearest one above it. */
export async function fileSystemOf(path: string): Promise<FileSystemFacts> {
  for (let at = path;; at = parentDirectory(at)) {
    const info = await ifThere(Deno.stat(at));
    if (info === undefined && at !== "/" && at !== ".") continue;
    const { type, bsize, blocks, bavail, files, ffree } = await promisify(statfs)(at);
    return {
      kind: fileSystemKind(type),
      device: info?.dev ?? 0,
      totalBytes: blocks * bsize,
      // What the system keeps for root does not count.
      freeBytes: bavail * bsize,
      totalInodes: files,
      freeInodes: ffree,
    };
  }
}

async function ifThere<T>(looking: Promise<T>): Promise<T | undefined> {
  try {
    return await looking;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return undefined;
    throw error;
  }
}
