/**
 * Which files the words on the command line mean, for commands that work on several logs: a job's id means
 * every log and archive of that job, the path of a file that file alone.
 */
import { type Files, isMissing } from "../platform/files.ts";
import { isOwnLog, readFileName } from "../wal/file_names.ts";
import { checkRegularFile } from "../platform/regular_file.ts";
import { type Directories, quarantinedLogs } from "./locate.ts";
import { entriesIn, isFile } from "./directory.ts";
import { LogNotFoundError, LogUnreadableError } from "./errors.ts";

/** `log` lies in the directory of logs, `archive` in that of archives, `file` anywhere else. */
export type TargetKind = "log" | "archive" | "file";

export interface Target {
  readonly path: string;
  readonly kind: TargetKind;
  /** What the file's name says. */
  readonly jobId: string | undefined;
}

/**
 * Every log and every archive, by name; archives first, because one may be an earlier state of a log of the
 * same name.
 */
export async function allTargets(files: Files, { walDir, archiveDir }: Directories): Promise<Target[]> {
  const archives = (await namesIn(files, archiveDir)).filter(isArchive);
  // An archive that somebody named in another way is an archive still; a log of another name is not ours to
  // touch.
  const logs = (await namesIn(files, walDir)).filter(isOwnLog);
  return [
    ...archives.map((name) => named(archiveDir, name, "archive")),
    ...logs.map((name) => named(walDir, name, "log")),
  ];
}

function isArchive(name: string): boolean {
  return readFileName(name)?.kind === "archive";
}

function named(directory: string, name: string, kind: TargetKind): Target {
  return { path: `${directory}/${name}`, kind, jobId: readFileName(name)?.job?.jobId };
}

/** @throws {LogNotFoundError} when a word means nothing */
export async function findTargets(
  files: Files,
  words: readonly string[],
  kinds: readonly TargetKind[],
  directories: Directories,
): Promise<Target[]> {
  const found = new Map<string, Target>();
  for (const word of words) {
    for (const target of await findTarget(files, word, kinds, directories)) found.set(target.path, target);
  }
  return [...found.values()];
}

async function findTarget(
  files: Files,
  word: string,
  kinds: readonly TargetKind[],
  directories: Directories,
): Promise<Target[]> {
  if (word.includes("/") || await isFile(files, word)) return [await targetOfPath(files, word, directories)];
  const targets = (await allTargets(files, directories)).filter(({ jobId, kind }) =>
    jobId === word && kinds.includes(kind)
  );
  if (targets.length === 0) throw await notFound(files, word, kinds, directories);
  return targets;
}

/**
 * A path may lead into one of the two directories in another way than the settings do, as through a symbolic
 * link.
 */
async function targetOfPath(
  files: Files,
  path: string,
  { walDir, archiveDir }: Directories,
): Promise<Target> {
  let real: string;
  try {
    real = await files.realPath(path);
    await checkRegularFile(files, path);
  } catch (error) {
    throw LogUnreadableError.because(path, error);
  }
  const at = real.lastIndexOf("/");
  const [directory, name] = [real.slice(0, at), real.slice(at + 1)];
  if (directory === await realPath(files, walDir) && isOwnLog(name)) return named(walDir, name, "log");
  if (directory === await realPath(files, archiveDir) && isArchive(name)) {
    return named(archiveDir, name, "archive");
  }
  const { kind, job } = readFileName(name) ?? {};
  return { path, kind: "file", jobId: kind === "log" || kind === "archive" ? job?.jobId : undefined };
}

async function realPath(files: Files, directory: string): Promise<string | undefined> {
  try {
    return await files.realPath(directory);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

async function notFound(
  files: Files,
  word: string,
  kinds: readonly TargetKind[],
  { walDir, archiveDir }: Directories,
): Promise<LogNotFoundError> {
  const where = [
    ...(kinds.includes("log") ? [walDir] : []),
    ...(kinds.includes("archive") ? [archiveDir] : []),
  ];
  const [quarantined] = await quarantinedLogs(files, word, walDir);
  return new LogNotFoundError(word, where, quarantined);
}

/** In order, so that two runs do the same. */
async function namesIn(files: Files, directory: string): Promise<string[]> {
  const entries = await entriesIn(files, directory);
  return entries.filter(({ isFile, name }) => isFile && !name.startsWith(".")).map(({ name }) => name);
}
