/**
 * What damage means, in words for somebody who has never seen the format. Pure.
 */
import type { Damage, Problem } from "../wal/scanner.ts";
import { counted, formatBytes, formatCount, shown } from "../platform/text.ts";

const MEANING: Readonly<Record<Problem, string>> = {
  short_header: "the file ends before its 16-byte header does",
  bad_magic: "the file does not begin with ARWAL001, so it is no log or its start was overwritten",
  bad_version: "the header names a version other than 1, which a newer program may read",
  bad_length: "a record claims a length that no record can have",
  torn_record:
    "the file ends within a record, as after a crash or a full disk, or while the record is being written",
  crc_mismatch: "a record's checksum does not fit its bytes",
  zero_tail: "the file ends in zeros, as after a power failure",
};

export interface Health {
  readonly damage: Damage | undefined;
  readonly records: number;
  readonly goodBytes: number;
  readonly logBytes: number;
  /** What is wrong with the archive around the log; it says itself what to do. */
  readonly archiveProblem: string | undefined;
}

/** `damaged: crc_mismatch at offset 73: 1 good record before it, 262 B behind`, or `whole: 4 records`. */
export function healthLine({ damage, records, goodBytes, logBytes }: Health): string {
  if (!damage) return `whole: ${counted(records, "record")}, every checksum right`;
  const behind = Math.max(0, logBytes - goodBytes);
  return `damaged: ${damage.problem} at offset ${formatCount(damage.offset)}: ` +
    `${counted(records, "good record")} before it, ${formatBytes(behind)} from there on not read`;
}

/** What the damage is; empty when there is none. */
export function damageMeaning({ damage, archiveProblem }: Health): string {
  if (archiveProblem !== undefined) return shown(archiveProblem);
  return damage ? MEANING[damage.problem] : "";
}
