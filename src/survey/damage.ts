/**
 * How far a log's damage reaches: a tail that a crash, or a write under way, left behind, or damage with records behind it. The first
 * is cut when a worker opens the log, the second is for a person to decide. Reads only.
 */
import { CHECKSUM_BYTES, LENGTH_BYTES, readLength } from "../wal/format.ts";
import { type LogBytes, salvageLog } from "../wal/reader.ts";
import { decideRecovery, isUnfinishedHeader } from "../wal/recovery.ts";
import { type Damage, isAllZeros } from "../wal/scanner.ts";

export interface DamageExtent {
  /** Whole records behind the damage, which `wal recover` can save. */
  readonly recordsAfter: number;
  /** Nothing valid follows, and opening the log for append cuts it off: no acknowledged append is lost with it. */
  readonly isTornTail: boolean;
}

export interface DamagedLog {
  readonly damage: Damage;
  readonly goodBytes: number;
  /** What is wrong with the archive around the log, if it is one. */
  readonly archiveProblem: string | undefined;
}

/** `open` gives the log's bytes from its beginning, those behind the damage of an archive too. */
export async function examineDamage(
  open: () => Promise<LogBytes>,
  { damage, goodBytes, archiveProblem }: DamagedLog,
): Promise<DamageExtent> {
  const recordsAfter = await salvageLog(await open(), goodBytes, () => {});
  // Nobody appends to an archive, so nothing that is missing from it was ever "being written".
  if (archiveProblem !== undefined) return { recordsAfter, isTornTail: false };
  const action = decideRecovery({
    problem: damage.problem,
    validAfter: recordsAfter > 0,
    neverFinished: await isNeverFinished(await open(), damage, goodBytes),
  });
  return { recordsAfter, isTornTail: action === "cut" };
}

/** Whether the bytes prove that what is damaged was never finished: the question that recovery asks, of any source of bytes. */
async function isNeverFinished(bytes: LogBytes, { problem }: Damage, goodBytes: number): Promise<boolean> {
  if (problem === "short_header") return isUnfinishedHeader(await allBytes(bytes));
  if (problem !== "crc_mismatch") return false;
  const start = new Uint8Array(LENGTH_BYTES);
  let offset = 0;
  for await (const chunk of bytes) {
    const end = offset + chunk.length;
    for (let at = Math.max(offset, goodBytes); at < Math.min(end, goodBytes + LENGTH_BYTES); at++) {
      start[at - goodBytes] = chunk[at - offset];
    }
    if (end >= goodBytes + LENGTH_BYTES) {
      const checksumAt = goodBytes + readLength(start, 0) - CHECKSUM_BYTES;
      if (!isAllZeros(chunk.subarray(Math.max(0, checksumAt - offset)))) return false;
    }
    offset = end;
  }
  return true;
}

/** Of a file that ends within its header. */
async function allBytes(bytes: LogBytes): Promise<Uint8Array> {
  const found: number[] = [];
  for await (const chunk of bytes) found.push(...chunk);
  return new Uint8Array(found);
}
