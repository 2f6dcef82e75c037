/**
 * Which archives there are.
 */
import { readFileName } from "../wal/file_names.ts";

const ARCHIVE_SUFFIX = ".wal.zst";

export interface ArchiveEntry {
  name: string;
  path: string;
  /** From the name; of a name that we would not give, what is in front of the suffix. */
  jobId: string;
  bytes: number;
  mtimeMs: number;
}

/** The archives in `directory`, in no order, one at a time. A directory that does not exist has none. */
export async function* listArchives(directory: string): AsyncGenerator<ArchiveEntry> {
  try {
    for await (const { name, isFile } of Deno.readDir(directory)) {
      if (!isFile || readFileName(name)?.kind !== "archive") continue;
      const entry = await describe(`${directory}/${name}`, name);
      if (entry !== undefined) yield entry;
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

async function describe(path: string, name: string): Promise<ArchiveEntry | undefined> {
  try {
    const { size, mtime } = await Deno.lstat(path);
    const jobId = readFileName(name)?.job?.jobId ?? name.slice(0, -ARCHIVE_SUFFIX.length);
    return { name, path, jobId, bytes: size, mtimeMs: mtime?.getTime() ?? 0 };
  } catch (error) {
    // Removed since the directory was read.
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
