/**
 * Brings an archive back as a log, so that at every instant the archive or the log is whole and on stable
 * storage: the mirror image of the archiver. In this order, with what a crash just after each step leaves
 * behind:
 *
 *      1  decompress into a hidden temporary file in the directory of logs, sync it, read it back
 *                                          the archive, and a temporary file
 *      2  scan it                          as after 1; what is damaged is not restored
 *      3  link it to a free name, remove the temporary name, sync the directory
 *                                          the archive and the log
 *      4  if asked to, remove the archive and sync its directory
 *                                          the log
 *
 * A later run finds a log with the same bytes after 3, and goes on from 4. Logs only grow, so one that begins
 * with all the bytes of the archive is the same log as well, which somebody has gone on with: to restore the
 * archive beside it would send its events twice.
 *
 * Whoever removes an archive has it locked from before 1 to after 4, and so has the archiver when it removes
 * one: two that restore at once cannot both make a log of it, nor can the second remove an archive of the
 * same name that the first one's log became.
 */
import { FileLockedError } from "../platform/file_lock.ts";
import { type Files, isMissing, isNoSpaceError, type LockedFile } from "../platform/files.ts";
import { fileName, parentDirectory } from "../platform/path_names.ts";
import type { Occupant } from "../platform/publish_file.ts";
import { LogLockedError, reason } from "../wal/errors.ts";
import { decodeExecution } from "../wal/execution.ts";
import { logName, logNames, parseLogName } from "../wal/file_names.ts";
import { readLogFile, scanLog } from "../wal/reader.ts";
import type { Damage } from "../wal/scanner.ts";
import { writeWholeFile } from "../wal/whole_file.ts";
import { ArchiveDamagedError, ArchiveUnsupportedError } from "./archive_errors.ts";
import { readLogBytes } from "./log_bytes.ts";
import { compareBytes } from "./log_content.ts";

export interface RestoreOptions {
  files: Files;
  /** Made by us or by the zstd program; a log that was never compressed will do as well. */
  archivePath: string;
  walDir: string;
  /** Remove the archive once the log is on stable storage. */
  removeArchive: boolean;
}

/** What is in the log that came back. */
export interface RestoredCounts {
  jobId: string;
  events: number;
  pending: number;
  failed: number;
  rawBytes: number;
}

export type RestoreResult =
  /** `already_restored`: a log with the same bytes was there, or one that goes on where they end. */
  | {
    outcome: "restored" | "already_restored";
    logPath: string;
    archiveRemoved: boolean;
    counts: RestoredCounts;
  }
  /** The archive stays as it is and no log was made. */
  | { outcome: "damaged"; damage: Damage | undefined; reason: string };

/** Restoring failed. The archive is kept until the log is on stable storage. */
export class RestoreError extends Error {
  override readonly name = "RestoreError";
  constructor(readonly path: string, readonly noSpace: boolean, why: string, options?: ErrorOptions) {
    super(
      `Cannot restore ${path}: ${why}. Nothing is lost: the archive is as it was` +
        (noSpace ? ". Make room on the disk of the logs, or choose another with --wal-dir" : ""),
      options,
    );
  }
}

/**
 * Restores one archive.
 * @throws {LogLockedError} when somebody else is restoring it, or writing its log; `path` says which
 * @throws {RestoreError} when it cannot be read, named or written
 */
export async function restoreArchive(options: RestoreOptions): Promise<RestoreResult> {
  const { archivePath, walDir, removeArchive, files } = options;
  let archive: LockedFile | undefined;
  try {
    if (removeArchive) archive = await files.open(archivePath);
    const survey = await surveyArchive(files, archivePath);
    if ("reason" in survey) return { outcome: "damaged", ...survey };
    const written = await writeWholeFile({
      files,
      directory: walDir,
      names: logNames(survey.counts.jobId, survey.copy),
      bytes: await readLogBytes(files, archivePath),
      look: (path) => lookAt(files, path, archivePath),
    });
    // Somebody else's copy may not be on stable storage yet, and the archive is removed on the word that it
    // is.
    if (!written.isNew && removeArchive) await makeDurable(files, written.path);
    if (removeArchive) {
      await files.remove(archivePath);
      await files.syncDirectory(parentDirectory(archivePath));
    }
    const outcome = written.isNew ? "restored" : "already_restored";
    return { outcome, logPath: written.path, archiveRemoved: removeArchive, counts: survey.counts };
  } catch (error) {
    if (error instanceof RestoreError) throw error;
    if (error instanceof FileLockedError) {
      throw new LogLockedError(error.path, error);
    }
    throw new RestoreError(archivePath, isNoSpaceError(error), reason(error), { cause: error });
  } finally {
    archive?.close();
  }
}

async function lookAt(files: Files, path: string, archivePath: string): Promise<Occupant> {
  try {
    const found = await compareBytes(readLogFile(files, path), await readLogBytes(files, archivePath));
    return found === "same" || found === "left_goes_on" ? "same" : "different";
  } catch (error) {
    if (isMissing(error)) return "nothing";
    throw error;
  }
}

interface Survey {
  counts: RestoredCounts;
  /**
   * The number in the archive's name: its log gets the same, or when that is taken, the next that is free.
   */
  copy: number;
}

/** Reads all of it before anything is written, so that a damaged archive costs no disk space. */
async function surveyArchive(
  files: Files,
  archivePath: string,
): Promise<Survey | { damage: Damage | undefined; reason: string }> {
  let jobId: string | undefined;
  let rawBytes = 0;
  const counted = async function* () {
    for await (const chunk of await readLogBytes(files, archivePath)) {
      rawBytes += chunk.length;
      yield chunk;
    }
  };
  try {
    const { damage, goodBytes, ledger } = await scanLog(counted(), (record, kind) => {
      if (kind === "execution") jobId = decodeExecution(record.payload)?.job_id;
    });
    if (damage !== undefined) {
      return {
        damage,
        reason: `the log in it has ${damage.problem} at byte ${damage.offset}, after ${goodBytes} good bytes`,
      };
    }
    const named = parseLogName(fileName(archivePath));
    const { events, pending, failed } = ledger;
    const counts = { jobId: named?.jobId ?? safeId(jobId, archivePath), events, pending, failed, rawBytes };
    return { counts, copy: named?.copy ?? 1 };
  } catch (error) {
    if (error instanceof ArchiveDamagedError) return { damage: undefined, reason: error.reason };
    if (error instanceof ArchiveUnsupportedError) {
      throw new RestoreError(archivePath, false, error.reason, { cause: error });
    }
    throw error;
  }
}

function safeId(jobId: string | undefined, path: string): string {
  try {
    if (jobId !== undefined && logName(jobId)) return jobId;
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
  throw new RestoreError(
    path,
    false,
    "neither its name nor its records say which job it is of; name it JOB-ID.wal.zst",
  );
}

async function makeDurable(files: Files, path: string): Promise<void> {
  const log = await files.open(path);
  try {
    await log.sync();
  } finally {
    log.close();
  }
  await files.syncDirectory(parentDirectory(path));
}
