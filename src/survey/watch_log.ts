/**
 * Watches a log that is being written, until nobody writes to it any more.
 *
 *     owner, place, new records, wait | owner, place, new records, wait | …
 *
 * Owner and place are looked at before the records: whatever the worker wrote before it let go is then read
 * in the same turn.
 */
import type { Host } from "../platform/host.ts";
import type { WalRecord } from "../wal/format.ts";
import type { Damage } from "../wal/scanner.ts";
import type { LogTail } from "./tail.ts";

/** A person is watching: sooner is not seen, and looking costs next to nothing. */
const POLL_MS = 200;

/** A worker lets go of a log just before it archives it; a killed one's log may be taken up again. */
const UNOWNED_TURNS_MAX = 15;

/** A reader can see half of a write; what looks damaged so often in a row is damaged. */
const DAMAGED_TURNS_MAX = 5;

/** `enough`: `onRecord` said so. `moved`: the path leads to it no more. `unowned`: no process has it open. */
export type WatchEnd =
  | { readonly kind: "enough" | "moved" | "unowned" }
  | { readonly kind: "damaged"; readonly damage: Damage };

export interface LogWatcher {
  onRecord(record: WalRecord): Promise<void | "enough">;
  /** All that is there now was told. */
  onTurn(): Promise<void>;
}

export async function watchLog(
  { files, clock }: Pick<Host, "files" | "clock">,
  tail: LogTail,
  path: string,
  watcher: LogWatcher,
): Promise<WatchEnd> {
  let wasOwned = false;
  let unownedTurns = 0;
  let damaged = { offset: -1, turns: 0 };
  for (;;) {
    const isOwned = files.lockTable()?.isLocked(tail.identity) === true;
    const isHere = await tail.isAt(path);
    const { damage, isEnough } = await tail.read((record) => watcher.onRecord(record));
    await watcher.onTurn();
    if (isEnough) return { kind: "enough" };
    if (!isHere) return { kind: "moved" };
    wasOwned ||= isOwned;
    unownedTurns = isOwned ? 0 : unownedTurns + 1;
    // A torn record is one that is being written, or what a killed worker left.
    if (damage && damage.problem !== "torn_record" && damage.problem !== "short_header") {
      damaged = { offset: damage.offset, turns: damaged.offset === damage.offset ? damaged.turns + 1 : 1 };
      if (!isOwned || damaged.turns >= DAMAGED_TURNS_MAX) return { kind: "damaged", damage };
    }
    if (unownedTurns >= (wasOwned ? UNOWNED_TURNS_MAX : 1)) return { kind: "unowned" };
    await clock.sleep(POLL_MS);
  }
}
