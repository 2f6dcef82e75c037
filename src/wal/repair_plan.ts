/**
 * What is known of a damaged log, and what is to be made of it: the terms in which the parts of `repair.ts`
 * speak.
 */
import type { LogBytes } from "./reader.ts";
import type { Problem } from "./scanner.ts";

/** Reads the damaged file from its beginning, as often as it is called. */
export type OpenBytes = () => LogBytes | Promise<LogBytes>;

/** Sequences of events, both ends included. */
export interface SequenceRange {
  first: bigint;
  last: bigint;
}

/** Bytes of the file, from `offset` on. */
export interface Stretch {
  offset: number;
  length: number;
}

/** Bytes that no record could be had from, and what is wrong where they start. */
export interface DamagedStretch extends Stretch {
  problem: Problem;
}

/** Bytes that go into the new log. */
export interface KeptStretch extends Stretch {
  /** They are one record without its length, which goes in front of them as this. */
  recordLength?: number;
}

export interface RepairPlan {
  fileBytes: number;
  /** In file order; empty when the log is whole. */
  damaged: DamagedStretch[];
  /** What goes into the new log, in file order; neighbours are joined. */
  kept: KeptStretch[];
  /** Records in `kept`, and how many of them lie in or behind the first damage. */
  records: number;
  salvaged: number;
  /** How many of those that were salvaged were whole but for their length. */
  mended: number;
  /** Whole records that were left out because a job may have written them. */
  distrusted: number;
  /**
   * Acknowledgements that were left out because the damage may hide that an event was refused which they
   * would cover.
   */
  unproven: number;
  /** Failures that were left out because the event that failed is lost. */
  orphaned: number;
  /** Lost events that an acknowledgement proves the server to have. */
  serverHas: SequenceRange[];
}

/** What salvage found, in file order; columns, because a log can have millions. */
export interface Found {
  offsets: number[];
  lengths: number[];
  /** Offsets of execution records where a job may have written them: the first of all, and adoptions. */
  forbidden: Set<number>;
}

/** What stands at a damaged place. */
export interface Start {
  /** What its length field says. Undefined when the file ends within it. */
  length: number | undefined;
  /** Told of the last place only. */
  zerosToEnd: boolean;
  /** The length that a record there is whole with. */
  trueLength: number | undefined;
}
