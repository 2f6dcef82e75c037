/**
 * Job ids as file names. Ids come from outside, so one that could leave the directory, hide itself or be taken for
 * another job's file is refused, never used raw.
 *
 *     logName("0190a1b2-…")       0190a1b2-….wal
 *     logName("0190a1b2-…", 2)    0190a1b2-….2.wal    (the first name was taken by an earlier execution)
 */

/**
 * Letters, digits, hyphen and underscore. No dot: `a.2` would look like the second log of `a`. At most 128 characters, so that
 * the name keeps room for its endings below the 255 bytes that file systems allow.
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

/** The names that a job's log may take, in the order in which they are tried. */
export function* logNames(jobId: string): Generator<string> {
  for (let copy = 1;; copy++) yield logName(jobId, copy);
}

/** What a log's or an archive's file name says, or undefined when it is not such a name. */
export function parseLogName(name: string): { jobId: string; copy: number } | undefined {
  const match = LOG_NAME.exec(name);
  return match === null
    ? undefined
    : { jobId: match[1], copy: match[2] === undefined ? 1 : Number(match[2]) };
}
