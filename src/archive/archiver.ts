/**
 * Moves a finished log into the archive, so that at every instant the log or its archive is whole and on
 * stable storage (A4 of the durability contract). In this order, with what a crash just after each step
 * leaves behind:
 *
 *      1  lock the log             the log
 *      2  scan it                  the log; a damaged one is never archived
 *      3  write a hidden temporary file in the archive directory, and sync it
 *                                  the log, and a temporary file that `removeStaleFiles` takes away
 *      4  read it back and compare it with the log, byte by byte
 *                                  as after 3
 *      5  link it to its name, which never replaces a file
 *                                  the log, and the archive under two names (after a power cut, as after 3)
 *      6  remove the temporary name, sync the directory
 *                                  the log and the archive
 *      7  remove archives of earlier states of this same log, sync the directory
 *                                  as after 6
 *      8  remove the log, sync its directory
 *                                  the archive (or, if power fails, as after 6)
 *
 * An archive that was restored and kept, while its log was gone on with, is such an earlier state: all its
 * bytes are the beginning of the log's. Were it left, its events could be sent again for ever; and it goes
 * before the log does, so that whoever restores it just now still finds the log (`restore.ts`).
 *
 * From 5 to 8 a later run finds an archive that decompresses to the same bytes, and goes on from 6: also when
 * 7 has made names free before that archive's own, so that the log does not get a second one. The lock is
 * held from 1 to 8: nobody else can append in between, and whoever waited for it finds that the name no
 * longer leads to the file.
 */
import type { NextTurn } from "../platform/clock.ts";
import { FileLockedError } from "../platform/file_lock.ts";
import { type Files, isMissing, isNoSpaceError, type LockedFile, writeAll } from "../platform/files.ts";
import { fileName, parentDirectory } from "../platform/path_names.ts";
import type { Logger } from "../platform/logging/logger.ts";
import { type Occupant, type Published, publishFile } from "../platform/publish_file.ts";
import { ZstdEngineError } from "../platform/zstd/engine.ts";
import { distrustEngine } from "../platform/zstd/zstd.ts";
import { NotRegularFileError } from "../platform/regular_file.ts";
import { LogLockedError, reason } from "../wal/errors.ts";
import { archiveName, isOwnLog, logNames, parseLogName } from "../wal/file_names.ts";
import { isSettled } from "../wal/completion.ts";
import { HEADER_BYTES } from "../wal/format.ts";
import { type LogBytes, readBlocks } from "../wal/reader.ts";
import type { Damage } from "../wal/scanner.ts";
import { compressStream } from "./compress.ts";
import { ArchiveDamagedError, ArchiveError, ArchiveUnsupportedError } from "./archive_errors.ts";
import { decompressStream } from "./decompress.ts";
import { readLogBytes } from "./log_bytes.ts";
import { type ArchiveSummary, encodeSummary, readSummary } from "./summary.ts";
import {
  compareBytes,
  haveSameBytes,
  Measure,
  replaceBytes,
  type Replacement,
  surveyLog,
} from "./log_content.ts";

export interface ArchiveOptions {
  files: Files;
  /**
   * Lets everything else in the process have its turn after every few blocks. Left to themselves, blocks that
   * were read meanwhile follow each other for 15 ms and more.
   */
  nextTurn?: NextTurn;
  /** The log, named as `file_names.ts` names them. The caller has closed it: the lock is taken here. */
  logPath: string;
  archiveDir: string;
  /** zstd's, 1 to 19. */
  level: number;
  logger: Logger;
  /** Whether the job ended, and with which code, if the caller knows. For the summary. */
  ended?: boolean;
  exitCode?: number;
}

export type ArchiveResult =
  /** `already_archived`: an earlier run had come as far as the archive; the log was a leftover. */
  | { outcome: "archived" | "already_archived"; archivePath: string; summary: ArchiveSummary }
  /** The log stays where it is. */
  | { outcome: "damaged"; damage: Damage };

/**
 * Archives one log and removes it.
 * @throws {RangeError} when the file is not named as a log, or the level is none
 * @throws {LogLockedError} when somebody, this process included, has the log open for writing
 * @throws {ArchiveError} for everything else
 */
export async function archiveLog(options: ArchiveOptions): Promise<ArchiveResult> {
  const logFile = fileName(options.logPath);
  const name = parseLogName(logFile);
  if (name === undefined || !isOwnLog(logFile)) {
    throw new RangeError(`Cannot archive ${options.logPath}: it is not named as a log, <job-id>.wal`);
  }
  let log: LockedFile | undefined;
  try {
    log = await options.files.open(options.logPath);
    return await new Archiving(options, log, name).run();
  } catch (error) {
    if (error instanceof RangeError || error instanceof ArchiveError) throw error;
    if (error instanceof FileLockedError && error.path === options.logPath) {
      throw new LogLockedError(options.logPath, error);
    }
    throw new ArchiveError(options.logPath, isNoSpaceError(error), { cause: error });
  } finally {
    if (log?.closeAside) await log.closeAside();
    else log?.close();
  }
}

/**
 * Names before an archive's own that a run may have made free by removing earlier states. Each archiving
 * removes all that there are, so it is hardly ever more than one.
 */
const FREED_NAMES_MAX = 8;

class Archiving {
  readonly files: Files;
  #logBytes = 0;
  #replacements: readonly Replacement[] = [];

  constructor(
    readonly options: ArchiveOptions,
    readonly log: LockedFile,
    readonly name: { jobId: string; copy: number },
  ) {
    this.files = options.files;
  }

  async run(): Promise<ArchiveResult> {
    this.#logBytes = await this.log.size();
    const survey = await surveyLog(
      this.#readLog(),
      this.options.ended === true,
    );
    if (survey.damage !== undefined) return { outcome: "damaged", damage: survey.damage };
    this.#replacements = survey.replacements;
    if (survey.replacements.length > 0) await this.#measureReplaced(survey.measure, survey.replacements);
    const summary: ArchiveSummary = {
      schema_version: 1,
      job_id: survey.execution?.job_id ?? this.name.jobId,
      execution: survey.execution?.execution,
      ...survey.events,
      ...survey.measure.result(),
      ended: this.options.ended,
      exit_code: this.options.exitCode,
      completion: survey.completion,
    };
    await this.files.makeDirectory(this.options.archiveDir);
    const { archivePath, outcome } = await this.#store(summary);
    await this.#removeEarlierStates(archivePath);
    await this.#removeLog();
    this.options.logger.info("Log archived", {
      job_id: summary.job_id,
      archive: archivePath,
      events: summary.events,
      raw_bytes: summary.raw_bytes,
    });
    return { outcome, archivePath, summary };
  }

  /** Corrects what was measured of the log into what its content will be: only the beginning differs. */
  async #measureReplaced(measure: Measure, replacements: readonly Replacement[]): Promise<void> {
    const { offset, length } = replacements.at(-1)!;
    const beginningBytes = offset + length;
    const [before, after] = [new Measure(), new Measure()];
    const beginning = () => readLockedFile(this.log, beginningBytes);
    for await (const chunk of beginning()) before.add(chunk);
    for await (const chunk of replaceBytes(beginning(), replacements)) after.add(chunk);
    measure.exchangeBeginning(before, after);
  }

  #readLog(): LogBytes {
    return readLockedFile(this.log, this.#logBytes, this.options.nextTurn);
  }

  /** What the archive is to decompress to. */
  #content(): LogBytes {
    return replaceBytes(this.#readLog(), this.#replacements);
  }

  /** Steps 3 to 6, under the first name that is free or already holds the same content. */
  async #store(
    summary: ArchiveSummary,
  ): Promise<{ archivePath: string; outcome: "archived" | "already_archived" }> {
    const earlier = await this.#findFromEarlierRun(summary);
    if (earlier !== undefined) {
      await this.#makeDurable(earlier);
      return { archivePath: earlier, outcome: "already_archived" };
    }
    const published = await this.#publish(summary);
    const { path: archivePath } = published;
    if (!published.isNew) {
      await this.#makeDurable(archivePath);
      return { archivePath, outcome: "already_archived" };
    }
    published.file.close();
    return { archivePath, outcome: "archived" };
  }

  /** Should the system's zstd fail, or what it wrote be wrong, our own does it once more from the start. */
  async #publish(summary: ArchiveSummary): Promise<Published> {
    try {
      return await this.#publishOnce(summary);
    } catch (error) {
      if (!isOfEngine(error) || !await distrustEngine()) throw error;
      this.options.logger.warn("The system's zstd library failed; the program's own is used from now on", {
        error: reason(error),
      });
      return await this.#publishOnce(summary);
    }
  }

  #publishOnce(summary: ArchiveSummary): Promise<Published> {
    const { archiveDir, logger } = this.options;
    return publishFile({
      files: this.files,
      directory: archiveDir,
      names: this.#names(this.name.copy),
      look: (path) => this.#look(path, summary),
      write: (file) => this.#write(file, summary),
      check: (file) => this.#check(file),
      onLeftover: (path, error) =>
        logger.warn("Temporary archive could not be removed", { path, error: reason(error) }),
    });
  }

  /** This log's archive, when an earlier run had come as far as that. */
  async #findFromEarlierRun(summary: ArchiveSummary): Promise<string | undefined> {
    let free = 0;
    for (const name of this.#names(this.name.copy)) {
      const path = `${this.options.archiveDir}/${name}`;
      const found = await this.#compareExisting(path, summary);
      if (found === "same") return path;
      if (found === "nothing" && ++free > FREED_NAMES_MAX) break;
    }
    return undefined;
  }

  *#names(copy: number): Generator<string> {
    for (const name of logNames(this.name.jobId, copy)) yield archiveName(name);
  }

  async #look(path: string, summary: ArchiveSummary): Promise<Occupant> {
    const found = await this.#compareExisting(path, summary);
    if (found === "different") {
      this.options.logger.warn("Archive name is taken by other content", { archive: path });
    }
    return found;
  }

  async #compareExisting(path: string, summary: ArchiveSummary): Promise<Occupant> {
    try {
      const theirs = await readSummary(this.files, path);
      if (theirs !== undefined && theirs.raw_crc64 !== summary.raw_crc64) return "different";
      // A checksum that agrees is no proof, and on this answer a log is removed.
      return await haveSameBytes(await readLogBytes(this.files, path), this.#content())
        ? "same"
        : "different";
    } catch (error) {
      if (isMissing(error)) return "nothing";
      // Whatever it is, it is not a copy of this log.
      if (isNoArchive(error)) return "different";
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

  async #write(file: LockedFile, summary: ArchiveSummary): Promise<void> {
    await writeAll(file, encodeSummary(summary));
    for await (const frame of compressStream(this.#content(), this.options.level)) {
      await writeAll(file, frame);
    }
  }

  async #check(file: LockedFile): Promise<void> {
    const archived = decompressStream(readLockedFile(file, await file.size()), this.options.archiveDir);
    if (!(await haveSameBytes(archived, this.#content()))) {
      throw new WrongContentError("what was written does not decompress to the log");
    }
  }

  /** Those of a lower number only: a restored log gets the number of its archive, or a higher one. */
  async #removeEarlierStates(archivePath: string): Promise<void> {
    const { archiveDir, logger } = this.options;
    let isAnyRemoved = false;
    for (const name of this.#names(1)) {
      const path = `${archiveDir}/${name}`;
      if (path === archivePath) break;
      if (!await this.#isEarlierState(path)) continue;
      const earlier = await this.files.open(path);
      try {
        await this.files.remove(path);
      } finally {
        earlier.close();
      }
      isAnyRemoved = true;
      logger.info("Archive of an earlier state of the log removed", { path, archive: archivePath });
    }
    if (isAnyRemoved) await this.files.syncDirectory(archiveDir);
  }

  /**
   * Whether an archive holds the beginning of this log, its token included, and is not told to be sent
   * already.
   */
  async #isEarlierState(path: string): Promise<boolean> {
    try {
      const theirs = await readSummary(this.files, path);
      if (theirs !== undefined && isDone(theirs)) return false;
      const log = this.#readLog();
      // An archive of no record is the beginning of every log.
      return await hasRecords(this.files, path) &&
        await compareBytes(await readLogBytes(this.files, path), log) === "right_goes_on";
    } catch (error) {
      if (isMissing(error) || isNoArchive(error)) return false;
      throw error;
    }
  }

  async #removeLog(): Promise<void> {
    // Our programs cannot have written: we hold the lock. Others may not know of it.
    if (await this.log.size() !== this.#logBytes) throw new Error("the log grew while it was archived");
    await this.files.remove(this.options.logPath);
    await this.files.syncDirectory(parentDirectory(this.options.logPath));
  }
}

class WrongContentError extends Error {}

/** Whether another engine may do better: the one failed, or what it wrote is not what was to be written. */
function isOfEngine(error: unknown): boolean {
  return error instanceof ZstdEngineError || error instanceof WrongContentError ||
    error instanceof ArchiveDamagedError;
}

/** Nobody sends or completes anything from it. */
function isDone({ pending, failed, completion }: ArchiveSummary): boolean {
  return pending + failed === 0 && isSettled(completion);
}

/** Whether an error says that there is something else than an archive that can be read. */
function isNoArchive(error: unknown): boolean {
  return error instanceof ArchiveDamagedError || error instanceof ArchiveUnsupportedError ||
    error instanceof NotRegularFileError;
}

async function hasRecords(files: Files, path: string): Promise<boolean> {
  let bytes = 0;
  for await (const chunk of await readLogBytes(files, path)) {
    bytes += chunk.length;
    if (bytes > HEADER_BYTES) return true;
  }
  return false;
}

/** So many blocks take 8 ms at most, and a turn takes one: the runtime makes a timer of it. */
const TURN_BLOCKS = 16;

/** The first `length` bytes of an open file. Each chunk is valid until the next is asked for. */
function readLockedFile(file: LockedFile, length: number, nextTurn?: NextTurn): LogBytes {
  let offset = 0;
  let blocks = 0;
  return readBlocks(async (into) => {
    if (offset === length) return 0;
    if (nextTurn !== undefined && ++blocks % TURN_BLOCKS === 0) await new Promise<void>(nextTurn);
    const count = await file.read(into.subarray(0, length - offset), offset);
    if (count === 0) throw new Error(`it ends at byte ${offset}, and had ${length} bytes before`);
    offset += count;
    return count;
  });
}
