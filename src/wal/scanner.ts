/**
 * Finds the records in a log's bytes, in pieces of any size, and names the first damage. It never throws on
 * bytes and never writes: damage is a result. A length is checked before anything is kept for it, so no file
 * can make it use more than one record's memory. Pure.
 *
 *     short_header   the file ends within its header
 *     bad_magic      not a log at all                     bad_version   a log of a format we do not know
 *     bad_length     under 32 or over 10 MiB              torn_record   the file ends within record or length
 *     zero_tail      nothing but zeros to the end, at least four
 *     crc_mismatch   the record's bytes are not those that were written
 */
import {
  decodeRecord,
  HEADER_BYTES,
  headerProblem,
  isChecksumRight,
  isPossibleLength,
  LENGTH_BYTES,
  readLength,
  VERSION_OFFSET,
  type WalRecord,
} from "./format.ts";

export type Problem =
  | "short_header"
  | "bad_magic"
  | "bad_version"
  | "bad_length"
  | "torn_record"
  | "crc_mismatch"
  | "zero_tail";

export const PROBLEMS: readonly Problem[] = [
  "short_header",
  "bad_magic",
  "bad_version",
  "bad_length",
  "torn_record",
  "crc_mismatch",
  "zero_tail",
];

/** What is wrong, and where in the file it starts, in bytes. */
export interface Damage {
  problem: Problem;
  offset: number;
}

/** `goodBytes` is how much of the file is whole and right: the offset just after the last good record. */
export interface ScanEnd {
  damage: Damage | undefined;
  goodBytes: number;
  records: number;
}

/**
 * Where the scanner is: in the file's header, among its records, among zeros that may reach to the end, or
 * past damage.
 */
type Phase = "header" | "records" | "zeros" | "damaged";

/**
 * Enough for the header and for what is cut at the end of most chunks; it grows with the bytes that come, up
 * to one record.
 */
const CARRY_BYTES_MIN = 4096;

export class Scanner {
  #phase: Phase;
  #damage: Damage | undefined;
  #goodBytes: number;
  #records = 0;
  /** The beginning of a header or record whose rest has not come yet, and how much of it is there. */
  #carry = new Uint8Array(CARRY_BYTES_MIN);
  /** What was carried before: a record that was found in it is valid until the next push. */
  #carriedBefore = new Uint8Array(CARRY_BYTES_MIN);
  #carried = 0;

  /**
   * @param offset where in the file the first pushed byte lies. Anything but 0 must be where a record starts,
   * in a file whose header is known to be right.
   */
  constructor(offset = 0) {
    this.#phase = offset === 0 ? "header" : "records";
    this.#goodBytes = offset;
  }

  /** Where the next record starts, or would. */
  get goodBytes(): number {
    return this.#goodBytes;
  }

  /** The damage found so far. Whether the end is torn is known only to `finish`. */
  get damage(): Damage | undefined {
    return this.#damage;
  }

  /**
   * The records that `chunk` completes. They alias it and the scanner's own memory: valid until the next
   * push.
   */
  push(chunk: Uint8Array): WalRecord[] {
    const found: WalRecord[] = [];
    let at = 0;
    while (at < chunk.length && this.#phase !== "damaged") {
      if (this.#phase === "zeros") {
        this.#expectZeros(chunk.subarray(at));
        break;
      }
      at = this.#carried > 0 || this.#phase === "header"
        ? this.#completeCarried(chunk, at, found)
        : this.#takeWhole(chunk, at, found);
    }
    return found;
  }

  /** Tells the scanner that the file ends here. */
  finish(): ScanEnd {
    if (this.#phase === "header") this.#report("short_header", 0);
    else if (this.#phase === "zeros") this.#report("zero_tail", this.#goodBytes);
    else if (this.#carried > 0) this.#report("torn_record", this.#goodBytes);
    return { damage: this.#damage, goodBytes: this.#goodBytes, records: this.#records };
  }

  /** Takes all records that lie whole in `chunk` and carries the rest of it. Returns where it stopped. */
  #takeWhole(chunk: Uint8Array, start: number, found: WalRecord[]): number {
    const view = new DataView(chunk.buffer, chunk.byteOffset, chunk.length);
    let at = start;
    while (chunk.length - at >= LENGTH_BYTES) {
      const length = readLength(chunk, at);
      if (!isPossibleLength(length)) {
        this.#refuseLength(length);
        // Zeros are looked at again with the rest of the chunk.
        return at;
      }
      if (chunk.length - at < length) break;
      if (!this.#take(chunk, view, at, length, found)) return at;
      at += length;
    }
    this.#keep(chunk.subarray(at));
    return chunk.length;
  }

  /**
   * Adds just enough of `chunk` to what is carried to learn the length, then to have the whole. Returns where
   * it stopped.
   */
  #completeCarried(chunk: Uint8Array, start: number, found: WalRecord[]): number {
    let at = start;
    const wanted = this.#phase === "header"
      ? HEADER_BYTES
      : this.#carried < LENGTH_BYTES
      ? LENGTH_BYTES
      : readLength(this.#carry, 0);
    const taken = Math.min(wanted - this.#carried, chunk.length - at);
    this.#keep(chunk.subarray(at, at + taken));
    at += taken;
    if (this.#carried < wanted) return at;
    if (this.#phase === "header") {
      this.#takeHeader();
    } else if (wanted === LENGTH_BYTES) {
      const length = readLength(this.#carry, 0);
      if (!isPossibleLength(length)) this.#refuseLength(length);
    } else {
      const view = new DataView(this.#carry.buffer);
      this.#carried = 0;
      this.#take(this.#carry, view, 0, wanted, found);
      // The record found aliases this memory, and the same push may need to carry again.
      [this.#carry, this.#carriedBefore] = [this.#carriedBefore, this.#carry];
    }
    return at;
  }

  #takeHeader(): void {
    const problem = headerProblem(this.#carry);
    this.#carried = 0;
    if (problem !== undefined) return this.#report(problem, problem === "bad_version" ? VERSION_OFFSET : 0);
    this.#goodBytes = HEADER_BYTES;
    this.#phase = "records";
  }

  #take(bytes: Uint8Array, view: DataView, at: number, length: number, found: WalRecord[]): boolean {
    if (!isChecksumRight(bytes, at, length)) {
      this.#report("crc_mismatch", this.#goodBytes);
      return false;
    }
    found.push(decodeRecord(bytes, view, at, length, this.#goodBytes));
    this.#goodBytes += length;
    this.#records++;
    return true;
  }

  #refuseLength(length: number): void {
    this.#carried = 0;
    if (length === 0) this.#phase = "zeros";
    else this.#report("bad_length", this.#goodBytes);
  }

  #expectZeros(bytes: Uint8Array): void {
    if (!isAllZeros(bytes)) this.#report("bad_length", this.#goodBytes);
  }

  #report(problem: Problem, offset: number): void {
    this.#damage = { problem, offset };
    this.#phase = "damaged";
    this.#carried = 0;
  }

  #keep(bytes: Uint8Array): void {
    const needed = this.#carried + bytes.length;
    if (needed > this.#carry.length) {
      const larger = new Uint8Array(Math.max(needed, 2 * this.#carry.length));
      larger.set(this.#carry.subarray(0, this.#carried));
      this.#carry = larger;
    }
    this.#carry.set(bytes, this.#carried);
    this.#carried = needed;
  }
}

export function isAllZeros(bytes: Uint8Array): boolean {
  for (let i = 0; i < bytes.length; i++) if (bytes[i] !== 0) return false;
  return true;
}
