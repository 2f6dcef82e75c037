import assert from "node:assert/strict";
import fc from "fast-check";
import type { ListedFile } from "./directory.ts";
import { systemFiles } from "../platform/system_files.ts";
import type { Pending } from "./log_tally.ts";
import { encodeHeader, encodeRecord, Status } from "../wal/format.ts";
import { PendingTally } from "../wal/pending_tally.ts";
import { readLogFile, scanLog } from "../wal/reader.ts";
import { LogScans } from "./pending_scan.ts";

class GrowingLog implements Disposable {
  readonly directory = Deno.makeTempDirSync({ prefix: "airunner-scan-" });
  readonly path = `${this.directory}/a.wal`;

  append(...parts: Uint8Array[]): void {
    for (const part of parts) Deno.writeFileSync(this.path, part, { append: true });
  }

  listed(): ListedFile {
    const { dev, ino, size } = Deno.statSync(this.path);
    return {
      name: "a.wal",
      path: this.path,
      dev,
      ino: ino!,
      bytes: size,
      mtimeMs: 0,
      mode: 0o600,
      ownerId: undefined,
    };
  }

  /** What a reader of the whole file says. */
  async whole(): Promise<Pending> {
    const tally = new PendingTally();
    const { ledger } = await scanLog(
      readLogFile(systemFiles, this.path),
      (record, kind) => tally.add(record, kind),
    );
    const { bytes, oldestTimestampMs } = tally.sum(ledger);
    return { events: ledger.pending, bytes, oldestMs: oldestTimestampMs };
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.directory, { recursive: true });
  }
}

function event(sequence: number, payloadBytes = 10): Uint8Array {
  return encodeRecord({
    sequence: BigInt(sequence),
    status: Status.PENDING,
    timestampMs: BigInt(1000 + sequence),
    payload: new Uint8Array(payloadBytes),
  });
}

function acknowledgement(sequence: number): Uint8Array {
  return encodeRecord({
    sequence: BigInt(sequence),
    status: Status.SENT,
    timestampMs: 0n,
    payload: new Uint8Array(),
  });
}

Deno.test("scan of a log that grows goes on where it ended", async () => {
  using log = new GrowingLog();
  const scans = new LogScans(systemFiles);
  log.append(encodeHeader(), event(1), event(2, 300_000));
  assert.deepEqual(await scans.pendingOf(log.listed()), {
    events: 2,
    bytes: 64 + 10 + 300_000,
    oldestMs: 1001,
  });
  // What was read before is not read again: it may be anything now.
  const { goodBytes } = await scanLog(readLogFile(systemFiles, log.path), () => {});
  const file = Deno.openSync(log.path, { write: true });
  file.writeSync(new Uint8Array(goodBytes));
  file.close();
  log.append(acknowledgement(1), event(3));
  assert.deepEqual(await scans.pendingOf(log.listed()), {
    events: 2,
    bytes: 64 + 10 + 300_000,
    oldestMs: 1002,
  });
});

Deno.test("a record that is half written counts once it is whole", async () => {
  using log = new GrowingLog();
  const scans = new LogScans(systemFiles);
  const record = event(1);
  log.append(encodeHeader(), record.subarray(0, 20));
  assert.deepEqual(await scans.pendingOf(log.listed()), { events: 0, bytes: 0, oldestMs: undefined });
  log.append(record.subarray(20));
  assert.deepEqual(await scans.pendingOf(log.listed()), { events: 1, bytes: 42, oldestMs: 1001 });
});

Deno.test("a log that became shorter is read anew, and so is one that nobody has looked at for long", async () => {
  using log = new GrowingLog();
  const scans = new LogScans(systemFiles);
  log.append(encodeHeader(), event(1), event(2));
  await scans.pendingOf(log.listed());
  Deno.truncateSync(log.path, 16 + 42);
  assert.equal((await scans.pendingOf(log.listed())).events, 1);
  const others = Array.from({ length: 20 }, () => new GrowingLog());
  for (const other of others) {
    other.append(encodeHeader(), event(1));
    assert.equal((await scans.pendingOf(other.listed())).events, 1);
  }
  log.append(event(3));
  assert.equal((await scans.pendingOf(log.listed())).events, 2);
  for (const other of others) other[Symbol.dispose]();
});

Deno.test("a log that is gone is an error of its own", async () => {
  using log = new GrowingLog();
  log.append(encodeHeader());
  const listed = log.listed();
  Deno.removeSync(log.path);
  await assert.rejects(new LogScans(systemFiles).pendingOf(listed), Deno.errors.NotFound);
});

Deno.test("however a log grows, a scan in steps says what a scan of the whole says", async () => {
  const record = fc.tuple(
    fc.integer({ min: 0, max: 6 }),
    fc.constantFrom(1, 2, 3),
    fc.integer({ min: 0, max: 3 }),
  )
    .map(([sequence, status, payloadBytes]) =>
      encodeRecord({
        sequence: BigInt(sequence),
        status,
        timestampMs: BigInt(sequence),
        payload: new Uint8Array(payloadBytes),
      })
    );
  const steps = fc.array(fc.tuple(fc.array(record, { maxLength: 4 }), fc.nat({ max: 40 })), { maxLength: 6 });
  await fc.assert(
    fc.asyncProperty(steps, async (steps) => {
      using log = new GrowingLog();
      const scans = new LogScans(systemFiles);
      log.append(encodeHeader());
      let held = new Uint8Array();
      for (const [records, heldBytes] of steps) {
        const bytes = new Uint8Array([...held, ...records.flatMap((one) => [...one])]);
        const end = Math.max(0, bytes.length - heldBytes);
        log.append(bytes.subarray(0, end));
        held = bytes.slice(end);
        assert.deepEqual(await scans.pendingOf(log.listed()), await log.whole());
      }
    }),
    { numRuns: 60 },
  );
});
