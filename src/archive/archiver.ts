/**
 * Moves a finished log into the archive, so that at every instant the log or its archive is whole and on
 * stable storage (A4 of the durability contract). In this order, with what a crash just after each step
 * leaves behind:
 *
 *      1  lock the log             the log
 *      2  scan it                  the log; a damaged one is never archived
 *      3  write a hidden temporary file in the archive directory, and sync it
 *                                  the log, and a temporary file that `removeStaleTemporaryFiles` takes away
 *      4  read it back and compare it with the log, byte by byte
 *                                  as after 3
 *      5  link it to its name, which never replaces a file
 *                                  the log, and the archive under two names (or, if power fails, only as after 3)
 *      6  remove the temporary name, sync the directory
 *                                  the log and the archive
 *      7  remove the log, sync its directory
 *                                  the archive (or, if power fails, as after 6)
 *
 * From 5 to 7 a later run finds an archive that decompresses to the same bytes, and goes on from 6. The
 * lock is held from 1 to 7: nobody else can append in between, and whoever waited for it finds that the name
 * no longer leads to the file.
 */
import { FileLockedError } from "../platform/file_lock.ts";
import {
  fileName,
  isNoSpaceError,
  type LockedFile,
  type LogFiles,
  parentDirectory,
  systemFiles,
} from "../platform/files.ts";
import type { Logger } from "../platform/logger.ts";
import { LogLockedError, reason } from "../wal/errors.ts";
import { logName, parseLogName } from "../wal/log_name.ts";
import { type LogBytes, READ_BLOCK_BYTES } from "../wal/reader.ts";
import type { Damage } from "../wal/scanner.ts";
import { compressStream } from "./compress.ts";
import { ArchiveDamagedError, ArchiveUnsupportedError, decompressStream } from "./decompress.ts";
import { readLogBytes } from "./log_bytes.ts";
import { type ArchiveSummary, encodeSummary, readSummary } from "./summary.ts";
import { haveSameBytes, measure, replaceBytes, type Replacement, surveyLog } from "./survey.ts";

export interface ArchiveOptions {
  /** The log, named as `log_name.ts` names them. The caller has closed it: the lock is taken here. */
  logPath: string;
  archiveDir: string;
  /** zstd's, 1 to 19. */
  level: number;
  logger: Logger;
  /** Whether the job ended, and with which code, if the caller knows. For the summary. */
  ended?: boolean;
  exitCode?: number;
  /** A seam for tests. */
  files?: LogFiles;
}

export type ArchiveResult =
  /** `already_archived`: an earlier run had come as far as the archive; the log was a leftover. */
  | { outcome: "archived" | "already_archived"; archivePath: string; summary: ArchiveSummary }
  /** The log stays where it is. */
  | { outcome: "damaged"; damage: Damage };

/** Archiving failed. The log stays until its archive is on stable storage, so nothing is lost. */
export class ArchiveError extends Error {
  override readonly name = "ArchiveError";
  constructor(readonly path: string, readonly noSpace: boolean, options: ErrorOptions) {
    super(
      `Cannot archive ${path}: ${
        reason(options.cause)
      }. Nothing is lost: the log is kept until its archive is on ` +
        `stable storage. ${
          noSpace
            ? "Make room on the archive's disk, for example with: airunner wal cleanup"
            : "It is safe to try again"
        }`,
      options,
    );
  }
}

/**
 * Archives one log and removes it.
 * @throws {RangeError} when the file is not named as a log, or the level is none
 * @throws {LogLockedError} when somebody, this process included, has the log open for writing
 * @throws {ArchiveError} for everything else
 */
export async function archiveLog(options: ArchiveOptions): Promise<ArchiveResult> {
  const name = parseLogName(fileName(options.logPath));
  if (name === undefined || !options.logPath.endsWith(".wal")) {
    throw new RangeError(`Cannot archive ${options.logPath}: it is not named as a log, <job-id>.wal`);
  }
  const files = options.files ?? systemFiles;
  let log: LockedFile | undefined;
  try {
    log = await files.open(options.logPath);
    return await new Archiving(options, files, log, name).run();
  } catch (error) {
    if (error instanceof RangeError || error instanceof ArchiveError) throw error;
    if (error instanceof FileLockedError && error.path === options.logPath) {
      throw new LogLockedError(options.logPath, error.ownerPid, { cause: error });
    }
    throw new ArchiveError(options.logPath, isNoSpaceError(error), { cause: error });
  } finally {
    log?.close();
  }
}

interface TemporaryFile {
  path: string;
  file: LockedFile;
}

class Archiving {
  #logBytes = 0;
  #replacement: Replacement | undefined;

  constructor(
    readonly options: ArchiveOptions,
    readonly files: LogFiles,
    readonly log: LockedFile,
    readonly name: { jobId: string; copy: number },
  ) {}

  async run(): Promise<ArchiveResult> {
    this.#logBytes = await this.log.size();
    const survey = await surveyLog(
      readLockedFile(this.log, this.#logBytes),
      this.options.ended === true,
    );
    if (survey.damage !== undefined) return { outcome: "damaged", damage: survey.damage };
    this.#replacement = survey.replacement;
    const summary: ArchiveSummary = {
      schema_version: 1,
      job_id: survey.execution?.job_id ?? this.name.jobId,
      execution: survey.execution?.execution,
      ...survey.events,
      ...await measure(this.#content()),
      ended: this.options.ended,
      exit_code: this.options.exitCode,
      completion: survey.completion,
    };
    await this.files.makeDirectory(this.options.archiveDir);
    const { archivePath, outcome } = await this.#store(summary);
    await this.#removeLog();
    this.options.logger.info("Log archived", {
      job_id: summary.job_id,
      archive: archivePath,
      events: summary.events,
      raw_bytes: summary.raw_bytes,
    });
    return { outcome, archivePath, summary };
  }

  /** What the archive is to decompress to. */
  #content(): LogBytes {
    return replaceBytes(readLockedFile(this.log, this.#logBytes), this.#replacement);
  }

  /** Steps 3 to 6, under the first name that is free or already holds the same content. */
  async #store(
    summary: ArchiveSummary,
  ): Promise<{ archivePath: string; outcome: "archived" | "already_archived" }> {
    let temporary: TemporaryFile | undefined;
    try {
      for (let copy = this.name.copy;; copy++) {
        const archivePath = `${this.options.archiveDir}/${logName(this.name.jobId, copy)}.zst`;
        let found = await this.#compareExisting(archivePath, summary);
        if (found === "nothing") {
          temporary ??= await this.#writeTemporary(fileName(archivePath), summary);
          if (await this.files.link(temporary.path, archivePath)) {
            await this.#discard(temporary);
            temporary = undefined;
            await this.files.syncDirectory(this.options.archiveDir);
            return { archivePath, outcome: "archived" };
          }
          // Somebody took the name in the meantime.
          found = await this.#compareExisting(archivePath, summary);
        }
        if (found === "same") {
          await this.#makeDurable(archivePath);
          return { archivePath, outcome: "already_archived" };
        }
        this.options.logger.warn("Archive name is taken by other content", { archive: archivePath });
      }
    } finally {
      if (temporary !== undefined) await this.#discard(temporary);
    }
  }

  async #compareExisting(path: string, summary: ArchiveSummary): Promise<"nothing" | "same" | "different"> {
    try {
      const theirs = await readSummary(path);
      if (theirs !== undefined && theirs.raw_crc64 !== summary.raw_crc64) return "different";
      // A checksum that agrees is no proof, and on this answer a log is removed.
      return await haveSameBytes(await readLogBytes(path), this.#content()) ? "same" : "different";
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return "nothing";
      // Whatever it is, it is not a copy of this log.
      if (error instanceof ArchiveDamagedError || error instanceof ArchiveUnsupportedError) {
        return "different";
      }
      throw error;
    }
  }

  /** Whoever wrote an existing archive may have ended before its bytes or its name were on stable storage. */
  async #makeDurable(path: string): Promise<void> {
    const archive = await this.files.open(path);
    try {
      await archive.sync();
    } finally {
      archive.close();
    }
    await this.files.syncDirectory(this.options.archiveDir);
  }

  /** Steps 3 and 4. The file stays locked until it is discarded, or it would be taken for a stale one. */
  async #writeTemporary(name: string, summary: ArchiveSummary): Promise<TemporaryFile> {
    const path = `${this.options.archiveDir}/.${name}.tmp-${crypto.randomUUID()}`;
    const file = await this.files.create(path);
    try {
      await writeAll(file, encodeSummary(summary));
      for await (const frame of compressStream(this.#content(), this.options.level)) {
        await writeAll(file, frame);
      }
      await file.sync();
      const archived = decompressStream(readLockedFile(file, await file.size()), path);
      if (!(await haveSameBytes(archived, this.#content()))) {
        throw new Error("what was written does not decompress to the log");
      }
      return { path, file };
    } catch (error) {
      await this.#discard({ path, file });
      throw error;
    }
  }

  /** That a name is left over is no reason to fail: it is found later as stale, and what it leads to is right. */
  async #discard({ path, file }: TemporaryFile): Promise<void> {
    try {
      await this.files.remove(path);
    } catch (error) {
      this.options.logger.warn("Temporary archive could not be removed", { path, error: reason(error) });
    } finally {
      file.close();
    }
  }

  async #removeLog(): Promise<void> {
    // Our programs cannot have written: we hold the lock. Others may not know of it.
    if (await this.log.size() !== this.#logBytes) throw new Error("the log grew while it was archived");
    await this.files.remove(this.options.logPath);
    await this.files.syncDirectory(parentDirectory(this.options.logPath));
  }
}

/** The first `length` bytes of an open file. Each chunk is valid until the next is asked for. */
async function* readLockedFile(file: LockedFile, length: number): LogBytes {
  const block = new Uint8Array(READ_BLOCK_BYTES);
  for (let offset = 0; offset < length;) {
    const count = await file.read(block.subarray(0, length - offset), offset);
    if (count === 0) throw new Error(`it ends at byte ${offset}, and had ${length} bytes before`);
    offset += count;
    yield block.subarray(0, count);
  }
}

async function writeAll(file: LockedFile, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    const count = await file.write(bytes.subarray(at));
    if (count === 0) throw new Error("the file takes no more bytes");
    at += count;
  }
}
