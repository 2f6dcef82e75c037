/**
 * Which sequences of a job are missing: from a log, what a repair could not save; from a stream, what a
 * server did not send. Pure.
 *
 *     events 1, 2, 5..9 (an output batch), 12      missing: 3..4, 10..11
 *
 * The sequences of an execution start at 1, so those below the first one count; what came after the last one
 * nobody can know.
 */

/** Sequences, both ends included. */
export interface SequenceRange {
  first: bigint;
  last: bigint;
}

export class SequenceGaps {
  /** What is there. While sequences rise without a gap, this is one range. */
  #present: SequenceRange[] = [];

  /**
   * An event uses up these sequences: those of an output batch from its first to its last, one for any other.
   */
  add({ first, last }: SequenceRange): void {
    if (last < first) return this.add({ first, last: first });
    const latest = this.#present[this.#present.length - 1];
    if (latest !== undefined && first === latest.last + 1n) latest.last = last;
    else this.#present.push({ first, last });
  }

  /** Undefined when there is no event. */
  get highest(): bigint | undefined {
    let highest: bigint | undefined;
    for (const { last } of this.#present) if (highest === undefined || last > highest) highest = last;
    return highest;
  }

  /** Lowest first. */
  missing(): SequenceRange[] {
    const present = this.#present.toSorted((a, b) => a.first < b.first ? -1 : a.first > b.first ? 1 : 0);
    const missing: SequenceRange[] = [];
    let next = 1n;
    for (const { first, last } of present) {
      if (first > next) missing.push({ first: next, last: first - 1n });
      if (last >= next) next = last + 1n;
    }
    return missing;
  }
}
