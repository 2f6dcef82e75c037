/**
 * Lays a damaged log out from its first damage on: which of the records that salvage found are kept, and what
 * lies between them. Pure.
 */
import { isPossibleLength, LENGTH_BYTES } from "./format.ts";
import type { DamagedStretch, Found, RepairPlan, Start, Stretch } from "./repair_plan.ts";
import type { Damage, Problem } from "./scanner.ts";

/** Bytes that are lost. */
export interface Loss extends Stretch {
  /** They are one record, whose length is right. */
  isOneRecord: boolean;
}

export interface KnownPlaces {
  found: Found;
  starts: ReadonlyMap<number, Start>;
}

/** Adds to the plan what lies behind `goodBytes`, and returns what is lost, in file order. */
export function layOut(plan: RepairPlan, damage: Damage, goodBytes: number, known: KnownPlaces): Loss[] {
  return new Layout(plan, damage, known).run(goodBytes);
}

class Layout {
  #at = 0;
  #next = 0;
  readonly #losses: Loss[] = [];
  readonly #offsets: ReadonlySet<number>;
  readonly #ends: ReadonlySet<number>;

  constructor(readonly plan: RepairPlan, readonly damage: Damage, readonly known: KnownPlaces) {
    const { offsets, lengths } = known.found;
    this.#offsets = new Set(offsets);
    this.#ends = new Set(offsets.map((offset, i) => offset + lengths[i]));
  }

  run(goodBytes: number): Loss[] {
    const { plan, damage, known: { found, starts } } = this;
    this.#at = goodBytes;
    while (this.#at < plan.fileBytes) {
      if (found.offsets[this.#next] === this.#at) {
        this.#keepNext();
        continue;
      }
      const start = starts.get(this.#at);
      const problem = plan.damaged.length === 0 ? damage.problem : this.#problem(start);
      if (start?.trueLength !== undefined) {
        this.#mend(start.trueLength, problem);
        continue;
      }
      const claimedEnd = this.#claimedEnd(start);
      const isOneRecord = claimedEnd !== undefined && this.#isRightEnd(claimedEnd);
      const end = isOneRecord ? claimedEnd : found.offsets[this.#next] ?? plan.fileBytes;
      this.#lose(end, problem, isOneRecord);
    }
    // A file that ends within its header may have no bytes at all.
    if (plan.damaged.length === 0) {
      plan.damaged.push({ problem: damage.problem, offset: goodBytes, length: 0 });
    }
    return this.#losses;
  }

  #claimedEnd(start: Start | undefined): number | undefined {
    return start?.length !== undefined && isPossibleLength(start.length)
      ? this.#at + start.length
      : undefined;
  }

  /**
   * Whether a damaged record's length is right: a whole record, or the end of the file, is just where it
   * leads to. Not if a whole record ends there too: its checksum is where that of the damaged one would have
   * to be, so the length only happens to lead over good neighbours.
   */
  #isRightEnd(end: number): boolean {
    return (end === this.plan.fileBytes || this.#offsets.has(end)) && !this.#ends.has(end);
  }

  #keepNext(): void {
    const { plan, known: { found } } = this;
    const offset = this.#at;
    const length = found.lengths[this.#next++];
    this.#at += length;
    if (found.forbidden.has(offset)) {
      plan.distrusted++;
      this.#losses.push({ offset, length, isOneRecord: true });
      return this.#addDamage({ problem: "bad_magic", offset, length });
    }
    const last = plan.kept[plan.kept.length - 1];
    if (last !== undefined && last.recordLength === undefined && last.offset + last.length === offset) {
      last.length += length;
    } else plan.kept.push({ offset, length });
    plan.records++;
    plan.salvaged++;
  }

  /** Only the length is lost. Records that were found within are a piece of the payload. */
  #mend(recordLength: number, problem: Problem): void {
    const { plan } = this;
    const offset = this.#at;
    this.#addDamage({ problem, offset, length: LENGTH_BYTES });
    plan.kept.push({ offset: offset + LENGTH_BYTES, length: recordLength - LENGTH_BYTES, recordLength });
    plan.records++;
    plan.salvaged++;
    plan.mended++;
    this.#passTo(offset + recordLength);
  }

  #lose(end: number, problem: Problem, isOneRecord: boolean): void {
    const stretch = { offset: this.#at, length: end - this.#at };
    this.#losses.push({ ...stretch, isOneRecord });
    this.#addDamage({ problem, ...stretch });
    this.#passTo(end);
  }

  #passTo(end: number): void {
    for (; this.known.found.offsets[this.#next] < end; this.#next++) this.plan.distrusted++;
    this.#at = end;
  }

  #addDamage(stretch: DamagedStretch): void {
    const last = this.plan.damaged[this.plan.damaged.length - 1];
    // Two that touch are two damaged records, and one stretch of the file.
    if (last !== undefined && last.offset + last.length === stretch.offset) last.length += stretch.length;
    else this.plan.damaged.push(stretch);
  }

  #problem(start: Start | undefined): Problem {
    if (start?.length === undefined) return "torn_record";
    if (start.zerosToEnd) return "zero_tail";
    const claimedEnd = this.#claimedEnd(start);
    if (claimedEnd === undefined) return "bad_length";
    return claimedEnd > this.plan.fileBytes ? "torn_record" : "crc_mismatch";
  }
}
