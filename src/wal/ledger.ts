/**
 * Says of each record what it is, and of each event whether the server has it. No input or output; the
 * records come in file order.
 *
 *     execution         the file's first record, with sequence 0 and status 2; or a later one that says that
 *                       the execution was adopted, from which on every event before it is pending again
 *     acknowledgement   status 2 and no payload: every pending event before it with at most its sequence is
 *                       sent, and so is the event of exactly its sequence, even if it had failed
 *     failure           status 3 and the sequence of an event before it: that event was given up
 *     event             every other record, with its own status; one that we do not know counts as pending
 *
 * The status of an event is what its latest record says, so all event records of one sequence share one
 * status, which lives in the sequence's *slot*. While sequences rise, as in every log of ours, slots are
 * sorted and an event's index is its slot; the first one that does not rise brings in a `SequenceIndex`. A
 * million events take 9 to 35 MB.
 */
import { isAdoption } from "./execution.ts";
import { type RecordFields, Status } from "./format.ts";
import { SequenceIndex } from "./sequence_index.ts";
import { HASH_SEED } from "../platform/hash_seed.ts";

export type RecordKind = "event" | "acknowledgement" | "failure" | "execution";
export type EffectiveStatus = "pending" | "sent" | "failed";

/** The pending sequences, lowest first, and how many event records each has. */
export interface PendingSequences {
  sequences: BigInt64Array;
  copies: Uint32Array;
}

const NAMES: readonly EffectiveStatus[] = ["pending", "sent", "failed"];
const PENDING = 0;
const SENT = 1;
const FAILED = 2;
const SLOTS_MIN = 256;

export class Ledger {
  #records = 0;
  #events = 0;
  /** Event records by status. */
  #counts = [0, 0, 0];
  #slots = 0;
  #sequences = new BigInt64Array(SLOTS_MIN);
  #statuses = new Uint8Array(SLOTS_MIN);
  /**
   * While sequences rise: every slot before this one is settled. It never moves back, so acknowledging is
   * linear overall.
   */
  #firstUnsettled = 0;
  #highest: bigint | undefined;
  #index: SequenceIndex | undefined;
  /** From the first repeated sequence on: how many event records a slot has, and each event's slot. */
  #copies: Uint32Array | undefined;
  #slotOfEvent: Int32Array | undefined;
  readonly #seed: number;

  /** @param seed of the hash of sequences, 32 bits, so that no file can be made to collide in it */
  constructor(seed: number = HASH_SEED) {
    this.#seed = seed;
  }

  get events(): number {
    return this.#events;
  }
  get pending(): number {
    return this.#counts[PENDING];
  }
  get sent(): number {
    return this.#counts[SENT];
  }
  get failed(): number {
    return this.#counts[FAILED];
  }
  /** The highest sequence of any event; undefined when there is none. */
  get highestSequence(): bigint | undefined {
    return this.#highest;
  }

  add(record: Pick<RecordFields, "sequence" | "status" | "payload">): RecordKind {
    const { sequence, status, payload } = record;
    const isFirst = this.#records++ === 0;
    if (isFirst && sequence === 0n && status === Status.SENT) return "execution";
    if (!isFirst && isAdoption(record)) {
      this.#reopen();
      return "execution";
    }
    if (status === Status.SENT && payload.length === 0) {
      this.#acknowledge(sequence);
      return "acknowledgement";
    }
    const slot = this.#find(sequence);
    if (status === Status.FAILED && slot >= 0) {
      this.#setStatus(slot, FAILED);
      return "failure";
    }
    this.#addEvent(
      slot,
      sequence,
      status === Status.SENT ? SENT : status === Status.FAILED ? FAILED : PENDING,
    );
    return "event";
  }

  /** The status, as of now, of the event record that came as number `eventIndex`, counted from 0. */
  statusAt(eventIndex: number): EffectiveStatus {
    if (!(eventIndex >= 0 && eventIndex < this.#events)) {
      throw new RangeError(`No event has the index ${eventIndex}: there are ${this.#events}`);
    }
    return NAMES[this.#statuses[this.#slotOfEvent?.[eventIndex] ?? eventIndex]];
  }

  /** The sequences that `isWanted`: the pending ones, unless said otherwise. */
  pendingSequences(
    isWanted: (status: EffectiveStatus, sequence: bigint) => boolean = (status) => status === "pending",
  ): PendingSequences {
    const isSlotWanted = (slot: number) => isWanted(NAMES[this.#statuses[slot]], this.#sequences[slot]);
    let count = 0;
    for (let slot = 0; slot < this.#slots; slot++) if (isSlotWanted(slot)) count++;
    const sequences = new BigInt64Array(count);
    let at = 0;
    for (let slot = 0; slot < this.#slots; slot++) {
      if (isSlotWanted(slot)) sequences[at++] = this.#sequences[slot];
    }
    if (this.#index !== undefined) sequences.sort();
    const copies = new Uint32Array(count).fill(1);
    if (this.#copies !== undefined) {
      for (let i = 0; i < count; i++) copies[i] = this.#copies[this.#find(sequences[i])];
    }
    return { sequences, copies };
  }

  /** What an earlier server had, this one does not. */
  #reopen(): void {
    for (let slot = 0; slot < this.#slots; slot++) this.#setStatus(slot, PENDING);
    this.#firstUnsettled = 0;
  }

  #acknowledge(sequence: bigint): void {
    if (this.#index === undefined) {
      const end = this.#slotsThrough(sequence);
      for (; this.#firstUnsettled < end; this.#firstUnsettled++) {
        if (this.#statuses[this.#firstUnsettled] === PENDING) this.#setStatus(this.#firstUnsettled, SENT);
      }
      if (end > 0 && this.#sequences[end - 1] === sequence) this.#setStatus(end - 1, SENT);
      return;
    }
    for (let slot; (slot = this.#index.takeThrough(sequence)) >= 0;) {
      if (this.#statuses[slot] === PENDING) this.#setStatus(slot, SENT);
    }
    const exact = this.#index.find(sequence);
    if (exact >= 0) this.#setStatus(exact, SENT);
  }

  /** The slot of a sequence, or -1. */
  #find(sequence: bigint): number {
    if (this.#index !== undefined) return this.#index.find(sequence);
    if (this.#highest === undefined || sequence > this.#highest) return -1;
    const end = this.#slotsThrough(sequence);
    return end > 0 && this.#sequences[end - 1] === sequence ? end - 1 : -1;
  }

  /** While sequences rise: how many slots have at most this sequence. */
  #slotsThrough(sequence: bigint): number {
    let low = 0;
    let high = this.#slots;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#sequences[middle] <= sequence) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #addEvent(known: number, sequence: bigint, status: number): void {
    const rises = this.#highest === undefined || sequence > this.#highest;
    if (!rises && this.#index === undefined) this.#startIndex();
    if (known >= 0 && this.#copies === undefined) this.#startCopies();
    const slot = known >= 0 ? known : this.#addSlot(sequence);
    this.#counts[known >= 0 ? this.#statuses[slot] : status]++;
    if (this.#slotOfEvent !== undefined && this.#copies !== undefined) {
      this.#slotOfEvent = withRoom(this.#slotOfEvent, this.#events, Int32Array);
      this.#slotOfEvent[this.#events] = slot;
      this.#copies[slot]++;
    }
    this.#events++;
    if (rises) this.#highest = sequence;
    if (known >= 0) {
      this.#setStatus(slot, status);
    } else {
      this.#statuses[slot] = status;
      if (status === PENDING) this.#index?.offer(slot);
    }
  }

  #addSlot(sequence: bigint): number {
    const slot = this.#slots++;
    if (slot === this.#sequences.length) {
      const larger = new BigInt64Array(2 * slot);
      larger.set(this.#sequences);
      this.#sequences = larger;
      this.#statuses = withRoom(this.#statuses, slot, Uint8Array);
      this.#index?.moved(larger);
    }
    if (this.#copies !== undefined) this.#copies = withRoom(this.#copies, slot, Uint32Array);
    this.#sequences[slot] = sequence;
    this.#index?.insert(slot);
    return slot;
  }

  #setStatus(slot: number, status: number): void {
    const before = this.#statuses[slot];
    if (before === status) return;
    const copies = this.#copies?.[slot] ?? 1;
    this.#counts[before] -= copies;
    this.#counts[status] += copies;
    this.#statuses[slot] = status;
    if (status === PENDING) this.#index?.offer(slot);
  }

  #startIndex(): void {
    const index = new SequenceIndex(this.#sequences, this.#seed);
    for (let slot = 0; slot < this.#slots; slot++) {
      index.insert(slot);
      if (this.#statuses[slot] === PENDING) index.offer(slot);
    }
    this.#index = index;
  }

  /** Until now each event had a slot of its own. */
  #startCopies(): void {
    this.#copies = new Uint32Array(this.#sequences.length).fill(1, 0, this.#slots);
    this.#slotOfEvent = new Int32Array(this.#sequences.length);
    for (let i = 0; i < this.#events; i++) this.#slotOfEvent[i] = i;
  }
}

function withRoom<T extends Uint8Array | Int32Array | Uint32Array>(
  array: T,
  index: number,
  Kind: { new (length: number): T },
): T {
  if (index < array.length) return array;
  const larger = new Kind(2 * array.length);
  larger.set(array);
  return larger;
}
