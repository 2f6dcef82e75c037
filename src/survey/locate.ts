/**
 * Finds the log that the user means: a job id in the data directory, or the path of a file.
 */
import { decodeExecution, type Execution } from "../wal/execution.ts";
import { fileName, parentDirectory } from "../platform/files.ts";
import { type FileName, readFileName } from "../wal/file_names.ts";
import { Scanner } from "../wal/scanner.ts";
import { DirectoryUnreadableError, LogNotFoundError, LogUnreadableError } from "./errors.ts";
import { openLog } from "./open_log.ts";
import { formatTime, shellWord, shown } from "../platform/text.ts";

export interface Directories {
  readonly walDir: string;
  readonly archiveDir: string;
}

export interface Located {
  readonly path: string;
  /** Lines about other files of the same job, for stderr. */
  readonly notes: readonly string[];
}

interface Candidate {
  readonly path: string;
  readonly copy: number;
  readonly active: boolean;
  execution: Execution | undefined;
}

/** The log of the job's latest execution, or the file itself. @throws {LogNotFoundError} when there is none */
export async function locateLog(target: string, directories: Directories): Promise<Located> {
  if (target.includes("/") || await exists(target)) return { path: target, notes: [] };
  const candidates = await findJob(target, directories);
  if (candidates.length === 0) throw await notFound(target, directories);
  if (candidates.length > 1) {
    for (const candidate of candidates) candidate.execution = await readExecution(candidate.path);
    candidates.sort(laterFirst);
  }
  const [latest, ...others] = candidates;
  const notes = others.map((other) => {
    const { execution } = other;
    const what = execution
      ? `execution ${execution.execution}, started ${formatTime(execution.started_at_ms)}`
      : "same job";
    return `Also there: ${shown(shellWord(other.path))} (${shown(what)})`;
  });
  return { path: latest.path, notes };
}

async function exists(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isFile;
  } catch (error) {
    // A name that no file can have is the id of a job, or a mistake that the search will report.
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.FilesystemLoop) return false;
    if (error instanceof TypeError || /name too long/i.test(String(error))) return false;
    throw LogUnreadableError.because(path, error);
  }
}

async function findJob(jobId: string, { walDir, archiveDir }: Directories): Promise<Candidate[]> {
  const found: Candidate[] = [];
  for (const [directory, active] of [[walDir, true], [archiveDir, false]] as const) {
    for (const name of await namesIn(directory)) {
      const { kind, job } = readFileName(name) ?? {};
      if ((kind !== "log" && kind !== "archive") || job?.jobId !== jobId) continue;
      found.push({ path: `${directory}/${name}`, copy: job.copy, active, execution: undefined });
    }
  }
  return found;
}

/** A directory that does not exist yet holds nothing. */
async function namesIn(directory: string): Promise<string[]> {
  try {
    return (await Array.fromAsync(Deno.readDir(directory))).map((entry) => entry.name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw new DirectoryUnreadableError(directory, error);
  }
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

/** The execution record is the first of the file, so the first chunk that holds a record decides. */
async function readExecution(path: string): Promise<Execution | undefined> {
  const scanner = new Scanner();
  try {
    for await (const chunk of (await openLog(path)).bytes) {
      const [first] = scanner.push(chunk);
      if (first) return first.sequence === 0n ? decodeExecution(first.payload) : undefined;
    }
  } catch {
    // A file that cannot be read still is a file of this job: it is listed, and opening it will say why.
  }
  return undefined;
}

/** The logs of a job that were set aside because they are damaged, by name. */
export async function quarantinedLogs(jobId: string, walDir: string): Promise<string[]> {
  return await quarantined(walDir, ({ job }) => job?.jobId === jobId);
}

/** The files that were set aside from this very place, by name. */
export async function quarantinedFrom(logPath: string): Promise<string[]> {
  return await quarantined(parentDirectory(logPath), ({ of }) => of === fileName(logPath));
}

async function quarantined(directory: string, isWanted: (name: FileName) => boolean): Promise<string[]> {
  const isOne = (name: string) => {
    const found = readFileName(name);
    return found?.kind === "quarantined" && isWanted(found);
  };
  return (await namesIn(directory)).filter(isOne).sort().map((name) => `${directory}/${name}`);
}

async function notFound(jobId: string, { walDir, archiveDir }: Directories): Promise<LogNotFoundError> {
  const [aside] = await quarantinedLogs(jobId, walDir);
  return new LogNotFoundError(jobId, [walDir, archiveDir], aside);
}
