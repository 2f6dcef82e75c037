import assert from "node:assert/strict";
import fc from "fast-check";
import { crc64 } from "../platform/checksum/crc64.ts";
import { EventsChecksum } from "./events_checksum.ts";
import { encodeRecord, Status } from "./format.ts";

/** As CompareEventsRequest says it, with no thought of speed. */
function plain(events: readonly { sequence: bigint; payload: Uint8Array }[]): bigint {
  const bytes: number[] = [];
  for (const { sequence, payload } of events) {
    const head = new DataView(new ArrayBuffer(12));
    head.setBigInt64(0, sequence, true);
    head.setUint32(8, payload.length, true);
    bytes.push(...new Uint8Array(head.buffer), ...payload);
  }
  return crc64(new Uint8Array(bytes));
}

const anyEvents = fc.array(
  fc.record({ step: fc.integer({ min: 1, max: 9 }), payload: fc.uint8Array({ maxLength: 60 }) }),
  {
    maxLength: 30,
  },
).map((events) => {
  let sequence = 0n;
  return events.map(({ step, payload }) => ({ sequence: sequence += BigInt(step), payload }));
});

Deno.test("the checksum is that of sequences, lengths and bytes, from events and from their records alike", () => {
  fc.assert(fc.property(anyEvents, fc.integer({ min: 1, max: 200 }), (events, bytes) => {
    const read = new EventsChecksum({ bytes });
    const written = new EventsChecksum({ bytes });
    for (const { sequence, payload } of events) {
      const fields = { sequence, status: Status.PENDING, timestampMs: -5n };
      const record = encodeRecord({ ...fields, payload });
      const recordChecksum = new DataView(record.buffer).getBigUint64(record.length - 8, true);
      read.add(sequence, payload);
      written.addWritten({ ...fields, payloadBytes: payload.length, recordChecksum });
    }
    const ranges = read.ranges();
    assert.deepEqual(written.ranges(), ranges);
    let next = 1n;
    for (const { from, to, count, checksum } of ranges) {
      assert.equal(from, next, "no sequence is left out");
      next = to + 1n;
      const within = events.filter(({ sequence }) => sequence >= from && sequence <= to);
      assert.deepEqual([count, checksum], [within.length, plain(within)]);
      const sum = within.reduce((sum, { payload }) => sum + payload.length, 0);
      assert.ok(sum <= bytes || count === 1);
    }
    assert.equal(ranges.reduce((sum, { count }) => sum + count, 0), events.length);
  }));
});

Deno.test("one checksum is pinned, and sequences that do not rise are refused", () => {
  const checksum = new EventsChecksum();
  checksum.add(1n, new TextEncoder().encode("hello"));
  checksum.add(4n, new Uint8Array());
  const expected = plain([{ sequence: 1n, payload: new TextEncoder().encode("hello") }, {
    sequence: 4n,
    payload: new Uint8Array(),
  }]);
  assert.deepEqual(checksum.ranges(), [{ from: 1n, to: 4n, count: 2, checksum: expected }]);
  assert.equal(expected.toString(16), "c7b3911b0b19d7aa");
  assert.deepEqual([checksum.follows(4n), checksum.follows(5n)], [false, true]);
  assert.throws(() => checksum.add(4n, new Uint8Array()), RangeError);
  assert.throws(() => new EventsChecksum().add(0n, new Uint8Array()), RangeError);
});
