/**
 * Decides what opening a log for append does about damage, and so what everybody else says of it: a table
 * over everything that matters, and nothing else. Only what a crash leaves behind, bytes that were never
 * acknowledged, is cut; whatever cannot be decided from the bytes keeps the bytes. Pure.
 *
 *     problem        whole records in or behind it   bytes prove that it was never finished   action
 *     none           -                               -                                        append
 *     torn_record    no                              -                                        cut
 *     zero_tail      no                              -                                        cut
 *     short_header   no                              yes: part of a header, or zeros          cut
 *     crc_mismatch   no                              yes: zeros from its checksum on          cut
 *     any other                                                                               quarantine
 *
 * A whole record *in* the damage is one that only its length is wrong of: its own checksum proves it.
 */
import { CHECKSUM_BYTES, encodeHeader, HEADER_BYTES, readLength, RECORD_OVERHEAD_BYTES } from "./format.ts";
import { type Damage, isAllZeros, type Problem } from "./scanner.ts";
import { Salvager } from "./salvage.ts";
import { TrueLengthSearch } from "./true_length.ts";

export type RecoveryAction = "append" | "cut" | "quarantine";

/** What the bytes say about a log's end. */
export interface RecoveryFacts {
  problem: Problem | undefined;
  /** Whether a whole, valid record lies somewhere after the damage. */
  validAfter: boolean;
  /** Whether the damaged record is whole but for its length. */
  wholeButLength: boolean;
  /** Whether the bytes prove that what is damaged was never finished, so that nobody can rely on it. */
  neverFinished: boolean;
}

export function decideRecovery(facts: RecoveryFacts): RecoveryAction {
  const { problem, neverFinished } = facts;
  const hasRecords = facts.validAfter || facts.wholeButLength;
  switch (problem) {
    case undefined:
      return "append";
    case "torn_record":
    case "zero_tail":
      return hasRecords ? "quarantine" : "cut";
    case "short_header":
    case "crc_mismatch":
      return neverFinished && !hasRecords ? "cut" : "quarantine";
    case "bad_length":
    case "bad_magic":
    case "bad_version":
      return "quarantine";
  }
}

/** What is to be done about a damage, and what lies behind it. */
export interface LogEnd {
  action: RecoveryAction;
  /** Whole records behind the damage, which salvage finds. */
  recordsAfter: number;
  /** The damaged record's own checksum proves it whole: only its length is wrong. */
  wholeButLength: boolean;
}

/**
 * Looks at everything behind the good records, once.
 * @param behindGood the log's bytes from the scan's `goodBytes` on; a chunk may be reused for the next one
 */
export async function examineEnd(
  behindGood: AsyncIterable<Uint8Array>,
  { problem }: Pick<Damage, "problem">,
): Promise<LogEnd> {
  const salvager = new Salvager(0);
  const search = isOfRecord(problem) ? new TrueLengthSearch() : undefined;
  const finished = new FinishedCheck(problem);
  let recordsAfter = 0;
  for await (const chunk of behindGood) {
    finished.push(chunk);
    search?.push(chunk);
    recordsAfter += salvager.push(chunk).length;
  }
  recordsAfter += salvager.finish().length;
  const wholeButLength = search !== undefined && search.lengths.length > 0;
  const action = decideRecovery({
    problem,
    validAfter: recordsAfter > 0,
    wholeButLength,
    neverFinished: finished.isNeverFinished,
  });
  return { action, recordsAfter, wholeButLength };
}

/** Whether a record starts where the damage does. */
function isOfRecord(problem: Problem): boolean {
  return problem === "torn_record" || problem === "crc_mismatch" || problem === "bad_length";
}

/** Whether the bytes prove that what is damaged was never finished. */
class FinishedCheck {
  readonly #start = new Uint8Array(HEADER_BYTES);
  #passed = 0;
  #onlyZeros = true;

  constructor(readonly problem: Problem) {}

  push(bytes: Uint8Array): void {
    if (this.#passed < HEADER_BYTES) {
      this.#start.set(bytes.subarray(0, HEADER_BYTES - this.#passed), this.#passed);
    }
    const from = this.#checksumOffset - this.#passed;
    if (from < bytes.length) this.#onlyZeros &&= isAllZeros(bytes.subarray(Math.max(0, from)));
    this.#passed += bytes.length;
  }

  /**
   * Of the record that starts the bytes; no record is so short that its length has not come when this
   * matters.
   */
  get #checksumOffset(): number {
    return Math.max(RECORD_OVERHEAD_BYTES, readLength(this.#start, 0)) - CHECKSUM_BYTES;
  }

  get isNeverFinished(): boolean {
    if (this.problem === "short_header") return isUnfinishedHeader(this.#start.subarray(0, this.#passed));
    return this.problem === "crc_mismatch" && this.#onlyZeros;
  }
}

/**
 * Whether a file of fewer bytes than a header holds a header that was being written: its first bytes, or
 * zeros for them.
 */
export function isUnfinishedHeader(bytes: Uint8Array): boolean {
  if (bytes.length >= HEADER_BYTES) return false;
  const header = encodeHeader();
  return isAllZeros(bytes) || bytes.every((byte, i) => byte === header[i]);
}
