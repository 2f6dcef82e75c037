/**
 * What a repaired log may still say of the server. An acknowledgement covers the *pending* events before it;
 * so where bytes are lost between an event and its acknowledgement, they may have been the failure that took
 * it out, and the event counts as sent though the server refused it. What is not proven sent is pending in a
 * repaired log: to send it again costs a duplicate, not to send it costs the event. No input or output.
 *
 *     1 2 | ack 2 | 3 |xxxx| 4 | ack 4       3 may have failed in xxxx: ack 4 is left out, 3 and 4 pending
 *     1 2 | ack 2 |xxxx| 3 | ack 3           nothing was pending before xxxx: it stays
 *     1 2 | ack 1 |xxxx| 4 | ack 4           xxxx is one record, and 3 is missing just there: it was event 3,
 *                                            no failure: it stays, and the server has 3 as well
 *
 * A failure whose event is lost would be an event itself, for want of one before it, so it is left out as
 * well.
 */
import { decodeFailure } from "./execution.ts";
import { HEADER_BYTES, LENGTH_BYTES, Status, type WalRecord } from "./format.ts";
import { Ledger, type RecordKind } from "./ledger.ts";
import { type LogBytes, scanLog } from "./reader.ts";
import type { KeptStretch, RepairPlan, SequenceRange, Stretch } from "./repair_plan.ts";

/** The last of the sequences that an event's record uses up. */
export type LastSequenceOf = (record: WalRecord) => bigint;

/** Where bytes are lost, as an offset in the damaged file. */
export interface LostPlace {
  offset: number;
  /** They were one record. */
  isOneRecord: boolean;
}

export interface ProofSource {
  /** The new log, as planned. */
  open(): LogBytes;
  lastSequenceOf: LastSequenceOf | undefined;
}

/** Takes out of the plan what is not proven, and adds what the server is proven to have. */
export async function proveSent(
  plan: RepairPlan,
  lost: readonly LostPlace[],
  { open, lastSequenceOf }: ProofSource,
): Promise<void> {
  const events = lastSequenceOf === undefined
    ? new Map<number, SequenceRange>()
    : await findLostEvents(plan, lost, open(), lastSequenceOf);
  const proof = new Proof(lost, events);
  await walk(plan.kept, open(), (record, kind, stretch) => proof.take(record, kind, stretch));
  plan.kept = without(plan.kept, proof.leftOut);
  plan.records -= proof.leftOut.length;
  plan.salvaged -= proof.leftOut.length;
  plan.unproven = proof.unproven;
  plan.orphaned = proof.orphaned;
  plan.serverHas = proof.serverHas;
}

/** Tells of each record of the new log, with where it lies in the damaged file. */
async function walk(
  kept: readonly KeptStretch[],
  bytes: LogBytes,
  onRecord: (record: WalRecord, kind: RecordKind, stretch: Stretch) => void,
): Promise<void> {
  let at = 0;
  /** Where in the new log the stretch at `at` ends. */
  let end = HEADER_BYTES + lengthInLog(kept[0]);
  await scanLog(bytes, (record, kind) => {
    while (record.offset >= end) end += lengthInLog(kept[++at]);
    const offset = kept[at].offset + kept[at].length - (end - record.offset);
    onRecord(record, kind, { offset, length: record.length });
  });
}

function lengthInLog(stretch: KeptStretch | undefined): number {
  return stretch === undefined ? 0 : stretch.recordLength ?? stretch.length;
}

/**
 * For each loss that was one event, by its index, the sequences that are lost: they are missing between the
 * events, or the acknowledgement, on both sides of it, with no other loss in between.
 */
async function findLostEvents(
  plan: RepairPlan,
  lost: readonly LostPlace[],
  bytes: LogBytes,
  lastSequenceOf: LastSequenceOf,
): Promise<Map<number, SequenceRange>> {
  const found = new Map<number, SequenceRange>();
  let next = 0;
  let last = 0n;
  /**
   * Whether an event came since the loss before, so that what is missing is missing here; and the loss that
   * waits for the other side.
   */
  let isKnown = true;
  let waiting: number | undefined;
  await walk(plan.kept, bytes, (record, kind, { offset }) => {
    for (; lost[next]?.offset <= offset; next++) {
      waiting = isKnown && lost[next].isOneRecord ? next : undefined;
      isKnown = false;
    }
    if (kind === "execution" || kind === "failure") return;
    if (kind === "event" && isFailureOfNothing(record)) return;
    const { sequence } = record;
    if (waiting !== undefined && sequence > last + (kind === "event" ? 1n : 0n)) {
      found.set(waiting, { first: last + 1n, last: kind === "event" ? sequence - 1n : sequence });
      waiting = undefined;
    }
    if (kind !== "event") return;
    waiting = undefined;
    isKnown = true;
    const through = lastSequenceOf(record);
    if (through > last) last = through;
  });
  return found;
}

/**
 * A failure is one only behind its event. An event that another writer recorded as failed is no such thing.
 */
function isFailureOfNothing({ status, payload }: WalRecord): boolean {
  return status === Status.FAILED && decodeFailure(payload) !== undefined;
}

class Proof {
  readonly leftOut: Stretch[] = [];
  readonly serverHas: SequenceRange[] = [];
  unproven = 0;
  orphaned = 0;
  readonly #ledger = new Ledger();
  #next = 0;
  /** An acknowledgement of this sequence or a higher one would cover an event that may have failed. */
  #doubtfulFrom: bigint | undefined;
  /** The lowest pending event since the first doubt; in logs of ours it is never lower. */
  #lowestSince: bigint | undefined;
  /** Lost events that no acknowledgement has covered yet. */
  #open: SequenceRange[] = [];

  constructor(
    readonly lost: readonly LostPlace[],
    readonly events: ReadonlyMap<number, SequenceRange>,
  ) {}

  take(record: WalRecord, kind: RecordKind, stretch: Stretch): void {
    for (; this.lost[this.#next]?.offset <= stretch.offset; this.#next++) this.#pass(this.#next);
    const { sequence } = record;
    // What an earlier server had is not what the one has that adopted the execution.
    if (kind === "execution") this.serverHas.length = 0;
    if (kind === "acknowledgement") {
      if (this.#doubtfulFrom !== undefined && sequence >= this.#doubtfulFrom) {
        this.unproven++;
        this.leftOut.push({ ...stretch });
        return;
      }
      this.serverHas.push(...this.#open.filter(({ first }) => first <= sequence));
      this.#open = this.#open.filter(({ first }) => first > sequence);
    } else if (kind === "event" && this.#next > 0 && isFailureOfNothing(record)) {
      this.orphaned++;
      this.leftOut.push({ ...stretch });
      this.#open = this.#open.filter(({ first, last }) => sequence < first || sequence > last);
      return;
    } else if (kind === "event" && this.#doubtfulFrom !== undefined) {
      if (this.#lowestSince === undefined || sequence < this.#lowestSince) this.#lowestSince = sequence;
    }
    this.#ledger.add(record);
  }

  /** Bytes are lost here. */
  #pass(index: number): void {
    const event = this.events.get(index);
    if (event !== undefined) return void this.#open.push(event);
    this.#open = [];
    if (this.#doubtfulFrom !== undefined) {
      if (this.#lowestSince !== undefined && this.#lowestSince < this.#doubtfulFrom) {
        this.#doubtfulFrom = this.#lowestSince;
      }
    } else if (this.#ledger.pending > 0) {
      this.#doubtfulFrom = this.#ledger.pendingSequences().sequences[0];
    }
  }
}

/** `kept` without `leftOut`; both in file order, and each of the latter lies in one of the former. */
function without(kept: readonly KeptStretch[], leftOut: readonly Stretch[]): KeptStretch[] {
  const remaining: KeptStretch[] = [];
  let next = 0;
  for (const stretch of kept) {
    const start = stretch.recordLength === undefined ? stretch.offset : stretch.offset - LENGTH_BYTES;
    const end = stretch.offset + stretch.length;
    let at = start;
    for (; next < leftOut.length && leftOut[next].offset < end; next++) {
      const { offset, length } = leftOut[next];
      if (offset > at) remaining.push({ offset: at, length: offset - at });
      at = offset + length;
    }
    if (at === start) remaining.push(stretch);
    else if (at < end) remaining.push({ offset: at, length: end - at });
  }
  return remaining;
}
