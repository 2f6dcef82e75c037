/**
 * Which archives there are.
 */
import { type Files, isMissing } from "../platform/files.ts";
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
export async function* listArchives(files: Files, directory: string): AsyncGenerator<ArchiveEntry> {
  try {
    for (const { name, isFile } of await files.list(directory)) {
      if (!isFile || readFileName(name)?.kind !== "archive") continue;
      const entry = await describe(files, `${directory}/${name}`, name);
      if (entry !== undefined) yield entry;
    }
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
}

async function describe(files: Files, path: string, name: string): Promise<ArchiveEntry | undefined> {
  try {
    const { size, mtime } = await files.lstat(path);
    const jobId = readFileName(name)?.job?.jobId ?? name.slice(0, -ARCHIVE_SUFFIX.length);
    return { name, path, jobId, bytes: size, mtimeMs: mtime?.getTime() ?? 0 };
  } catch (error) {
    // Removed since the directory was read.
    if (isMissing(error)) return undefined;
    throw error;
  }
}
