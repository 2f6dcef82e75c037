import assert from "node:assert/strict";
import { Status } from "./format.ts";
import { Ledger } from "./ledger.ts";
import { PendingTally } from "./pending_tally.ts";

function tallied(records: [sequence: bigint, status: number, payloadBytes: number, timestampMs: number][]) {
  const ledger = new Ledger();
  const tally = new PendingTally();
  for (const [sequence, status, payloadBytes, timestampMs] of records) {
    const kind = ledger.add({ sequence, status, payload: new Uint8Array(payloadBytes) });
    tally.add({ length: 32 + payloadBytes, timestampMs: BigInt(timestampMs) }, kind);
  }
  return tally.sum(ledger);
}

Deno.test("tally sums the records of pending events and tells when the first of them happened", () => {
  const events: Parameters<typeof tallied>[0] = [
    [0n, Status.SENT, 9, 1],
    [1n, Status.PENDING, 100, 10],
    [2n, Status.PENDING, 200, 20],
    [3n, Status.PENDING, 300, 30],
  ];
  assert.deepEqual(tallied(events), { bytes: 600 + 3 * 32, oldestTimestampMs: 10 });
  events.push([1n, Status.SENT, 0, 40]);
  assert.deepEqual(tallied(events), { bytes: 500 + 2 * 32, oldestTimestampMs: 20 });
  events.push([2n, Status.FAILED, 50, 41]);
  assert.deepEqual(tallied(events), { bytes: 300 + 32, oldestTimestampMs: 30 });
  events.push([3n, Status.SENT, 0, 42]);
  assert.deepEqual(tallied(events), { bytes: 0, oldestTimestampMs: undefined });
});

Deno.test("tally takes more events than it first has room for", () => {
  const events = Array.from({ length: 1000 }, (_, i) => [BigInt(i + 1), Status.PENDING, i, i] as const);
  const { bytes, oldestTimestampMs } = tallied(events.map((event) => [...event]));
  assert.equal(bytes, 1000 * 32 + 999 * 500);
  assert.equal(oldestTimestampMs, 0);
});
