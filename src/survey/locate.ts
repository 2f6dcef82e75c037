/**
 * Finds the log that the user means: a job id in the data directory, or the path of a file.
 */
import type { Execution } from "../wal/execution.ts";
import { firstExecution } from "../wal/reader.ts";
import type { Files } from "../platform/files.ts";
import { fileName, parentDirectory } from "../platform/path_names.ts";
import { type FileName, readFileName } from "../wal/file_names.ts";
import { FilesystemLoop, NotFound } from "../platform/system_errors.ts";
import { entriesIn } from "./directory.ts";
import { LogNotFoundError, LogUnreadableError } from "./errors.ts";
import { openLog } from "./open_log.ts";

export interface Directories {
  readonly walDir: string;
  readonly archiveDir: string;
}

export interface Located {
  readonly path: string;
  /** Other files of the same job. */
  readonly others: readonly OtherFile[];
}

export interface OtherFile {
  readonly path: string;
  /** Undefined when the file does not say. */
  readonly execution: Execution | undefined;
}

interface Candidate {
  readonly path: string;
  readonly copy: number;
  readonly active: boolean;
  execution: Execution | undefined;
}

/**
 * The log of the job's latest execution, or the file itself. @throws {LogNotFoundError} when there is none
 */
export async function locateLog(
  files: Files,
  target: string,
  directories: Directories,
): Promise<Located> {
  if (target.includes("/") || await exists(files, target)) return { path: target, others: [] };
  const candidates = await findJob(files, target, directories);
  if (candidates.length === 0) throw await notFound(files, target, directories);
  if (candidates.length > 1) {
    for (const candidate of candidates) candidate.execution = await readExecution(files, candidate.path);
    candidates.sort(laterFirst);
  }
  const [latest, ...others] = candidates;
  return { path: latest.path, others };
}

async function exists(files: Files, path: string): Promise<boolean> {
  try {
    return (await files.stat(path)).isFile;
  } catch (error) {
    // A name that no file can have is the id of a job, or a mistake that the search will report.
    if (error instanceof NotFound || error instanceof FilesystemLoop) return false;
    if (error instanceof TypeError || /name too long/i.test(String(error))) return false;
    throw LogUnreadableError.because(path, error);
  }
}

async function findJob(
  files: Files,
  jobId: string,
  { walDir, archiveDir }: Directories,
): Promise<Candidate[]> {
  const found: Candidate[] = [];
  for (const [directory, active] of [[walDir, true], [archiveDir, false]] as const) {
    for (const name of await namesIn(files, directory)) {
      const { kind, job } = readFileName(name) ?? {};
      if ((kind !== "log" && kind !== "archive") || job?.jobId !== jobId) continue;
      found.push({ path: `${directory}/${name}`, copy: job.copy, active, execution: undefined });
    }
  }
  return found;
}

async function namesIn(files: Files, directory: string): Promise<string[]> {
  return (await entriesIn(files, directory)).map(({ name }) => name);
}

/**
 * File names tell executions apart only within one directory: the log of a new execution takes the first name
 * again once the earlier log has moved into the archive. So the number in the execution record decides first.
 * Of a log and an archive of the same execution the log is the one that still grows.
 */
function laterFirst(one: Candidate, other: Candidate): number {
  const byExecution = (other.execution?.execution ?? 0) - (one.execution?.execution ?? 0);
  const byStart = (other.execution?.started_at_ms ?? 0) - (one.execution?.started_at_ms ?? 0);
  return byExecution || byStart || Number(other.active) - Number(one.active) || other.copy - one.copy;
}

async function readExecution(files: Files, path: string): Promise<Execution | undefined> {
  try {
    return await firstExecution((await openLog(files, path)).bytes);
  } catch {
    // A file that cannot be read still is a file of this job: it is listed, and opening it will say why.
    return undefined;
  }
}

/** The logs of a job that were set aside because they are damaged, by name. */
export async function quarantinedLogs(files: Files, jobId: string, walDir: string): Promise<string[]> {
  return await quarantined(files, walDir, ({ job }) => job?.jobId === jobId);
}

/** The files that were set aside from this very place, by name. */
export async function quarantinedFrom(files: Files, logPath: string): Promise<string[]> {
  return await quarantined(files, parentDirectory(logPath), ({ of }) => of === fileName(logPath));
}

async function quarantined(
  files: Files,
  directory: string,
  isWanted: (name: FileName) => boolean,
): Promise<string[]> {
  const isOne = (name: string) => {
    const found = readFileName(name);
    return found?.kind === "quarantined" && isWanted(found);
  };
  return (await namesIn(files, directory)).filter(isOne).map((name) => `${directory}/${name}`);
}

async function notFound(
  files: Files,
  jobId: string,
  { walDir, archiveDir }: Directories,
): Promise<LogNotFoundError> {
  const [aside] = await quarantinedLogs(files, jobId, walDir);
  return new LogNotFoundError(jobId, [walDir, archiveDir], aside);
}
