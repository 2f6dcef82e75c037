/**
 * Where a reader of a job's events is, so that it can go on after a broken stream without repeating or losing
 * an event. Pure.
 *
 *     stream          1, 2, 5 (a batch 5..9) |broken|
 *     opened again    from 5: 5 (seen, and the same bytes: go on), 10, 11
 *
 * The protocol does not say to which execution an event belongs, and a new one starts at sequence 1 again. So
 * a stream is opened again *with* the last event: if that comes back unchanged, the execution is the one we
 * know.
 */
import { encodeEvent, type JobEvent } from "../events/event.ts";
import { SeenSequences } from "./seen_sequences.ts";

/**
 * `new`: to be shown. `repeated`: was shown. `new_execution`: to be shown, and the first of another
 * execution. `lost`: of another execution, whose beginning we do not have; open the stream again from
 * `resumeFrom`.
 */
export type Placed = "new" | "repeated" | "new_execution" | "lost";

export class EventPosition {
  #seen = new SeenSequences();
  /** The last event of the execution up to which nothing is missing, as far as a reader can know. */
  #anchor: JobEvent | undefined;
  #first: JobEvent | undefined;
  /** What the next event has to be for the execution to be the one we know. */
  #expected: JobEvent | undefined;

  #fromSequence: bigint;

  constructor(fromSequence: bigint) {
    this.#fromSequence = fromSequence;
  }

  /** The sequence to open a stream from. */
  get resumeFrom(): bigint {
    return this.#anchor?.sequence ?? this.#fromSequence;
  }

  /** Whether the stream just opened has yet to prove that it is of the execution we know. */
  get isUnproven(): boolean {
    return this.#expected !== undefined;
  }

  /** Say so before a stream from `resumeFrom` is read. */
  opened(): void {
    this.#expected = this.#anchor;
  }

  /**
   * The last event did not come back. A new execution may not have got that far yet, and never may: go back
   * to where this one began and compare there.
   */
  rewind(): void {
    this.#anchor = this.#first;
  }

  place(event: JobEvent): Placed {
    const expected = this.#expected;
    this.#expected = undefined;
    if (expected) {
      if (isSame(event, expected)) return "repeated";
      // The stream began at a place in the middle of the other execution, unless that place is its beginning.
      const fromStart = expected.sequence <= 1n;
      this.#restart();
      if (!fromStart) return "lost";
      this.#take(event);
      return "new_execution";
    }
    if (event.sequence === 1n && this.#first?.sequence === 1n && !isSame(event, this.#first)) {
      this.#restart();
      this.#take(event);
      return "new_execution";
    }
    return this.#take(event) ? "new" : "repeated";
  }

  #take(event: JobEvent): boolean {
    if (!this.#seen.add(event.sequence)) return false;
    this.#first ??= event;
    // An event that arrived late, with a lower sequence, was missing before: the anchor stays ahead of it.
    if (!this.#anchor || event.sequence > this.#anchor.sequence) this.#anchor = event;
    return true;
  }

  #restart(): void {
    this.#seen = new SeenSequences();
    this.#anchor = undefined;
    this.#first = undefined;
    // What was asked for counted for the execution of that time.
    this.#fromSequence = 1n;
  }
}

function isSame(one: JobEvent, other: JobEvent): boolean {
  if (one.sequence !== other.sequence) return false;
  const [bytes, otherBytes] = [encodeEvent(one), encodeEvent(other)];
  return bytes.length === otherBytes.length && bytes.every((byte, at) => byte === otherBytes[at]);
}
