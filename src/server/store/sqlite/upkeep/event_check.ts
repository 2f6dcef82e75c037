/**
 * What can be wrong with an event that is stored, and with the sequences of an execution. Pure.
 */
import type { JobEvent } from "../../../../events/event.ts";

/** Both ends included. */
export interface GapRange {
  first: bigint;
  last: bigint;
}

/** Undefined: the event is the one that its row says. Else what is wrong, as the end of a sentence. */
export function eventProblem(
  event: JobEvent | undefined,
  row: { sequence: bigint; type: bigint },
): string | undefined {
  if (event === undefined) return "its bytes are no event";
  if (event.sequence !== row.sequence) return `its bytes are those of event ${event.sequence}`;
  if (BigInt(event.eventType) !== row.type) {
    return `its type is ${event.eventType}, and its row says ${row.type}`;
  }
  return undefined;
}

/**
 * The sequences of one execution, which begin at 1. What came after the last one nobody can know.
 *
 *     events 2, 3..7 (an output batch), 10      gaps: 1..1, 8..9
 */
export class SequenceRun {
  readonly gaps: GapRange[] = [];
  #next = 1n;

  /**
   * To be called in the order of the sequences. An event that does not decode stands for its own sequence.
   */
  add(sequence: bigint, event: JobEvent | undefined): void {
    if (sequence > this.#next) this.gaps.push({ first: this.#next, last: sequence - 1n });
    const { eventData } = event ?? {};
    const end = eventData?.case === "outputBatch" ? eventData.value.endSequence : sequence;
    const after = (end < sequence ? sequence : end) + 1n;
    if (after > this.#next) this.#next = after;
  }
}
