/**
 * Which files of the data directory hold logs: those in use, those that were set aside as damaged, and archives.
 */
import { type ListedFile, listFiles } from "./directory.ts";
import { readFileName } from "../wal/file_names.ts";
import { systemFiles } from "../platform/system_files.ts";
import { DirectoryUnreadableError } from "./errors.ts";
import type { Directories } from "./locate.ts";

/** `quarantined`: a log that was set aside because it is damaged. */
export type LogFileKind = "log" | "quarantined" | "archive";

export interface LogFile extends ListedFile {
  readonly kind: LogFileKind;
  /** What the name says; undefined when it is not a name that we would give. */
  readonly jobId: string | undefined;
}

/** All of them, by path. A directory that does not exist yet holds nothing. */
export async function listLogFiles({ walDir, archiveDir }: Directories): Promise<LogFile[]> {
  // Logs first: one that is archived in between is then seen twice, and not missed.
  const logs = await filesIn(walDir);
  const archives = archiveDir === walDir ? [] : await filesIn(archiveDir);
  return [...logs.flatMap(logFile), ...archives.flatMap(logFile)].filter((file) =>
    file.kind === "archive" || file.path.startsWith(`${walDir}/`)
  ).sort((one, other) => one.path < other.path ? -1 : 1);
}

function logFile(file: ListedFile): LogFile[] {
  const { kind, job } = readFileName(file.name) ?? {};
  return kind === "log" || kind === "quarantined" || kind === "archive"
    ? [{ ...file, kind, jobId: job?.jobId }]
    : [];
}

/** What killed processes left in the making, in both directories: hidden files that nobody has locked. */
export async function listLeftovers({ walDir, archiveDir }: Directories): Promise<ListedFile[]> {
  const directories = new Set([walDir, archiveDir]);
  const files = (await Promise.all([...directories].map(filesIn))).flat();
  const locks = systemFiles.lockTable();
  return files.filter((file) => readFileName(file.name)?.kind === "temporary" && !locks?.isLocked(file));
}

async function filesIn(directory: string): Promise<ListedFile[]> {
  try {
    return await listFiles(directory);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw new DirectoryUnreadableError(directory, error);
  }
}
