/**
 * Which files of the data directory hold logs: those in use, those that were set aside as damaged, and archives.
 */
import { type ListedFile, listFiles } from "./directory.ts";
import { parseLogName } from "../wal/log_name.ts";
import { DirectoryUnreadableError } from "./errors.ts";
import type { Directories } from "./locate.ts";

/** `quarantined`: a log that was set aside because it is damaged. */
export type LogFileKind = "log" | "quarantined" | "archive";

export interface LogFile extends ListedFile {
  readonly kind: LogFileKind;
  /** What the name says; undefined when it is not a name that we would give. */
  readonly jobId: string | undefined;
}

const QUARANTINE_SUFFIX = /\.corrupt(?:-\d+)?$/;

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
  const { name } = file;
  // Hidden files are logs and archives in the making.
  if (name.startsWith(".")) return [];
  if (name.endsWith(".wal.zst")) return [{ ...file, kind: "archive", jobId: parseLogName(name)?.jobId }];
  if (name.endsWith(".wal")) return [{ ...file, kind: "log", jobId: parseLogName(name)?.jobId }];
  const original = name.replace(QUARANTINE_SUFFIX, "");
  if (original === name) return [];
  return [{ ...file, kind: "quarantined", jobId: parseLogName(original)?.jobId }];
}

async function filesIn(directory: string): Promise<ListedFile[]> {
  try {
    return await listFiles(directory);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw new DirectoryUnreadableError(directory, error);
  }
}
