import assert from "node:assert/strict";
import fc from "fast-check";
import { encodeExecution } from "./execution.ts";
import { Ledger, type RecordKind } from "./ledger.ts";

interface Fields {
  sequence: bigint;
  status: number;
  payload: Uint8Array;
}

const EMPTY = new Uint8Array();
const BYTES = new Uint8Array([1]);
const ADOPTION = encodeExecution({
  job_id: "job",
  execution: 1,
  queue: "default",
  server: "http://127.0.0.1:1",
  task_token: "secret",
  worker: "host",
  version: "1",
  started_at_ms: 1,
});
const event = (sequence: bigint, status = 1): Fields => ({ sequence, status, payload: BYTES });
const acknowledgement = (sequence: bigint): Fields => ({ sequence, status: 2, payload: EMPTY });
const failure = (sequence: bigint): Fields => ({ sequence, status: 3, payload: BYTES });

/** The rules as they are written down, with no thought of speed. */
function naiveLedger(records: readonly Fields[]): { kinds: RecordKind[]; statuses: string[] } {
  const kinds: RecordKind[] = [];
  const events: { sequence: bigint; status: string }[] = [];
  for (const [i, { sequence, status, payload }] of records.entries()) {
    const same = events.filter((one) => one.sequence === sequence);
    if (i === 0 && sequence === 0n && status === 2) {
      kinds.push("execution");
    } else if (sequence === 0n && status === 2 && payload === ADOPTION) {
      kinds.push("execution");
      for (const one of events) one.status = "pending";
    } else if (status === 2 && payload.length === 0) {
      kinds.push("acknowledgement");
      for (const one of events) if (one.status === "pending" && one.sequence <= sequence) one.status = "sent";
      for (const one of same) one.status = "sent";
    } else if (status === 3 && same.length > 0) {
      kinds.push("failure");
      for (const one of same) one.status = "failed";
    } else {
      kinds.push("event");
      const name = status === 2 ? "sent" : status === 3 ? "failed" : "pending";
      for (const one of same) one.status = name;
      events.push({ sequence, status: name });
    }
  }
  return { kinds, statuses: events.map((one) => one.status) };
}

function statuses(ledger: Ledger): string[] {
  return Array.from({ length: ledger.events }, (_, i) => ledger.statusAt(i));
}

function check(records: readonly Fields[]): void {
  const ledger = new Ledger();
  const kinds = records.map((record) => ledger.add(record));
  const expected = naiveLedger(records);
  assert.deepEqual(kinds, expected.kinds);
  assert.deepEqual(statuses(ledger), expected.statuses);
  for (const name of ["pending", "sent", "failed"] as const) {
    assert.equal(ledger[name], expected.statuses.filter((status) => status === name).length, name);
  }
  const events = records.filter((_, i) => expected.kinds[i] === "event");
  const pending = events.filter((_, i) => expected.statuses[i] === "pending").map((record) =>
    record.sequence
  );
  const distinct = [...new Set(pending)].sort((a, b) => a < b ? -1 : 1);
  const found = ledger.pendingSequences();
  assert.deepEqual([...found.sequences], distinct);
  assert.deepEqual([...found.copies], distinct.map((one) => pending.filter((other) => other === one).length));
  const highest = events.reduce<bigint | undefined>(
    (high, { sequence }) => high === undefined || sequence > high ? sequence : high,
    undefined,
  );
  assert.equal(ledger.highestSequence, highest);
}

const anyRecord = (sequence: fc.Arbitrary<bigint>): fc.Arbitrary<Fields> =>
  fc.record({
    sequence,
    status: fc.oneof({ weight: 8, arbitrary: fc.integer({ min: 1, max: 3 }) }, fc.constantFrom(0, 9, 255)),
    payload: fc.constantFrom(EMPTY, BYTES, ADOPTION),
  });

Deno.test("ledger says what the rules say of any records", () => {
  fc.assert(fc.property(fc.array(anyRecord(fc.bigInt({ min: -2n, max: 12n })), { maxLength: 60 }), check), {
    numRuns: 500,
  });
});

Deno.test("ledger says what the rules say of sequences of any size", () => {
  const extreme = fc.constantFrom(
    0n,
    1n,
    -1n,
    0x7fffffffn,
    0x80000000n,
    0xffffffffn,
    0x100000000n,
    -0x80000000n,
    -0x100000000n,
    0x7fff_ffff_ffff_ffffn,
    -0x8000_0000_0000_0000n,
  );
  fc.assert(fc.property(fc.array(anyRecord(extreme), { maxLength: 40 }), check), { numRuns: 500 });
});

Deno.test("ledger says what the rules say of rising events with acknowledgements and failures between", () => {
  const step = fc.oneof(
    { weight: 5, arbitrary: fc.constant("event") },
    { weight: 2, arbitrary: fc.constant("acknowledgement") },
    { weight: 1, arbitrary: fc.constant("failure") },
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(step, fc.nat(200)), { maxLength: 1500 }), (steps) => {
      let last = 0n;
      check(steps.map(([kind, n]) => {
        if (kind === "event") return event(last += BigInt(1 + n % 3));
        const sequence = last === 0n ? 0n : BigInt(n) * last / 200n;
        return kind === "failure" ? failure(sequence) : acknowledgement(sequence);
      }));
    }),
    { numRuns: 40 },
  );
});

Deno.test("acknowledgement covers pending events before it up to its sequence, and no failed one but its own", () => {
  check([
    event(1n),
    event(2n),
    event(3n),
    failure(1n),
    failure(2n),
    acknowledgement(2n),
    event(1n),
    event(9n),
  ]);
  const ledger = new Ledger();
  for (const record of [event(1n), event(2n), event(3n), failure(1n), failure(2n), acknowledgement(2n)]) {
    ledger.add(record);
  }
  assert.deepEqual(statuses(ledger), ["failed", "sent", "pending"]);
});

Deno.test("only the first record can be the execution", () => {
  const ledger = new Ledger();
  assert.equal(ledger.add({ sequence: 0n, status: 2, payload: BYTES }), "execution");
  assert.equal(ledger.add({ sequence: 0n, status: 2, payload: BYTES }), "event");
  assert.equal(ledger.add({ sequence: 0n, status: 2, payload: EMPTY }), "acknowledgement");
  assert.equal(new Ledger().add({ sequence: 0n, status: 2, payload: EMPTY }), "execution");
  assert.equal(new Ledger().add(acknowledgement(1n)), "acknowledgement");
});

Deno.test("ledger survives growing in every one of its modes", () => {
  const many = (from: bigint, count: number) =>
    Array.from({ length: count }, (_, i) => event(from + BigInt(i)));
  const records = [
    ...many(1n, 700),
    event(5n),
    ...many(-3000n, 1500),
    acknowledgement(-2000n),
    ...many(100n, 300),
    failure(200n),
  ];
  const ledger = new Ledger(0x8000_0000);
  for (const record of records) ledger.add(record);
  // The naive model is quadratic; 2,500 records are what it can take.
  assert.deepEqual(statuses(ledger), naiveLedger(records).statuses);
});

Deno.test("ledger takes a million of the worst records in linear steps and little memory", () => {
  // Each acknowledgement covers everything, and each rewrite makes the lowest event pending again.
  const ledger = new Ledger();
  for (let i = 0n; i < 300_000n; i++) ledger.add(event(i * 0x1_0000_0000n));
  const lowest = event(0n);
  const all = acknowledgement(0x7fff_ffff_ffff_ffffn);
  for (let i = 0; i < 300_000; i++) {
    ledger.add(lowest);
    ledger.add(all);
  }
  assert.deepEqual([ledger.events, ledger.pending, ledger.sent], [600_000, 0, 600_000]);
});

Deno.test("statusAt refuses an index that no event has", () => {
  const ledger = new Ledger();
  ledger.add(event(1n));
  for (const index of [-1, 1, NaN]) assert.throws(() => ledger.statusAt(index), RangeError);
});
