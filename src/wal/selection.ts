/**
 * Which events of a log count as pending while it is open: those that are, unless whoever opens it asks for
 * others, so that events that were given up, or even sent, can be sent again. Pure.
 */
import type { EffectiveStatus, Ledger, PendingSequences } from "./ledger.ts";

export type IsWanted = (status: EffectiveStatus, sequence: bigint) => boolean;

export interface Selection {
  counts: { pending: number; sent: number; failed: number; events: number };
  pending: PendingSequences;
  /**
   * The lowest sequence that is pending and not wanted. It stays pending, so no acknowledgement may cover it.
   */
  leftOut: bigint | undefined;
  /**
   * Sequences that had failed and are wanted: only an acknowledgement of exactly its own makes one of them
   * count as sent.
   */
  reopened: ReadonlySet<bigint>;
}

export function selectEvents(ledger: Ledger, isWanted: IsWanted | undefined): Selection {
  const { pending, sent, failed, events } = ledger;
  if (isWanted === undefined) {
    const counts = { pending, sent, failed, events };
    return { counts, pending: ledger.pendingSequences(), leftOut: undefined, reopened: new Set() };
  }
  const wanted = ledger.pendingSequences(isWanted);
  const wantedOf = (status: EffectiveStatus) =>
    ledger.pendingSequences((its, sequence) => its === status && isWanted(its, sequence));
  const reopened = wantedOf("failed");
  const [leftOut] =
    ledger.pendingSequences((status, sequence) => status === "pending" && !isWanted(status, sequence))
      .sequences;
  return {
    counts: {
      pending: countOf(wanted),
      sent: sent - countOf(wantedOf("sent")),
      failed: failed - countOf(reopened),
      events,
    },
    pending: wanted,
    leftOut,
    reopened: new Set(reopened.sequences),
  };
}

/** Event records, of which a sequence may have several. */
function countOf({ copies }: PendingSequences): number {
  return copies.reduce((sum, count) => sum + count, 0);
}
