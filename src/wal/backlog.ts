/**
 * Keeps track of what the server lacks, in as little memory as that can be done: where the oldest pending
 * events lie, and which acknowledgement may be written. Pure; positions and sequences only, never payloads.
 *
 * A log has two parts. The *resumed* part was there when the log was opened; another writer may have made it,
 * so its sequences may come in any order and more than once. Its pending sequences are kept, sorted. The
 * *own* part behind it holds what was appended since, with sequences that rise and are higher than all before
 * them, so nothing needs to be kept of it but the *window*: the oldest pending events, in file order, as far
 * as the file has been looked through. `soughtBytes` is how far that is.
 *
 * Invariant, kept here: an acknowledgement of sequence S makes every pending event before it with at most
 * that sequence count as sent, so `acknowledgeable` is never so high that it would cover an event that the
 * server has not stored.
 */
import { HEADER_BYTES, SEQUENCE_MAX, Status, type WalRecord } from "./format.ts";
import type { PendingSequences } from "./ledger.ts";

/** A pending event's place. */
export interface Position {
  offset: number;
  length: number;
  sequence: bigint;
  timestampMs: bigint;
}

interface WindowEntry extends Position {
  outcome: "pending" | "stored" | "failed";
}

const PENDING = 0;
const STORED = 1;
const FAILED = 2;

/** This many settled entries at the window's front are worth moving the others. */
const WINDOW_SLACK = 1024;

export class Backlog {
  /**
   * The resumed part's pending sequences, and for each how many event records it has and how many of them are
   * unsettled.
   */
  #sequences: BigInt64Array;
  #copies: Uint32Array;
  #unsettled: Uint32Array;
  #outcomes: Uint8Array;
  /**
   * Whether an event of the sequence was met: before that, a record with status 3 is an event, and after it a
   * failure.
   */
  #met: Uint8Array;
  /** All resumed sequences before this index are settled. */
  #lowest = 0;
  #resumedBytes: number;

  #window: WindowEntry[] = [];
  /** Entries of the window before this one are settled. */
  #front = 0;
  #soughtBytes: number;
  #acknowledgeable: bigint | undefined;
  #acknowledgeableMax: bigint;

  /**
   * @param resumed what was pending when the log was opened
   * @param resumedBytes how long the log was then
   * @param leftOut the lowest sequence that was pending and is not in `resumed`: no acknowledgement may cover
   * it
   */
  constructor(resumed: PendingSequences, resumedBytes: number, leftOut?: bigint) {
    this.#acknowledgeableMax = leftOut === undefined ? SEQUENCE_MAX : leftOut - 1n;
    this.#sequences = resumed.sequences;
    this.#copies = resumed.copies;
    this.#unsettled = resumed.copies.slice();
    this.#outcomes = new Uint8Array(resumed.sequences.length);
    this.#met = new Uint8Array(resumed.sequences.length);
    this.#resumedBytes = resumedBytes;
    this.#soughtBytes = resumed.sequences.length === 0 ? resumedBytes : HEADER_BYTES;
  }

  /** The file was looked through for pending events up to here. */
  get soughtBytes(): number {
    return this.#soughtBytes;
  }
  /** The oldest pending event, as far as the file was looked through. */
  get oldest(): Readonly<Position> | undefined {
    return this.#window[this.#front];
  }
  /** The pending events that are remembered, oldest first; `count` of them at most. */
  oldestOnes(count: number): Readonly<Position>[] {
    const found: Position[] = [];
    for (let at = this.#front; at < this.#window.length && found.length < count; at++) {
      if (this.#window[at].outcome === "pending") found.push(this.#window[at]);
    }
    return found;
  }
  /** How many places are remembered. */
  get windowLength(): number {
    return this.#window.length - this.#front;
  }
  /** The highest sequence that an acknowledgement may have; undefined while there is none. */
  get acknowledgeable(): bigint | undefined {
    return this.#acknowledgeable;
  }

  /**
   * Tells of the record that starts at `soughtBytes`. Returns whether it is a pending event; then it is in
   * the window.
   */
  seek(
    record: Pick<WalRecord, "offset" | "length" | "sequence" | "status" | "timestampMs"> & {
      payloadBytes: number;
    },
  ): boolean {
    if (record.offset !== this.#soughtBytes) {
      throw new RangeError(`The record at ${record.offset} does not follow ${this.#soughtBytes}`);
    }
    this.#soughtBytes += record.length;
    const pending = record.offset < this.#resumedBytes
      ? this.#isResumedPending(record)
      : record.status === Status.PENDING;
    if (!pending) return false;
    const { offset, length, sequence, timestampMs } = record;
    this.#window.push({ offset, length, sequence, timestampMs, outcome: "pending" });
    return true;
  }

  #isResumedPending({ offset, sequence, status, payloadBytes }: {
    offset: number;
    sequence: bigint;
    status: number;
    payloadBytes: number;
  }): boolean {
    const index = this.#indexOf(sequence);
    if (index < 0) return false;
    if (status === Status.SENT && (payloadBytes === 0 || (offset === HEADER_BYTES && sequence === 0n))) {
      return false;
    }
    if (status === Status.FAILED && this.#met[index] !== 0) return false;
    this.#met[index] = 1;
    return this.#outcomes[index] === PENDING;
  }

  /** Whether the event at `offset`, which was looked at, is still pending. */
  isPending(offset: number): boolean {
    return this.#find(offset)?.outcome === "pending";
  }

  /**
   * The server has stored the event. Settling what is settled already does nothing and returns 0; else it
   * returns how many event records are pending no more.
   * @throws {RangeError} when no event that was given out lies there
   */
  settleStored(position: Pick<Position, "offset" | "sequence">): number {
    const entry = this.#expect(position);
    if (entry === undefined) return 0;
    entry.outcome = "stored";
    const index = entry.offset < this.#resumedBytes ? this.#indexOf(entry.sequence) : -1;
    if (index >= 0 && --this.#unsettled[index] === 0) this.#outcomes[index] = STORED;
    this.#advance();
    return 1;
  }

  /**
   * The event was given up, and with it every record of its sequence, those that the server has stored
   * included. Returns how many of them were pending and how many stored. Else as `settleStored`.
   */
  settleFailed(position: Pick<Position, "offset" | "sequence">): { pending: number; stored: number } {
    const entry = this.#expect(position);
    if (entry === undefined) return { pending: 0, stored: 0 };
    const count = { pending: 1, stored: 0 };
    entry.outcome = "failed";
    const index = entry.offset < this.#resumedBytes ? this.#indexOf(entry.sequence) : -1;
    if (index >= 0) {
      count.pending = this.#unsettled[index];
      count.stored = this.#copies[index] - count.pending;
      this.#unsettled[index] = 0;
      this.#outcomes[index] = FAILED;
      if (count.pending > 1) {
        for (const other of this.#window) {
          if (other.sequence === entry.sequence && other.outcome === "pending") other.outcome = "failed";
        }
      }
    }
    this.#advance();
    return count;
  }

  /** The window's entry; undefined when it was settled before. */
  #expect({ offset, sequence }: Pick<Position, "offset" | "sequence">): WindowEntry | undefined {
    const entry = this.#find(offset);
    if (entry === undefined && offset < (this.oldest?.offset ?? this.#soughtBytes)) return undefined;
    if (entry?.sequence !== sequence) {
      throw new RangeError(`Cannot settle event ${sequence} at byte ${offset}: it was not given out`);
    }
    return entry.outcome === "pending" ? entry : undefined;
  }

  #find(offset: number): WindowEntry | undefined {
    let low = this.#front;
    let high = this.#window.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#window[middle].offset < offset) low = middle + 1;
      else high = middle;
    }
    return this.#window[low]?.offset === offset ? this.#window[low] : undefined;
  }

  /** Leaves behind what is settled at the front of the window and of the resumed sequences. */
  #advance(): void {
    while (this.#lowest < this.#sequences.length && this.#outcomes[this.#lowest] !== PENDING) {
      // The sequence of an event that failed must not be written: it would make that event count as sent.
      if (this.#outcomes[this.#lowest] === STORED) this.#allow(this.#sequences[this.#lowest]);
      this.#lowest++;
    }
    const resumedDone = this.#lowest === this.#sequences.length;
    for (; this.#front < this.#window.length; this.#front++) {
      const entry = this.#window[this.#front];
      if (entry.outcome === "pending") break;
      if (resumedDone && entry.offset >= this.#resumedBytes && entry.outcome === "stored") {
        this.#allow(entry.sequence);
      }
    }
    if (resumedDone && this.#sequences.length > 0 && this.#soughtBytes >= this.#resumedBytes) {
      this.#forgetResumed();
    }
    if (this.#front === this.#window.length || this.#front >= WINDOW_SLACK) {
      this.#window.splice(0, this.#front);
      this.#front = 0;
    }
  }

  #allow(sequence: bigint): void {
    if (sequence <= this.#acknowledgeableMax) this.#acknowledgeable = sequence;
  }

  #forgetResumed(): void {
    this.#sequences = new BigInt64Array();
    this.#copies = this.#unsettled = new Uint32Array();
    this.#outcomes = this.#met = new Uint8Array();
    this.#lowest = 0;
  }

  #indexOf(sequence: bigint): number {
    let low = 0;
    let high = this.#sequences.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#sequences[middle] < sequence) low = middle + 1;
      else high = middle;
    }
    return low < this.#sequences.length && this.#sequences[low] === sequence ? low : -1;
  }
}
