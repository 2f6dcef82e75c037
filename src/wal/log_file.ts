/**
 * Brings a log's file into the state in which it can be appended to: locked, whole, synced and under its own
 * name. Either it was just made, or it was found, read, and recovered as `recovery.ts` decides.
 */
import { type Files, isNoSpaceError, type LockedFile, writeAll } from "../platform/files.ts";
import { fileName, parentDirectory } from "../platform/path_names.ts";
import { type Published, publishFile } from "../platform/publish_file.ts";
import { FileLockedError } from "../platform/file_lock.ts";
import type { Logger } from "../platform/logging/logger.ts";
import {
  LogLockedError,
  LogQuarantinedError,
  LogSealedError,
  LogWriteError,
  problemName,
  reason,
} from "./errors.ts";
import { decodeExecution, type Execution, executionRecord, originOf } from "./execution.ts";
import { encodeHeader, encodeRecord, type WalRecord } from "./format.ts";
import { cutNames, quarantineNames } from "./file_names.ts";
import { Ledger, type RecordKind } from "./ledger.ts";
import { PendingTally } from "./pending_tally.ts";
import { readLocked, scanLog } from "./reader.ts";
import { examineEnd } from "./recovery.ts";
import { type Damage, isAllZeros, type ScanEnd } from "./scanner.ts";

/** A file that can be appended to: `bytes` long, all of them good and durable. */
export interface ReadyFile {
  path: string;
  file: LockedFile;
  bytes: number;
  ledger: Ledger;
  /** Length of the pending events' records. */
  pendingBytes: number;
  /** By its latest execution record. */
  execution: Execution | undefined;
  /** Whether that one says that a server adopted it. */
  isAdopted: boolean;
  /** See `originOf`; undefined while there is no record. */
  origin: Uint8Array<ArrayBuffer> | undefined;
}

export interface FileContext {
  files: Files;
  logger: Logger;
}

/**
 * Makes a log under the first of `names` that is free; what a crash leaves behind is told in
 * `publish_file.ts`.
 */
export async function createLogFile(
  { files, logger }: FileContext,
  directory: string,
  names: Iterable<string>,
  execution: Execution,
  nowMs: number,
): Promise<ReadyFile> {
  const record = executionRecord(execution, BigInt(nowMs));
  const start = new Uint8Array([...encodeHeader(), ...encodeRecord(record)]);
  try {
    await files.makeDirectory(directory);
    const write = (file: LockedFile) => writeAll(file, start);
    const { path, file } = await publishNew(files, { directory, names, write });
    const ledger = new Ledger();
    ledger.add(record);
    logger.debug("WAL created", { job_id: execution.job_id, path });
    return {
      path,
      file,
      bytes: start.length,
      ledger,
      pendingBytes: 0,
      execution,
      isAdopted: false,
      origin: originOf(record),
    };
  } catch (cause) {
    throw cause instanceof RangeError
      ? cause
      : new LogWriteError(directory, isNoSpaceError(cause), { cause });
  }
}

interface NewFile {
  directory: string;
  names: Iterable<string>;
  write(file: LockedFile): Promise<void>;
}

async function publishNew(files: Files, what: NewFile): Promise<Published & { isNew: true }> {
  const published = await publishFile({ files, ...what });
  if (!published.isNew) throw new Error("a file was found where none was looked for");
  return published;
}

/** Opens an existing log; see `Log.open`. */
export async function openLogFile(
  context: FileContext,
  path: string,
  onRecord: ((record: WalRecord, kind: RecordKind) => void) | undefined,
): Promise<ReadyFile> {
  const file = await lock(context.files, path);
  try {
    let execution: Execution | undefined;
    let origin: ReadyFile["origin"];
    let isAdopted = false;
    let records = 0;
    const tally = new PendingTally();
    const { ledger, ...end } = await scanLog(readLocked(file, 0), (record, kind) => {
      tally.add(record, kind);
      origin ??= originOf(record);
      if (kind === "execution") {
        isAdopted = records > 0;
        execution = decodeExecution(record.payload);
      }
      records++;
      onRecord?.(record, kind);
    });
    const bytes = end.damage === undefined
      ? end.goodBytes
      : await recover(context, path, file, { ...end, damage: end.damage }, ledger);
    // A crash of the earlier writer alone leaves records that are whole but were never synced, nor perhaps
    // the name.
    await file.sync();
    await context.files.syncDirectory(parentDirectory(path));
    context.logger.debug("WAL opened", { path, records: end.records, pending: ledger.pending });
    return { path, file, bytes, ledger, pendingBytes: tally.sum(ledger).bytes, execution, isAdopted, origin };
  } catch (error) {
    file.close();
    throw error;
  }
}

async function lock(files: Files, path: string): Promise<LockedFile> {
  try {
    return await files.open(path);
  } catch (cause) {
    if (cause instanceof FileLockedError) throw new LogLockedError(path, cause);
    throw cause;
  }
}

/**
 * Cuts what no crash can have left acknowledged, or sets the log aside and throws. Returns the length that
 * remains.
 */
async function recover(
  context: FileContext,
  path: string,
  file: LockedFile,
  end: ScanEnd & { damage: Damage },
  ledger: Ledger,
): Promise<number> {
  const { damage, goodBytes } = end;
  const found = await examineEnd(readLocked(file, goodBytes), damage);
  if (found.action === "cut") {
    const bytes = await cutTail(context, path, file, goodBytes);
    const { problem } = damage;
    context.logger.warn(`WAL tail cut: ${problemName(problem)}`, { path, problem, offset: goodBytes });
    return bytes;
  }
  const quarantinePath = await quarantine(context.files, path);
  const { pending, sent, failed } = ledger;
  const counts = { records: end.records, goodBytes, pending, sent, failed, salvageable: found.recordsAfter };
  throw new LogQuarantinedError(path, quarantinePath, damage, counts);
}

/**
 * Saves the bytes from `goodBytes` on beside the log, durably, before it takes them off. A crash in between
 * saves them twice.
 */
async function cutTail(
  { files }: FileContext,
  path: string,
  file: LockedFile,
  goodBytes: number,
): Promise<number> {
  try {
    if (await file.size() > goodBytes) await saveTail(files, path, file, goodBytes);
  } catch (cause) {
    throw new LogWriteError(path, isNoSpaceError(cause), { cause });
  }
  try {
    await file.truncate(goodBytes);
    if (goodBytes > 0) return goodBytes;
    const header = encodeHeader();
    await writeAll(file, header);
    return header.length;
  } catch (cause) {
    throw new LogSealedError(path, `cutting its torn tail failed (${reason(cause)})`, { cause });
  }
}

async function saveTail(files: Files, path: string, file: LockedFile, offset: number): Promise<void> {
  const saved = await publishNew(files, {
    directory: parentDirectory(path),
    names: cutNames(fileName(path), offset),
    write: async (to) => {
      let length = 0;
      for await (const block of readLocked(file, offset)) {
        length += block.length;
        // Zeros become a hole, which takes no room: a crash can leave gigabytes of them.
        if (isAllZeros(block)) await to.truncate(length);
        else await writeAll(to, block);
      }
    },
  });
  saved.file.close();
}

/**
 * Renames in two steps, because a rename would replace an earlier file of that name. A crash in between
 * leaves both names.
 */
async function quarantine(files: Files, path: string): Promise<string> {
  const directory = parentDirectory(path);
  for (const name of quarantineNames(fileName(path))) {
    if (!await files.link(path, `${directory}/${name}`)) continue;
    await files.remove(path);
    await files.syncDirectory(directory);
    return `${directory}/${name}`;
  }
  throw new Error("every name that a damaged log may get is taken");
}
