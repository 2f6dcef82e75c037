/**
 * Where a reader of a job's events is, so that it can go on after a broken stream without repeating or losing
 * an event, and notices what it was not sent. Pure.
 *
 *     stream          1, 2, 5 (a batch 5..9) |broken|
 *     opened again    from 5: 5 (seen, and the same bytes: go on), 10, 11
 *     stream          1, 2, 4: 3 is missing, so 4 is not taken; open the stream again from 2
 *
 * The protocol does not say to which execution an event belongs, and a new one starts at sequence 1 again. So
 * a stream is opened again *with* the last event: if that comes back unchanged, the execution is the one we
 * know.
 *
 * What is missing may come yet: a server may have dropped it for a slow reader, or a worker may send it later
 * than what follows it. How long to wait for that is the caller's to decide, who says `goOn` in the end.
 */
import { encodeEvent, type JobEvent, sequencesOf } from "../events/event.ts";
import { SequenceGaps, type SequenceRange } from "../events/sequence_gaps.ts";
import { SeenSequences } from "./seen_sequences.ts";

/**
 * - `new`: to be shown. `late`: to be shown too, out of its order, since what follows it was shown.
 * - `repeated`: was shown.
 * - `new_execution`: to be shown, and the first of another execution.
 * - `lost`: of another execution, whose beginning we do not have; open the stream again from `resumeFrom`.
 * - `gap`: not taken, because events before it are missing; open the stream again, or `goOn`.
 * - `skipped`: not taken, because the stream does not begin with the event that was asked for.
 */
export type Placed = "new" | "late" | "repeated" | "new_execution" | "lost" | "gap" | "skipped";

export class EventPosition {
  #seen = new SeenSequences();
  #gaps = new SequenceGaps();
  #count = 0;
  /** The last event up to which nothing is missing but what was given up. */
  #anchor: JobEvent | undefined;
  #first: JobEvent | undefined;
  /** What the next event has to be for the execution to be the one we know. */
  #expected: JobEvent | undefined;
  /** The sequence that comes next if nothing is missing; undefined when reading began in the middle. */
  #next: bigint | undefined;
  /** The gap that begins here is not waited for any more. */
  #goOnAt: bigint | undefined;
  #takesOther = false;
  #fromSequence: bigint;
  /** Of executions that were left behind. */
  readonly #missingBefore: SequenceRange[] = [];
  #restarts = 0;

  constructor(fromSequence: bigint) {
    this.#fromSequence = fromSequence;
    this.#next = fromSequence <= 1n ? 1n : undefined;
  }

  /** The sequence to open a stream from. */
  get resumeFrom(): bigint {
    return this.#anchor?.sequence ?? this.#fromSequence;
  }

  /** Whether the stream just opened has yet to prove that it is of the execution we know. */
  get isUnproven(): boolean {
    return this.#expected !== undefined;
  }

  /** How often another execution began while this one was read. */
  get restarts(): number {
    return this.#restarts;
  }

  /** How many events of this execution were taken. */
  get count(): number {
    return this.#count;
  }

  /** What is missing of this execution, below what was taken; lowest first. */
  get missing(): readonly SequenceRange[] {
    return this.#gaps.missing();
  }

  /** The same of all executions that were read. */
  get missingOfAll(): readonly SequenceRange[] {
    return [...this.#missingBefore, ...this.missing];
  }

  /** Say so before a stream from `resumeFrom` is read. */
  opened(): void {
    this.#expected = this.#anchor;
  }

  /**
   * The last event did not come back. A new execution may not have got that far yet, and never may: go back
   * to where this one began and compare there. False when that is where we are.
   */
  rewind(): boolean {
    if (this.#anchor === this.#first) return false;
    this.#anchor = this.#first;
    return true;
  }

  /**
   * What was missing or skipped is not waited for any more. A stream that goes on skipping the event that was
   * asked for is taken for another execution's then: that may repeat events, and loses none.
   */
  goOn(placed: "gap" | "skipped"): void {
    if (placed === "gap") this.#goOnAt = this.#next;
    else this.#takesOther = true;
  }

  place(event: JobEvent): Placed {
    const expected = this.#expected;
    if (expected) {
      // A server that does not begin where it was asked to, but at the beginning, proves it there.
      if (event.sequence < expected.sequence && this.#isFirst(event)) {
        this.#expected = undefined;
        return "repeated";
      }
      if (event.sequence > expected.sequence && !this.#takesOther) return "skipped";
      this.#expected = undefined;
      if (isSame(event, expected)) return "repeated";
      // The stream began at a place in the middle of the other execution, unless that place is its beginning.
      const fromStart = expected.sequence <= 1n;
      this.#restart();
      if (!fromStart) return "lost";
      return this.#asNewExecution(event);
    }
    if (event.sequence === 1n && this.#first?.sequence === 1n && !this.#isFirst(event)) {
      this.#restart();
      return this.#asNewExecution(event);
    }
    return this.#take(event);
  }

  /** Whether it is the event that `resumeFrom` names, of the execution that we know. */
  isLast(event: JobEvent): boolean {
    return this.#anchor !== undefined && isSame(event, this.#anchor);
  }

  /** Takes an event of a stream that was opened for what is missing: true when it was, and is to be shown. */
  fill(event: JobEvent): boolean {
    const { first } = sequencesOf(event);
    const isMissing = this.missing.some((range) => first >= range.first && first <= range.last);
    return isMissing && this.#take(event) === "late";
  }

  #take(event: JobEvent): "new" | "late" | "repeated" | "gap" {
    const { first, last } = sequencesOf(event);
    const next = this.#next ??= this.#beginAt(first);
    if (first > next && this.#goOnAt !== next) return "gap";
    if (!this.#seen.add(first)) {
      // Read again from further back: what follows need not be asked for from there once more.
      if (this.#anchor && first > this.#anchor.sequence && last < next) this.#anchor = event;
      return "repeated";
    }
    this.#count++;
    this.#gaps.add({ first, last });
    this.#first ??= event;
    // An event that arrived late, with a lower sequence, was missing before: the anchor stays ahead of it.
    if (first < next) return "late";
    this.#anchor = event;
    this.#next = last + 1n;
    return "new";
  }

  /** Nothing is missing before the place where reading was to begin. */
  #beginAt(first: bigint): bigint {
    if (first > 1n) this.#gaps.add({ first: 1n, last: first - 1n });
    return first;
  }

  #asNewExecution(event: JobEvent): "new_execution" | "gap" {
    return this.#take(event) === "gap" ? "gap" : "new_execution";
  }

  #isFirst(event: JobEvent): boolean {
    return this.#first !== undefined && isSame(event, this.#first);
  }

  #restart(): void {
    this.#restarts++;
    this.#missingBefore.push(...this.missing);
    this.#seen = new SeenSequences();
    this.#gaps = new SequenceGaps();
    this.#count = 0;
    this.#anchor = undefined;
    this.#first = undefined;
    this.#takesOther = false;
    this.#goOnAt = undefined;
    // What was asked for counted for the execution of that time.
    this.#fromSequence = 1n;
    this.#next = 1n;
  }
}

function isSame(one: JobEvent, other: JobEvent): boolean {
  if (one.sequence !== other.sequence) return false;
  const [bytes, otherBytes] = [encodeEvent(one), encodeEvent(other)];
  return bytes.length === otherBytes.length && bytes.every((byte, at) => byte === otherBytes[at]);
}
