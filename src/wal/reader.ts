/**
 * Reads a log from any source of bytes, in bounded memory. It can never modify one, and it reads a log that
 * is being written: a record that is half written just then looks torn.
 */
import type { Files } from "../platform/files.ts";
import { openRegularFile } from "../platform/regular_file.ts";
import { decodeExecution, type Execution } from "./execution.ts";
import { Ledger, type RecordKind } from "./ledger.ts";
import { type ScanEnd, Scanner } from "./scanner.ts";
import { Salvager } from "./salvage.ts";
import type { WalRecord } from "./format.ts";

/** A file's bytes from its beginning. A chunk may be reused for the next one. */
export type LogBytes = AsyncIterable<Uint8Array>;

/** Large enough that system calls do not show, small enough to stay in the processor's cache. */
export const READ_BLOCK_BYTES = 1024 * 1024;

/**
 * The bytes of a file in blocks of up to 1 MiB, each valid until the next is asked for.
 * @throws {NotRegularFileError}, {NotFound} and the like, when the first block is asked for
 */
export async function* readLogFile(files: Files, path: string): LogBytes {
  using file = await openRegularFile(files, path);
  const block = new Uint8Array(READ_BLOCK_BYTES);
  for (let count; (count = await file.read(block)) > 0;) yield block.subarray(0, count);
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
