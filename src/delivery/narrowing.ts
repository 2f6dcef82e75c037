/**
 * Finds the one event that a server refuses among many, and decides when it may be given up. Pure state
 * machine; the sender does what it says.
 *
 * A refused batch is halved, first half first, until one event is left. That one is tried `attemptsMax`
 * times. Then it must be proved that the event is to blame and not the server, which may answer
 * `invalid_argument` for anything, an outage included: the server takes another event of the log (a probe),
 * refuses this one again, and takes another one again. An outage would have to begin and end between two
 * calls to look like that.
 *
 *     refused(8) -> halve: 4 accepted, 2 accepted, 1 refused … attemptsMax times -> probe
 *                -> probe accepted -> head once more -> accepted: the outage ended meanwhile
 *                                                    -> refused -> probe accepted -> give up -> 1, 2, 4 …
 *                -> all probes refused -> retry with backoff, then probe again
 */

export interface NarrowingLimits {
  batchEventsMax: number;
  batchBytesMax: number;
  /** Refusals of one event alone before it may be given up. */
  attemptsMax: number;
}

/** What follows from a refusal: send half at once, retry later, or probe now. */
export type Verdict = "halve" | "retry" | "probe";

/**
 * A batch is not cut below this for its size alone: under it, several events in a call cost little, and
 * halving by count goes on down to one.
 */
const BATCH_BYTES_MIN = 32 * 1024;

/** Accepted probes, with a refusal of the head before each, that prove the head to be bad. */
const PROOFS_NEEDED = 2;

/**
 * Events further ahead of the head are never probes. It bounds what is sent out of order, and a longer row of
 * bad events without a single good one before it is not worth the memory.
 */
export const NEIGHBOURS_MAX = 256;

/** Different events tried, one after the other, before the server is believed to refuse them all. */
const PROBES_MAX = 3;

export class Narrowing {
  readonly #limits: NarrowingLimits;
  /** Events in the next batch while nothing is suspected. Doubles with each success. */
  #batchEvents: number;
  /**
   * Falls when a server finds a batch too large and stays there: growing again would refuse every other
   * call.
   */
  #batchBytes: number;
  /** So many events at the head of the log are known to hold one that was refused; 0 when none is. */
  #suspects = 0;
  /** Refusals of the head alone. */
  #refusals = 0;
  /** Probes that were accepted in turn with refusals of the head, without any other failure in between. */
  #proofs = 0;
  /** Rounds of probes for this head that were all refused: later rounds ask other neighbours. */
  #probeRounds = 0;

  constructor(limits: NarrowingLimits) {
    for (const [name, value] of Object.entries(limits)) {
      if (!Number.isSafeInteger(value) || value < 1) {
        throw new RangeError(`${name} must be at least 1, got ${value}`);
      }
    }
    this.#limits = limits;
    this.#batchEvents = limits.batchEventsMax;
    this.#batchBytes = limits.batchBytesMax;
  }

  get batchEvents(): number {
    return this.#suspects > 0 ? Math.ceil(this.#suspects / 2) : this.#batchEvents;
  }

  get batchBytes(): number {
    return this.#batchBytes;
  }

  /** Refusals of the event at the head, alone. */
  get refusals(): number {
    return this.#refusals;
  }

  /** The first `count` events were accepted. */
  accepted(count: number): void {
    this.#suspects = Math.max(0, this.#suspects - count);
    this.#batchEvents = Math.min(this.#limits.batchEventsMax, this.#batchEvents * 2);
    this.#forgetHead();
  }

  /** The first `count` events, `bytes` in all, were refused. */
  refused(count: number, bytes: number, tooLarge: boolean): Verdict {
    if (tooLarge && count > 1) {
      this.#batchBytes = Math.max(Math.min(BATCH_BYTES_MIN, this.#batchBytes), Math.floor(bytes / 2));
    }
    this.#suspects = count;
    this.#batchEvents = Math.ceil(count / 2);
    if (count > 1) return "halve";
    this.#refusals++;
    return this.#refusals < this.#limits.attemptsMax ? "retry" : "probe";
  }

  /** A call failed in a way that says nothing about events: what the server proved before counts no more. */
  interrupted(): void {
    this.#proofs = 0;
  }

  /**
   * Which of the head's `count` next neighbours to probe, by index, in that order. Each round of probes
   * asks others, so that a row of bad events cannot hide the good ones behind it.
   */
  probes(count: number): number[] {
    const first = this.#probeRounds * PROBES_MAX;
    return Array.from({ length: Math.min(PROBES_MAX, count) }, (_, index) => (first + index) % count);
  }

  /** How many neighbours the next round of probes wants to choose from. */
  get neighboursWanted(): number {
    return Math.min(NEIGHBOURS_MAX, (this.#probeRounds + 1) * PROBES_MAX);
  }

  /** The server took another event. Tells whether the head may be given up, or has to be tried once more. */
  probeAccepted(): "give_up" | "confirm" {
    return ++this.#proofs < PROOFS_NEEDED ? "confirm" : "give_up";
  }

  probesRefused(): void {
    this.#proofs = 0;
    this.#probeRounds++;
  }

  /** The head was given up, and the log has moved on. */
  gaveUp(): void {
    this.#suspects = 0;
    this.#forgetHead();
  }

  #forgetHead(): void {
    this.#refusals = 0;
    this.#proofs = 0;
    this.#probeRounds = 0;
  }
}
