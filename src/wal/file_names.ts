/**
 * What the files of a data directory are called, and what a name says: the one place that knows. Pure.
 *
 *     a.wal                        log of job a
 *     a.2.wal                      the second log of job a: the first name was taken by an earlier execution
 *     a.b.wal                      a log under a name that is not ours: it is listed, verified and counted,
 *                                  but nobody takes it up, archives or replays it unless told to by its path
 *     a.wal.zst, a.2.wal.zst       their archives; x.wal.zst is one whatever x is
 *     a.wal.corrupt, a.wal.corrupt-2, …            damaged logs that were set aside
 *     a.wal.cut-270, a.wal.cut-270-2, …            what was cut off the end of a log at byte 270
 *     .a.wal.tmp-UUID                              any of these in the making, or left by a crash
 *
 * Everything else, hidden files above all, is not ours. Job ids come from outside, so one that could leave
 * the directory, hide itself or be taken for another job's file is refused, never used raw.
 */
import { nameToBe } from "../platform/publish_file.ts";

/**
 * Letters, digits, hyphen and underscore. No dot: `a.2` would look like the second log of `a`. At most 128
 * characters, so that the name keeps room for its endings below the 255 bytes that file systems allow.
 */
const SAFE_ID = /^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$/;
const LOG_NAME = /^([A-Za-z0-9][A-Za-z0-9_-]{0,127})(?:\.([2-9]|[1-9][0-9]{1,8}))?\.wal(?:\.zst)?$/;

/**
 * The file name of a job's log; `copy` counts from 1, and the first has no number.
 * @throws {RangeError} when the id is not safe as a file name, or the number is not one.
 */
export function logName(jobId: string, copy = 1): string {
  if (!SAFE_ID.test(jobId)) {
    throw new RangeError(
      `Cannot name a log after the job id ${JSON.stringify(jobId.slice(0, 200))}: ` +
        "only 1 to 128 letters, digits, hyphens and underscores are safe as a file name",
    );
  }
  if (!Number.isInteger(copy) || copy < 1 || copy > 999_999_999) {
    throw new RangeError(`Cannot name a log: ${copy} is not a whole number from 1 on`);
  }
  return copy === 1 ? `${jobId}.wal` : `${jobId}.${copy}.wal`;
}

/**
 * The names that a job's log may take, in the order in which they are tried, from that of number `copy` on.
 */
export function* logNames(jobId: string, copy = 1): Generator<string> {
  for (let number = copy;; number++) yield logName(jobId, number);
}

/** The name of a log's archive. */
export function archiveName(name: string): string {
  return `${name}.zst`;
}

/** The names that a log may get when it is set aside, in the order in which they are tried. */
export function quarantineNames(name: string): Generator<string> {
  return numbered(`${name}.corrupt`);
}

/** The names for the bytes that are cut off a log at `offset`, in the order in which they are tried. */
export function cutNames(name: string, offset: number): Generator<string> {
  return numbered(`${name}.cut-${offset}`);
}

function* numbered(name: string): Generator<string> {
  yield name;
  for (let number = 2;; number++) yield `${name}-${number}`;
}

export type FileKind = "log" | "archive" | "quarantined" | "cut" | "temporary";

export interface FileName {
  kind: FileKind;
  /** The name of the log or archive that the file is, was or was to be; `a.wal` of `a.wal.corrupt-2`. */
  of: string;
  /** Undefined when that is no name that we would give. */
  job: { jobId: string; copy: number } | undefined;
}

const NUMBER = "(?:-(?:[2-9]|[1-9][0-9]+))?";
const QUARANTINED = new RegExp(`^(.+\\.wal)\\.corrupt${NUMBER}$`);
const CUT = new RegExp(`^(.+\\.wal)\\.cut-[0-9]+${NUMBER}$`);

/** What a file in a directory of logs or archives is by its name; undefined when it is not one of ours. */
export function readFileName(name: string): FileName | undefined {
  if (name.startsWith(".")) {
    const made = readFileName(nameToBe(name) ?? "");
    return made && { ...made, kind: "temporary" };
  }
  const aside = QUARANTINED.exec(name);
  if (aside !== null) return named("quarantined", aside[1]);
  const cut = CUT.exec(name);
  if (cut !== null) return named("cut", cut[1]);
  if (name.endsWith(".wal.zst")) return named("archive", name);
  return name.endsWith(".wal") ? named("log", name) : undefined;
}

function named(kind: FileKind, of: string): FileName {
  return { kind, of, job: parseLogName(of) };
}

/**
 * Whether a worker takes up, archives and replays the file by itself: a log under a name that we would give.
 */
export function isOwnLog(name: string): boolean {
  const found = readFileName(name);
  return found?.kind === "log" && found.job !== undefined;
}

/** What a log's or an archive's file name says, or undefined when it is not such a name. */
export function parseLogName(name: string): { jobId: string; copy: number } | undefined {
  const match = LOG_NAME.exec(name);
  return match === null
    ? undefined
    : { jobId: match[1], copy: match[2] === undefined ? 1 : Number(match[2]) };
}
