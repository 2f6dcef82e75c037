/**
 * Brings a log's file into the state in which it can be appended to: locked, whole, synced and under its own name. Either it was
 * just made, or it was found, read, and recovered as `recovery.ts` decides.
 */
import {
  isNoSpaceError,
  type LockedFile,
  type LogFiles,
  parentDirectory,
  writeAll,
} from "../platform/files.ts";
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
import { decodeExecution, encodeExecution, type Execution } from "./execution.ts";
import {
  CHECKSUM_BYTES,
  encodeHeader,
  encodeRecord,
  LENGTH_BYTES,
  readLength,
  Status,
  type WalRecord,
} from "./format.ts";
import { Ledger, type RecordKind } from "./ledger.ts";
import { PendingTally } from "./pending_tally.ts";
import { type LogBytes, READ_BLOCK_BYTES, salvageLog, scanLog } from "./reader.ts";
import { decideRecovery, isUnfinishedHeader, type RecoveryFacts } from "./recovery.ts";
import { type Damage, isAllZeros, type ScanEnd } from "./scanner.ts";

/** A file that can be appended to: `bytes` long, all of them good and durable. */
export interface ReadyFile {
  path: string;
  file: LockedFile;
  bytes: number;
  ledger: Ledger;
  /** Length of the pending events' records. */
  pendingBytes: number;
  execution: Execution | undefined;
}

export interface FileContext {
  files: LogFiles;
  logger: Logger;
}

/**
 * Makes a log under the first of `names` that is free. It is complete and synced before it gets that name, so no crash leaves half
 * a log there; at worst a hidden temporary file stays behind.
 */
export async function createLogFile(
  { files, logger }: FileContext,
  directory: string,
  names: Iterable<string>,
  execution: Execution,
  nowMs: number,
): Promise<ReadyFile> {
  const record = {
    sequence: 0n,
    status: Status.SENT,
    timestampMs: BigInt(nowMs),
    payload: encodeExecution(execution),
  };
  const start = new Uint8Array([...encodeHeader(), ...encodeRecord(record)]);
  let made: { file: LockedFile; temporaryPath: string } | undefined;
  try {
    await files.makeDirectory(directory);
    for (const name of names) {
      if (!/^[^./][^/]*$/.test(name)) throw new RangeError(`Cannot name a log ${JSON.stringify(name)}`);
      made ??= await createTemporary(files, `${directory}/.${name}.tmp-${crypto.randomUUID()}`, start);
      const path = `${directory}/${name}`;
      if (!await files.link(made.temporaryPath, path)) continue;
      await files.remove(made.temporaryPath);
      await files.syncDirectory(directory);
      const ledger = new Ledger();
      ledger.add(record);
      logger.debug("WAL created", { job_id: execution.job_id, path });
      return { path, file: made.file, bytes: start.length, ledger, pendingBytes: 0, execution };
    }
    throw new Deno.errors.AlreadyExists(
      `every name that the log of job ${execution.job_id} may have is taken`,
    );
  } catch (cause) {
    if (made !== undefined) await discard(files, made.file, made.temporaryPath);
    throw cause instanceof RangeError
      ? cause
      : new LogWriteError(directory, isNoSpaceError(cause), { cause });
  }
}

async function createTemporary(
  files: LogFiles,
  temporaryPath: string,
  bytes: Uint8Array,
): Promise<{ file: LockedFile; temporaryPath: string }> {
  const file = await files.create(temporaryPath);
  try {
    await writeAll(file, bytes);
    await file.sync();
    return { file, temporaryPath };
  } catch (error) {
    await discard(files, file, temporaryPath);
    throw error;
  }
}

/** Undoes the making of a file after an error, which is the one that is reported. */
async function discard(files: LogFiles, file: LockedFile, path: string): Promise<void> {
  file.close();
  try {
    await files.remove(path);
  } catch {
    // The name may be gone already; if not, a file that nobody reads is left over, which does no harm.
  }
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
    const tally = new PendingTally();
    const { ledger, ...end } = await scanLog(readLocked(file, 0), (record, kind) => {
      tally.add(record, kind);
      if (kind === "execution") execution = decodeExecution(record.payload);
      onRecord?.(record, kind);
    });
    const bytes = end.damage === undefined
      ? end.goodBytes
      : await recover(context, path, file, { ...end, damage: end.damage }, ledger);
    // A crash of the earlier writer alone leaves records that are whole but were never synced, nor perhaps the name.
    await file.sync();
    await context.files.syncDirectory(parentDirectory(path));
    context.logger.debug("WAL opened", { path, records: end.records, pending: ledger.pending });
    return { path, file, bytes, ledger, pendingBytes: tally.sum(ledger).bytes, execution };
  } catch (error) {
    file.close();
    throw error;
  }
}

async function lock(files: LogFiles, path: string): Promise<LockedFile> {
  try {
    return await files.open(path);
  } catch (cause) {
    if (cause instanceof FileLockedError) throw new LogLockedError(path, cause.ownerPid, { cause });
    throw cause;
  }
}

/** The bytes from `offset` to the end. Each block is valid until the next is asked for. */
async function* readLocked(file: LockedFile, offset: number): LogBytes {
  const block = new Uint8Array(READ_BLOCK_BYTES);
  for (let count; (count = await file.read(block, offset)) > 0; offset += count) {
    yield block.subarray(0, count);
  }
}

/** Cuts what no crash can have left acknowledged, or sets the log aside and throws. Returns the length that remains. */
async function recover(
  context: FileContext,
  path: string,
  file: LockedFile,
  end: ScanEnd & { damage: Damage },
  ledger: Ledger,
): Promise<number> {
  const { damage, goodBytes } = end;
  const salvageable = await salvageLog(readLocked(file, goodBytes), 0, () => {});
  const facts: RecoveryFacts = {
    problem: damage.problem,
    validAfter: salvageable > 0,
    neverFinished: await isNeverFinished(file, damage, goodBytes),
  };
  if (decideRecovery(facts) === "cut") {
    const bytes = await cutTail(context, path, file, goodBytes);
    const { problem } = damage;
    context.logger.warn(`WAL tail cut: ${problemName(problem)}`, { path, problem, offset: goodBytes });
    return bytes;
  }
  const quarantinePath = await quarantine(context.files, path);
  const { pending, sent, failed } = ledger;
  const counts = { records: end.records, goodBytes, pending, sent, failed, salvageable };
  throw new LogQuarantinedError(path, quarantinePath, damage, counts);
}

async function isNeverFinished(file: LockedFile, { problem }: Damage, goodBytes: number): Promise<boolean> {
  if (problem === "short_header") return isUnfinishedHeader(await readExactly(file, 0, await file.size()));
  if (problem !== "crc_mismatch") return false;
  const length = readLength(await readExactly(file, goodBytes, LENGTH_BYTES), 0);
  for await (const block of readLocked(file, goodBytes + length - CHECKSUM_BYTES)) {
    if (!isAllZeros(block)) return false;
  }
  return true;
}

async function readExactly(file: LockedFile, offset: number, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  for (let done = 0; done < length;) {
    const count = await file.read(bytes.subarray(done), offset + done);
    if (count === 0) throw new Deno.errors.UnexpectedEof(`The file ends at byte ${offset + done}`);
    done += count;
  }
  return bytes;
}

/** Saves the bytes from `goodBytes` on beside the log, durably, before it takes them off. A crash in between saves them twice. */
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

async function saveTail(files: LogFiles, path: string, file: LockedFile, offset: number): Promise<void> {
  const { saved, savedPath } = await createFree(files, `${path}.cut-${offset}`);
  try {
    let length = 0;
    for await (const block of readLocked(file, offset)) {
      length += block.length;
      // Zeros become a hole, which takes no room: a crash can leave gigabytes of them.
      if (isAllZeros(block)) await saved.truncate(length);
      else await writeAll(saved, block);
    }
    await saved.sync();
    await files.syncDirectory(parentDirectory(path));
  } catch (error) {
    await discard(files, saved, savedPath);
    throw error;
  }
  saved.close();
}

async function createFree(files: LogFiles, path: string): Promise<{ saved: LockedFile; savedPath: string }> {
  for (let number = 1;; number++) {
    const savedPath = number === 1 ? path : `${path}-${number}`;
    try {
      return { saved: await files.create(savedPath), savedPath };
    } catch (error) {
      if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    }
  }
}

/** Renames in two steps, because a rename would replace an earlier file of that name. A crash in between leaves both names. */
async function quarantine(files: LogFiles, path: string): Promise<string> {
  for (let number = 1;; number++) {
    const quarantinePath = `${path}.corrupt${number === 1 ? "" : `-${number}`}`;
    if (!await files.link(path, quarantinePath)) continue;
    await files.remove(path);
    await files.syncDirectory(parentDirectory(path));
    return quarantinePath;
  }
}
