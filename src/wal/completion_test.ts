import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { COMPLETION_MARKS, completionMark, completionRecord, completionState } from "./completion.ts";
import { SEQUENCE_MIN, Status } from "./format.ts";
import { Ledger } from "./ledger.ts";

const NOTHING = new Uint8Array();

Deno.test("a completion mark is read back, and no other record is one", () => {
  for (const mark of COMPLETION_MARKS) strictEqual(completionMark(completionRecord(mark, 5n)), mark);
  for (const sequence of [SEQUENCE_MIN + 4n, -1n, 0n, 1n]) {
    strictEqual(completionMark({ sequence, status: Status.SENT, payload: NOTHING }), undefined);
  }
  strictEqual(
    completionMark({ ...completionRecord("completed", 5n), payload: new Uint8Array(1) }),
    undefined,
  );
  strictEqual(completionMark({ ...completionRecord("completed", 5n), status: Status.PENDING }), undefined);
});

Deno.test("a completion mark settles no event for any reader", () => {
  const event = (sequence: bigint) => ({ sequence, status: Status.PENDING, payload: new Uint8Array(3) });
  for (const sequences of [[1n, 2n, 3n], [-4n, 7n, 2n, 2n]]) {
    const ledger = new Ledger(0x8000_0000);
    ledger.add({ sequence: 0n, status: Status.SENT, payload: new Uint8Array(2) });
    for (const sequence of sequences) ledger.add(event(sequence));
    for (const mark of COMPLETION_MARKS) {
      strictEqual(ledger.add(completionRecord(mark, 5n)), "acknowledgement");
    }
    deepStrictEqual([ledger.events, ledger.pending, ledger.sent], [sequences.length, sequences.length, 0]);
  }
});

Deno.test("a completion is due when the job has ended, can be completed, and nothing says that it was", () => {
  const state = (hasEnded: boolean, hasToken: boolean) =>
    completionState({ hasEnded, hasToken, mark: undefined });
  deepStrictEqual([state(true, true), state(true, false), state(false, true)], ["due", undefined, undefined]);
  strictEqual(completionState({ hasEnded: true, hasToken: true, mark: "completed" }), "completed");
});
