/**
 * What is at a path, for `airunner doctor`. Reads only.
 */
import type { Files } from "../platform/files.ts";
import { NotADirectory, NotFound } from "../platform/system_errors.ts";
import type { PathFacts } from "./probe.ts";

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

async function ifThere<T>(looking: Promise<T>): Promise<T | undefined> {
  try {
    return await looking;
  } catch (error) {
    if (error instanceof NotFound || error instanceof NotADirectory) return undefined;
    throw error;
  }
}
