import assert from "node:assert/strict";
import {
  ALL,
  createLog,
  event,
  EXECUTION,
  newDisk,
  openLog,
  PATH,
  sequences,
} from "../../tests/support/wal_fixture.ts";
import { decodeFailure } from "./execution.ts";
import { encodeHeader, encodeRecord, type RecordFields } from "./format.ts";
import { Ledger, type RecordKind } from "./ledger.ts";
import { LogLockedError, LogQuarantinedError, LogSealedError, type PendingEvent } from "./log.ts";
import { isAllZeros, Scanner } from "./scanner.ts";

/** What a reader finds in a file: kinds and sequences of all records, and the ledger's verdict. */
function read(
  bytes: Uint8Array,
): { records: [RecordKind, number][]; ledger: Ledger; payloads: Uint8Array[] } {
  const scanner = new Scanner();
  const ledger = new Ledger();
  const payloads: Uint8Array[] = [];
  const records = scanner.push(bytes).map((record): [RecordKind, number] => {
    payloads.push(record.payload);
    return [ledger.add(record), Number(record.sequence)];
  });
  assert.equal(scanner.finish().damage, undefined);
  return { records, ledger, payloads };
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

Deno.test("log gives out what was appended, oldest first, until it is acknowledged", async () => {
  const files = newDisk();
  const log = await createLog(files);
  assert.deepEqual([log.path, log.execution, log.lastSequence], [PATH, EXECUTION, 0n]);
  await Promise.all([1, 2, 4, 6].map((sequence) => log.append(event(sequence))));
  const first = await log.pending({ events: 3, bytes: 1e6 });
  assert.deepEqual(sequences(first), [1, 2, 4]);
  assert.deepEqual(first[1].payload, event(2).payload);
  assert.equal(first[1].timestampMs, 1002n);
  assert.deepEqual(sequences(await log.pending(ALL)), [1, 2, 4, 6]);
  await log.acknowledge(first.slice(0, 2));
  assert.deepEqual(sequences(await log.pending(ALL)), [4, 6]);
  const { bytes: _, ...counts } = log.counts;
  assert.deepEqual(counts, { pending: 2, sent: 2, failed: 0, events: 4 });
  assert.equal(log.oldestPendingTimestampMs, 1004);
  await log.acknowledge(await log.pending(ALL));
  assert.deepEqual([await log.pending(ALL), log.oldestPendingTimestampMs], [[], undefined]);
  await log.close();
  assert.deepEqual(read(files.content(PATH)).records, [
    ["execution", 0],
    ["event", 1],
    ["event", 2],
    ["event", 4],
    ["event", 6],
    ["acknowledgement", 2],
    ["acknowledgement", 6],
  ]);
});

Deno.test("log that is opened again goes on where it was", async () => {
  const files = newDisk();
  const log = await createLog(files);
  for (const sequence of [1, 2, 3]) await log.append(event(sequence));
  await log.acknowledge(await log.pending({ events: 1, bytes: 1 }));
  await log.close();
  const again = await openLog(files);
  assert.deepEqual([again.execution, again.lastSequence, again.counts.pending], [EXECUTION, 3n, 2]);
  assert.equal(again.oldestPendingTimestampMs, 1002);
  await again.append(event(4));
  const events = await again.pending(ALL);
  assert.deepEqual(sequences(events), [2, 3, 4]);
  await again.acknowledge(events);
  await again.close();
  assert.equal(read(files.content(PATH)).ledger.pending, 0);
});

Deno.test("limit of bytes is kept, but one event is always given", async () => {
  const log = await createLog(newDisk());
  for (const sequence of [1, 2, 3]) await log.append(event(sequence, 100));
  assert.deepEqual(sequences(await log.pending({ events: 9, bytes: 5 })), [1]);
  assert.deepEqual(sequences(await log.pending({ events: 9, bytes: 299 })), [1, 2]);
  assert.deepEqual(sequences(await log.pending({ events: 9, bytes: 300 })), [1, 2, 3]);
  await log.close();
});

Deno.test("sequences must rise, and a refused one changes nothing", async () => {
  const log = await createLog(newDisk());
  const first = log.append(event(5));
  for (const sequence of [5, 4, 0, -1]) await assert.rejects(log.append(event(sequence)), RangeError);
  await assert.rejects(log.append({ ...event(6), timestampMs: 0.5 }), RangeError);
  await assert.rejects(log.append({ ...event(6), payload: new Uint8Array(10 * 1024 * 1024) }), RangeError);
  await first;
  await log.append(event(6));
  assert.equal(log.lastSequence, 6n);
  await log.close();
});

Deno.test("append copies its payload at once", async () => {
  const log = await createLog(newDisk());
  const payload = new Uint8Array([1, 2, 3]);
  const appended = log.append({ sequence: 1n, timestampMs: 0, payload });
  payload.fill(9);
  await appended;
  assert.deepEqual((await log.pending(ALL))[0].payload, new Uint8Array([1, 2, 3]));
  await log.close();
});

Deno.test("event that was given up says why, and the others go on", async () => {
  const files = newDisk();
  const log = await createLog(files);
  for (const sequence of [1, 2, 3]) await log.append(event(sequence));
  const [first, second, third] = await log.pending(ALL);
  await log.acknowledge([first]);
  await log.fail(second, { code: "invalid_argument", message: "too large", attempts: 5 });
  await log.fail(second, { code: "again", message: "does nothing", attempts: 6 });
  assert.deepEqual(sequences(await log.pending(ALL)), [3]);
  await log.acknowledge([third]);
  await log.acknowledge([first, third]);
  const { bytes: _, ...counts } = log.counts;
  assert.deepEqual(counts, { pending: 0, sent: 2, failed: 1, events: 3 });
  await log.close();
  const { records, ledger, payloads } = read(files.content(PATH));
  assert.deepEqual([0, 1, 2].map((i) => ledger.statusAt(i)), ["sent", "failed", "sent"]);
  const failure = records.findIndex(([kind]) => kind === "failure");
  assert.deepEqual(decodeFailure(payloads[failure]), {
    code: "invalid_argument",
    message: "too large",
    attempts: 5,
  });
});

Deno.test("what was not given out cannot be settled", async () => {
  const log = await createLog(newDisk());
  await log.append(event(1));
  const payload = new Uint8Array(8);
  const stranger: PendingEvent = { sequence: 2n, timestampMs: 0n, payload, offset: 99_999, length: 40 };
  await assert.rejects(log.acknowledge([stranger]), RangeError);
  await assert.rejects(log.fail(stranger, { code: "", message: "", attempts: 1 }), RangeError);
  assert.equal(log.counts.pending, 1);
  await log.close();
});

Deno.test("stored events behind one that is pending are not acknowledged in the file until it is settled", async () => {
  const files = newDisk();
  const log = await createLog(files);
  for (const sequence of [1, 2, 3]) await log.append(event(sequence));
  const [first, second, third] = await log.pending(ALL);
  await log.acknowledge([second, third]);
  assert.deepEqual(sequences(await log.pending(ALL)), [1]);
  assert.equal(read(files.content(PATH)).ledger.pending, 3);
  await log.fail(first, { code: "", message: "", attempts: 1 });
  const { ledger } = read(files.content(PATH));
  assert.deepEqual([0, 1, 2].map((i) => ledger.statusAt(i)), ["failed", "sent", "sent"]);
  await log.close();
});

Deno.test("waitForPending resolves when something is durable, when its signal aborts, and when the log is closed", async () => {
  const log = await createLog(newDisk());
  const woken = log.waitForPending();
  await log.append(event(1));
  await woken;
  await log.waitForPending();
  await log.acknowledge(await log.pending(ALL));
  const abort = new AbortController();
  const aborted = log.waitForPending(abort.signal);
  abort.abort();
  await aborted;
  await log.waitForPending(abort.signal);
  const closed = log.waitForPending();
  await log.close();
  await closed;
  await log.waitForPending();
  assert.deepEqual(await log.pending(ALL), []);
});

Deno.test("closed log takes nothing and lets go of its lock", async () => {
  const files = newDisk();
  const log = await createLog(files);
  const last = log.append(event(1));
  await assert.rejects(openLog(files), LogLockedError);
  await log.close();
  await last;
  await log.close();
  await assert.rejects(log.append(event(2)), LogSealedError);
  const again = await openLog(files);
  assert.equal(again.counts.pending, 1);
  await again.close();
});

Deno.test("log takes the next name when one is taken, and never replaces a file", async () => {
  const files = newDisk();
  const [first, second] = [await createLog(files), await createLog(files)];
  assert.deepEqual([first.path, second.path], [PATH, "/wal/job-1.2.wal"]);
  await first.close();
  await second.close();
  await assert.rejects(createLog(files, {}, ["job-1.wal"]), /taken/);
  for (const name of ["", "..", ".hidden", "a/b"]) {
    await assert.rejects(createLog(files, {}, [name]), RangeError);
  }
  assert.deepEqual(files.paths(), ["/wal/job-1.2.wal", PATH]);
});

Deno.test("story: a log is written, damaged, proved broken and set aside; a torn one is cut, appended to and read again", async () => {
  const files = newDisk();
  const log = await createLog(files);
  for (const sequence of [1, 2, 3]) await log.append(event(sequence));
  const [, second] = await log.pending(ALL);
  await log.close();
  const good = files.content(PATH);

  const flipped = good.slice();
  flipped[second.offset + 30] ^= 1;
  files.put(PATH, flipped);
  await assert.rejects(openLog(files), (error: LogQuarantinedError) => {
    assert.deepEqual(error.damage, { problem: "crc_mismatch", offset: second.offset });
    assert.deepEqual([error.counts.records, error.counts.pending, error.counts.salvageable], [2, 1, 1]);
    return error instanceof LogQuarantinedError;
  });
  assert.deepEqual(files.paths(), [`${PATH}.corrupt`]);
  assert.deepEqual(files.content(`${PATH}.corrupt`), flipped);
  await assert.rejects(openLog(files), Deno.errors.NotFound);

  files.put(PATH, good.subarray(0, good.length - 3));
  const recovered = await openLog(files);
  const cut = recovered.counts.bytes;
  assert.deepEqual(files.content(`${PATH}.cut-${cut}`), good.subarray(cut, good.length - 3));
  assert.equal(recovered.lastSequence, 2n);
  await recovered.append(event(3, 5));
  await recovered.close();
  const { records } = read(files.content(PATH));
  assert.deepEqual(records, [["execution", 0], ["event", 1], ["event", 2], ["event", 3]]);

  files.put(PATH, flipped);
  await assert.rejects(openLog(files), /job-1\.wal\.corrupt-2/);
});

Deno.test("a last record whose length alone rotted is never cut", async () => {
  const whole = fileOf([record(1), record(2, 1, new Uint8Array(100).fill(5))]);
  const at = whole.length - 132;
  for (let bit = 0; bit < 32; bit++) {
    const files = newDisk();
    const damaged = whole.slice();
    damaged[at + (bit >> 3)] ^= 1 << (bit & 7);
    files.put(PATH, damaged);
    await assert.rejects(openLog(files), LogQuarantinedError, `bit ${bit}`);
    assert.deepEqual(files.paths(), [`${PATH}.corrupt`]);
    assert.deepEqual(files.content(`${PATH}.corrupt`), damaged);
  }
});

Deno.test("a record whose checksum was never written is cut, and one with another checksum is not", async () => {
  const whole = fileOf([record(1), record(2, 1, new Uint8Array(100).fill(5))]);
  for (const [zeros, expected] of [[8, "cut"], [60, "cut"], [7, "quarantined"]] as const) {
    const files = newDisk();
    const damaged = new Uint8Array(whole.length + 50);
    damaged.set(whole.subarray(0, whole.length - zeros));
    files.put(PATH, damaged);
    const opened = await openLog(files).then((log) => log.close().then(() => "cut"), (error) => {
      assert.ok(error instanceof LogQuarantinedError);
      return "quarantined";
    });
    assert.equal(opened, expected, `${zeros} zeros`);
  }
});

Deno.test("a cut never replaces bytes that an earlier cut saved, and gigabytes of zeros are saved as a hole", async () => {
  const files = newDisk();
  const good = fileOf([record(1)]);
  for (const name of [`${PATH}.cut-${good.length}`, `${PATH}.cut-${good.length}-2`]) {
    const torn = new Uint8Array(good.length + 3_000_000);
    torn.set(good);
    files.put(PATH, torn);
    await (await openLog(files)).close();
    const saved = files.content(name);
    assert.ok(saved.length === 3_000_000 && isAllZeros(saved));
    assert.deepEqual(files.content(PATH), good);
  }
});

Deno.test("a log that another server adopted is pending as a whole, and stays the log that it was", async () => {
  const files = newDisk();
  const log = await createLog(files);
  for (const sequence of [1, 2, 5]) await log.append(event(sequence));
  const [first, second, third] = await log.pending(ALL);
  await log.acknowledge([first]);
  await log.fail(second, { code: "x", message: "y", attempts: 1 });
  await log.acknowledge([third]);
  await log.settleCompletion("completed");
  const adopted = { ...EXECUTION, server: "http://127.0.0.1:9", task_token: "another" };
  await log.adopt(adopted);
  await log.close();
  const reopened = await openLog(files);
  assert.deepEqual([reopened.execution, reopened.origin], [adopted, log.origin]);
  assert.deepEqual(sequences(await reopened.pending(ALL)), [1, 2, 5]);
  const { bytes: _, ...counts } = reopened.counts;
  assert.deepEqual(counts, { pending: 3, sent: 0, failed: 0, events: 3 });
  // From here on it is a log like any other.
  await reopened.acknowledge((await reopened.pending(ALL)).slice(0, 2));
  await reopened.append(event(6));
  await reopened.close();
  const { ledger } = read(files.content(PATH));
  assert.deepEqual([ledger.pending, ledger.sent, ledger.highestSequence], [2, 2, 6n]);
});

Deno.test("a log of another writer, whose sequences do not rise, can be adopted and is the same log then", async () => {
  const files = newDisk();
  files.put(PATH, fileOf([record(7, 2), record(3), record(7), record(3, 3), record(9, 2)]));
  const log = await openLog(files);
  assert.equal(log.execution, undefined);
  await log.adopt({ ...EXECUTION, task_token: "token" });
  await log.close();
  const reopened = await openLog(files);
  assert.deepEqual(reopened.origin, log.origin);
  assert.deepEqual(sequences(await reopened.pending(ALL)), [7, 3, 7, 9]);
  await reopened.acknowledge(await reopened.pending(ALL));
  await reopened.close();
  assert.equal(read(files.content(PATH)).ledger.pending, 0);
});
