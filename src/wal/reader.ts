/**
 * Reads a log from any source of bytes, in bounded memory. It can never modify one, and it reads a log that
 * is being written: a record that is half written just then looks torn.
 */
import type { Files, LockedFile } from "../platform/files.ts";
import { openRegularFile } from "../platform/regular_file.ts";
import { decodeExecution, type Execution } from "./execution.ts";
import { Ledger, type RecordKind } from "./ledger.ts";
import { type ScanEnd, Scanner } from "./scanner.ts";
import { Salvager } from "./salvage.ts";
import type { WalRecord } from "./format.ts";
import { giveBackReadBlock, takeReadBlock } from "../platform/checksum/crc64.ts";

/** A file's bytes from its beginning. A chunk may be reused for the next one. */
export type LogBytes = AsyncIterable<Uint8Array>;

/** Large enough that system calls do not show, small enough to stay in the processor's cache. */
export const READ_BLOCK_BYTES = 1024 * 1024;
/** Most logs are no larger; a file that fills it is read on in blocks, one ahead. */
const FIRST_BLOCK_BYTES = 64 * 1024;

/**
 * The bytes of a file in blocks of up to 1 MiB, each valid until the next is asked for.
 * @throws {NotRegularFileError}, {NotFound} and the like, when the first block is asked for
 */
export async function* readLogFile(files: Files, path: string): LogBytes {
  using file = await openRegularFile(files, path);
  yield* readBlocks((into) => file.read(into));
}

/** The bytes of an open file from `offset` to its end, in the same way. */
export function readLocked(file: LockedFile, offset = 0): LogBytes {
  return readBlocks(async (into) => {
    const count = await file.read(into, offset);
    offset += count;
    return count;
  });
}

/**
 * What `read` gives, until it gives nothing. While one block is looked at, the next is read already; it comes
 * to lie where its checksums are made.
 * @param read reads on, and returns how many bytes there were
 */
export async function* readBlocks(read: (into: Uint8Array) => Promise<number>): LogBytes {
  const first = new Uint8Array(FIRST_BLOCK_BYTES);
  for (let count = 0; count < first.length;) {
    count = await read(first);
    if (count === 0) return;
    yield first.subarray(0, count);
  }
  let [block, other] = [takeReadBlock(), takeReadBlock()];
  let reading = read(block);
  try {
    for (let count; (count = await reading) > 0;) {
      const ready = block.subarray(0, count);
      [block, other] = [other, block];
      reading = read(block);
      // Its failure is told when its turn has come, and not as one that nobody awaits.
      reading.catch(() => {});
      yield ready;
    }
  } finally {
    // Whoever stops early gets no error of bytes that it did not want, but they must have come.
    await reading.catch(() => {});
    giveBackReadBlock(block);
    giveBackReadBlock(other);
  }
}

/** What comes from `offset` on. */
export async function* bytesFrom(bytes: LogBytes, offset: number): LogBytes {
  let passed = 0;
  for await (const chunk of bytes) {
    const skipped = Math.min(chunk.length, Math.max(0, offset - passed));
    passed += chunk.length;
    if (skipped < chunk.length) yield chunk.subarray(skipped);
  }
}

/**
 * Scans a whole log and tells `onRecord` of each record in file order, with what it is. A record's payload is
 * valid until `onRecord` returns, or its promise settles. Damage ends the records and is part of the result.
 */
export async function scanLog(
  bytes: LogBytes,
  onRecord: (record: WalRecord, kind: RecordKind) => void | Promise<void>,
): Promise<ScanEnd & { ledger: Ledger }> {
  const scanner = new Scanner();
  const ledger = new Ledger();
  for await (const chunk of bytes) {
    for (const record of scanner.push(chunk)) {
      const told = onRecord(record, ledger.add(record));
      if (told !== undefined) await told;
    }
  }
  return { ...scanner.finish(), ledger };
}

/** The execution record is the first of a log, so that the first chunk that holds a record decides. */
export async function firstExecution(bytes: LogBytes): Promise<Execution | undefined> {
  const scanner = new Scanner();
  for await (const chunk of bytes) {
    const [first] = scanner.push(chunk);
    if (first) return first.sequence === 0n ? decodeExecution(first.payload) : undefined;
  }
  return undefined;
}

/**
 * Finds the whole records from `offset` on, that of a damage, and tells `onRecord` of each; a payload is
 * valid until it returns or its promise settles. Returns how many there were.
 */
export async function salvageLog(
  bytes: LogBytes,
  offset: number,
  onRecord: (record: WalRecord) => void | Promise<void>,
): Promise<number> {
  const salvager = new Salvager(offset);
  let count = 0;
  const tell = async (records: WalRecord[]) => {
    for (const record of records) {
      count++;
      await onRecord(record);
    }
  };
  for await (const chunk of bytesFrom(bytes, offset)) await tell(salvager.push(chunk));
  await tell(salvager.finish());
  return count;
}
