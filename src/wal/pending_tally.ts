/**
 * What a ledger does not keep about the pending events of a log: how long their records are, and since when
 * the oldest of them waits. Pure; 12 bytes an event, for as long as somebody needs the sums.
 */
import type { Ledger, RecordKind } from "./ledger.ts";
import type { WalRecord } from "./format.ts";

const EVENTS_MIN = 32;

export class PendingTally {
  #lengths = new Uint32Array(EVENTS_MIN);
  #timestampsMs = new Float64Array(EVENTS_MIN);
  #events = 0;

  get events(): number {
    return this.#events;
  }

  /** To be told of each record in file order, with what the ledger says that it is. */
  add({ length, timestampMs }: Pick<WalRecord, "length" | "timestampMs">, kind: RecordKind): void {
    if (kind !== "event") return;
    if (this.#events === this.#lengths.length) this.#grow();
    this.#lengths[this.#events] = length;
    this.#timestampsMs[this.#events] = Number(timestampMs);
    this.#events++;
  }

  /**
   * Bytes of all pending records, and the time of the first of them in the file, by a ledger of the same
   * records.
   */
  sum(ledger: Ledger): { bytes: number; oldestTimestampMs: number | undefined } {
    let bytes = 0;
    let oldestTimestampMs: number | undefined;
    for (let index = 0, left = ledger.pending; left > 0; index++) {
      if (ledger.statusAt(index) !== "pending") continue;
      left--;
      bytes += this.#lengths[index];
      oldestTimestampMs ??= this.#timestampsMs[index];
    }
    return { bytes, oldestTimestampMs };
  }

  #grow(): void {
    const lengths = new Uint32Array(2 * this.#events);
    const timestampsMs = new Float64Array(2 * this.#events);
    lengths.set(this.#lengths);
    timestampsMs.set(this.#timestampsMs);
    this.#lengths = lengths;
    this.#timestampsMs = timestampsMs;
  }
}
