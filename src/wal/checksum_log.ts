/**
 * The events of a log that a server ought to have, all but those that were given up: their checksums where
 * nobody kept these while they were written, and the events of single ranges. The log may be of any size; no
 * more of it is kept than one block and the numbers of its events.
 */
import { type ChecksummedRange, EventsChecksum } from "./events_checksum.ts";
import type { WalRecord } from "./format.ts";
import { Ledger } from "./ledger.ts";
import { type LogBytes, scanLog } from "./reader.ts";
import { Scanner } from "./scanner.ts";

/** Sequences, both ends included. */
export interface Within {
  readonly from: bigint;
  readonly to: bigint;
}

export class StoredEvents {
  readonly #open: () => LogBytes;
  #ledger: Ledger | undefined;

  /**
   * @param open reads the log from its beginning, as often as it is called; nothing is added to it meanwhile
   */
  constructor(open: () => LogBytes) {
    this.#open = open;
  }

  /**
   * The checksums of all events, in ranges. Undefined when sequences do not rise from 1 on, as in other
   * writers' logs: a server has at most one event of each, and nobody can say which.
   */
  async checksums(): Promise<ChecksummedRange[] | undefined> {
    const checksum = new EventsChecksum();
    for await (const { sequence, payload } of this.events()) {
      if (!checksum.follows(sequence)) return undefined;
      checksum.add(sequence, payload);
    }
    return checksum.ranges();
  }

  /**
   * The checksums of the events of `ranges`, which are those of this log, rise and do not overlap: each
   * divided into smaller ones of at most `eventsMax`.
   */
  async divided(ranges: readonly Within[], eventsMax: number): Promise<ChecksummedRange[]> {
    const checksums = ranges.map(({ from }) => new EventsChecksum({ events: eventsMax, from }));
    let at = 0;
    for await (const { sequence, payload } of this.events(ranges)) {
      while (sequence > ranges[at].to) at++;
      checksums[at].add(sequence, payload);
    }
    return checksums.flatMap((checksum) => checksum.ranges());
  }

  /** The events of `ranges`, of the whole log without them, in file order. Each is valid until the next. */
  async *events(ranges?: readonly Within[]): AsyncGenerator<WalRecord> {
    const ledger = this.#ledger ??= (await scanLog(this.#open(), () => {})).ledger;
    const kinds = new Ledger();
    const scanner = new Scanner();
    let index = 0;
    let at = 0;
    for await (const chunk of this.#open()) {
      for (const record of scanner.push(chunk)) {
        if (kinds.add(record) !== "event") continue;
        if (index === ledger.events || ledger.statusAt(index++) === "failed") continue;
        if (ranges !== undefined) {
          while (at < ranges.length && record.sequence > ranges[at].to) at++;
          if (at === ranges.length) return;
          if (record.sequence < ranges[at].from) continue;
        }
        yield record;
      }
    }
  }
}
