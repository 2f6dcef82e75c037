/**
 * Decides what opening a log for append does about damage: a table over everything that matters, and nothing else. Only what a
 * crash leaves behind, bytes that were never acknowledged, is cut; whatever cannot be decided from the bytes keeps the bytes.
 *
 *     problem        valid records after it   bytes prove that it was never finished   action
 *     none           -                        -                                        append
 *     torn_record    no                       -                                        cut
 *     zero_tail      no                       -                                        cut
 *     short_header   no                       yes: part of a header, or zeros          cut
 *     crc_mismatch   no                       yes: zeros from its checksum on          cut
 *     any other                                                                        quarantine
 */
import { encodeHeader, HEADER_BYTES } from "./format.ts";
import { isAllZeros, type Problem } from "./scanner.ts";

export type RecoveryAction = "append" | "cut" | "quarantine";

/** What the bytes say about a log's end. */
export interface RecoveryFacts {
  problem: Problem | undefined;
  /** Whether a whole, valid record lies somewhere after the damage. */
  validAfter: boolean;
  /** Whether the bytes prove that what is damaged was never finished, so that nobody can rely on it. */
  neverFinished: boolean;
}

export function decideRecovery({ problem, validAfter, neverFinished }: RecoveryFacts): RecoveryAction {
  switch (problem) {
    case undefined:
      return "append";
    case "torn_record":
    case "zero_tail":
      return validAfter ? "quarantine" : "cut";
    case "short_header":
    case "crc_mismatch":
      return neverFinished && !validAfter ? "cut" : "quarantine";
    case "bad_length":
    case "bad_magic":
    case "bad_version":
      return "quarantine";
  }
}

/** Whether a file of fewer bytes than a header holds a header that was being written: its first bytes, or zeros for them. */
export function isUnfinishedHeader(bytes: Uint8Array): boolean {
  if (bytes.length >= HEADER_BYTES) return false;
  const header = encodeHeader();
  return isAllZeros(bytes) || bytes.every((byte, i) => byte === header[i]);
}
