/**
 * Logs that other writers left, in any order and with any statuses, are resumed without ever calling sent
 * what was not stored.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { ALL, event, newDisk, openLog, PATH, sequences } from "../../tests/support/wal_fixture.ts";
import { encodeHeader, encodeRecord, type RecordFields } from "./format.ts";
import { Ledger } from "./ledger.ts";
import { Scanner } from "./scanner.ts";

/** What a file's ledger says. */
function readLedger(bytes: Uint8Array): Ledger {
  const scanner = new Scanner();
  const ledger = new Ledger();
  for (const record of scanner.push(bytes)) ledger.add(record);
  assert.equal(scanner.finish().damage, undefined);
  return ledger;
}

function fileOf(records: readonly RecordFields[]): Uint8Array {
  return new Uint8Array([...encodeHeader(), ...records.flatMap((record) => [...encodeRecord(record)])]);
}

const record = (sequence: bigint | number, status = 1, payload = new Uint8Array([7])): RecordFields => ({
  sequence: BigInt(sequence),
  status,
  timestampMs: 1000n + BigInt(sequence),
  payload,
});
const acknowledgement = (sequence: number) => record(sequence, 2, new Uint8Array());

Deno.test("log of another writer is resumed whatever its order: nothing is covered before it is stored", async () => {
  const files = newDisk();
  files.put(
    PATH,
    fileOf([
      record(30),
      record(10),
      record(20, 3),
      record(10),
      acknowledgement(5),
      record(5, 2),
      record(40, 9),
    ]),
  );
  const log = await openLog(files);
  const { bytes: _, ...counts } = log.counts;
  assert.deepEqual(counts, { pending: 4, sent: 1, failed: 1, events: 6 });
  assert.deepEqual([log.execution, log.lastSequence], [undefined, 40n]);
  const events = await log.pending(ALL);
  assert.deepEqual(sequences(events), [30, 10, 10, 40]);
  await log.acknowledge(events.slice(0, 1));
  assert.equal(readLedger(files.content(PATH)).pending, 4, "30 would cover 10");
  await log.acknowledge(events.slice(1, 2));
  assert.equal(readLedger(files.content(PATH)).pending, 4, "the second 10 is not stored");
  await log.acknowledge(events.slice(2, 3));
  assert.equal(readLedger(files.content(PATH)).pending, 1);
  await log.append(event(41));
  await log.acknowledge((await log.pending(ALL)).slice(0, 1));
  assert.deepEqual(sequences(await log.pending(ALL)), [41]);
  await log.close();
  const ledger = readLedger(files.content(PATH));
  assert.deepEqual([ledger.pending, ledger.sent, ledger.failed], [1, 5, 1]);
});

Deno.test("at every moment a crash would find only stored events acknowledged, whatever the log and the order of answers", async () => {
  const anyRecord = fc.tuple(fc.integer({ min: 0, max: 9 }), fc.constantFrom(1, 1, 1, 2, 3, 7), fc.boolean())
    .map(([sequence, status, empty]) =>
      record(sequence, status, empty ? new Uint8Array() : new Uint8Array([1]))
    );
  const step = fc.record({
    take: fc.integer({ min: 1, max: 4 }),
    skip: fc.nat(2),
    act: fc.constantFrom("store", "store", "fail", "append", "reopen"),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(anyRecord, { maxLength: 14 }),
      fc.array(step, { maxLength: 12 }),
      async (records, steps) => {
        let files = newDisk();
        files.put(PATH, fileOf(records));
        const before = readLedger(files.content(PATH));
        const initial = Array.from({ length: before.events }, (_, i) => before.statusAt(i));
        const settled = new Map<number, string>();
        let log = await openLog(files);
        for (const { take, skip, act } of steps) {
          const events = (await log.pending({ events: take + skip, bytes: 1e6 })).slice(skip);
          if (act === "store") {
            for (const one of events) settled.set(one.offset, "sent");
            await log.acknowledge(events);
          } else if (act === "fail" && events.length > 0) {
            settled.set(events[0].offset, "failed");
            await log.fail(events[0], { code: "c", message: "m", attempts: 1 });
          } else if (act === "append") {
            await log.append(event(log.lastSequence + 1n));
          } else if (act === "reopen") {
            await log.close();
            files = files.restart();
            log = await openLog(files);
          }
          checkSettled(files.content(PATH), settled, initial);
        }
        for (let events; (events = await log.pending({ events: 2, bytes: 1 })).length > 0;) {
          await log.acknowledge(events);
        }
        assert.equal(log.counts.pending, 0);
        await log.close();
        const ledger = readLedger(files.content(PATH));
        assert.deepEqual({ ...log.counts, bytes: 0 }, {
          pending: 0,
          sent: ledger.sent,
          failed: ledger.failed,
          events: ledger.events,
          bytes: 0,
        });
      },
    ),
    { numRuns: 300 },
  );
});

/**
 * Every event that is pending no more was that already when the log was found, or was settled, or failed with
 * its namesake.
 */
function checkSettled(bytes: Uint8Array, settled: Map<number, string>, initial: readonly string[]): void {
  const ledger = new Ledger();
  const events = new Scanner().push(bytes).filter((one) => ledger.add(one) === "event");
  for (const [i, { offset, sequence }] of events.entries()) {
    const status = ledger.statusAt(i);
    if (status === "pending" || settled.get(offset) === status || initial[i] === status) continue;
    const namesakeFailed = events.some((other) =>
      other.sequence === sequence && settled.get(other.offset) === "failed"
    );
    assert.ok(status === "failed" && namesakeFailed, `event ${sequence} at ${offset} is called ${status}`);
  }
}
