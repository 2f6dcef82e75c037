/**
 * The ways in which writing a log can fail, each with what a caller needs to decide what to do next.
 */
import type { FileLockedError } from "../platform/file_lock.ts";
import { isNoSpaceError } from "../platform/files.ts";
import type { Damage, Problem } from "./scanner.ts";

/** Another process, or this one, has the log open for writing. Nothing was touched. */
export class LogLockedError extends Error {
  override name = "LogLockedError";
  /** Undefined when the kernel does not show it. */
  readonly ownerPid: number | undefined;

  constructor(readonly path: string, cause: FileLockedError) {
    const { ownerPid, isOwn } = cause;
    const owner = isOwn ? "this process" : ownerPid === undefined ? "another process" : `process ${ownerPid}`;
    super(
      `Cannot open ${path} for writing: ${owner} is writing it. Nothing was changed; try again when it has ended`,
      { cause },
    );
    this.ownerPid = ownerPid;
  }
}

/** Another program has the directory of logs for itself alone, as a migration does. */
export class DirectoryMovingError extends Error {
  override readonly name = "DirectoryMovingError";
  /** `ownerPid` is undefined when the kernel does not show it. */
  constructor(readonly path: string, readonly ownerPid: number | undefined, options?: ErrorOptions) {
    const owner = ownerPid === undefined ? "Another process" : `Process ${ownerPid}`;
    super(
      `${owner} is moving ${path} to another disk, so the worker did not start. Nothing was changed`,
      options,
    );
  }
}

/** What a quarantined log holds: its good records before the damage, and what salvage found after it. */
export interface QuarantineCounts {
  records: number;
  goodBytes: number;
  pending: number;
  sent: number;
  failed: number;
  salvageable: number;
}

/**
 * The log is damaged in a way that is no crash's, so it was set aside as it is, and takes no more records.
 */
export class LogQuarantinedError extends Error {
  override name = "LogQuarantinedError";
  constructor(
    readonly path: string,
    readonly quarantinePath: string,
    readonly damage: Damage,
    readonly counts: QuarantineCounts,
  ) {
    super(
      `Cannot append to ${path}: ${problemName(damage.problem)} at byte ${damage.offset}. ` +
        `${counts.records} good records before it ` +
        `(${counts.pending} events not sent) and ${counts.salvageable} after it are safe in ${quarantinePath}.`,
    );
  }
}

/**
 * A group of records could not be written. The log is as it was before them, none of them is in it, and they
 * may be appended again, in order, when `cause` has been dealt with.
 */
export class LogWriteError extends Error {
  override name = "LogWriteError";
  constructor(readonly path: string, readonly noSpace: boolean, options: ErrorOptions) {
    super(
      `Cannot write to ${path}: ${reason(options.cause)}. What was written before is safe; ` +
        (noSpace ? "make room on its disk, and writing goes on" : "the write may be tried again"),
      options,
    );
  }
}

/**
 * The log takes no more: its file is in a state that nobody can vouch for, or it was closed. What was durable
 * before is safe.
 */
export class LogSealedError extends Error {
  override name = "LogSealedError";
  constructor(readonly path: string, what: string, options?: ErrorOptions) {
    super(`Cannot write to ${path}: ${what}. What was durable before is safe`, options);
  }
}

/** An event that was written does not read back. */
export class LogReadError extends Error {
  override name = "LogReadError";
  constructor(readonly path: string, readonly offset: number, what: string, options?: ErrorOptions) {
    super(`Cannot read the event at byte ${offset} of ${path}: ${what}. Nothing was removed.`, options);
  }
}

/** What is wrong, in the words that operators search their logs for: the system writes them in many ways. */
export function reason(cause: unknown): string {
  if (isNoSpaceError(cause)) return "no space left on device";
  return cause instanceof Error ? cause.message : String(cause);
}

/** The same for damage; names that operators do not search for are the contract's own. */
export function problemName(problem: Problem): string {
  return problem === "crc_mismatch" ? "CRC64 mismatch" : problem;
}
