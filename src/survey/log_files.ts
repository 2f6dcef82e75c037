/**
 * Which files of the data directory hold logs: those in use, those that were set aside as damaged, and
 * archives.
 */
import type { Host } from "../platform/host.ts";
import { readFileName } from "../wal/file_names.ts";
import { filesIn, type ListedFile } from "./directory.ts";
import type { Directories } from "./locate.ts";

/** `quarantined`: a log that was set aside because it is damaged. */
export type LogFileKind = "log" | "quarantined" | "archive";

export interface LogFile extends ListedFile {
  readonly kind: LogFileKind;
  /** What the name says; undefined when it is not a name that we would give. */
  readonly jobId: string | undefined;
}

type Looking = Pick<Host, "files" | "clock">;

/** All of them, by path. A directory that does not exist yet holds nothing. */
export async function listLogFiles(host: Looking, { walDir, archiveDir }: Directories): Promise<LogFile[]> {
  // Logs first: one that is archived in between is then seen twice, and not missed.
  const logs = await filesIn(host, walDir);
  const archives = archiveDir === walDir ? [] : await filesIn(host, archiveDir);
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
export async function listLeftovers(
  host: Looking,
  { walDir, archiveDir }: Directories,
): Promise<ListedFile[]> {
  const directories = new Set([walDir, archiveDir]);
  const files = (await Promise.all([...directories].map((directory) => filesIn(host, directory)))).flat();
  const locks = host.files.lockTable();
  return files.filter((file) => readFileName(file.name)?.kind === "temporary" && !locks?.isLocked(file));
}
