/**
 * How far a log's damage reaches: a tail that a crash, or a write under way, left behind, or damage with
 * records in or behind it. The first is cut when a worker opens the log, the second is for a person to
 * decide. Reads only.
 */
import { bytesFrom, type LogBytes } from "../wal/reader.ts";
import { examineEnd } from "../wal/recovery.ts";
import type { Damage } from "../wal/scanner.ts";

export interface DamageExtent {
  /** Whole records behind the damage, which `wal recover` can save. */
  readonly recordsAfter: number;
  /**
   * Nothing valid follows, and opening the log for append cuts it off: no acknowledged append is lost with
   * it.
   */
  readonly isTornTail: boolean;
  /** The damaged record is whole but for its length, and `wal recover` can save it as well. */
  readonly wholeButLength?: true;
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
  const { action, recordsAfter, wholeButLength } = await examineEnd(
    bytesFrom(await open(), goodBytes),
    damage,
  );
  return {
    recordsAfter,
    // Nobody appends to an archive, so nothing that is missing from it was ever "being written".
    isTornTail: action === "cut" && archiveProblem === undefined,
    ...(wholeButLength ? { wholeButLength } : {}),
  };
}
