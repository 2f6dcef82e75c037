import "../../tests/support/loaded_zstd.ts";
import assert from "node:assert/strict";
import { FileLock } from "../platform/file_lock.ts";
import { LogBuilder, TestData } from "../../tests/support/data_directory.ts";
import { systemFiles as files } from "../platform/system_files.ts";
import { verifyLog } from "./verify.ts";

const LOG = "wal/job.wal";
const IMPATIENT = { sleep: () => Promise.resolve() };

function append(data: TestData, bytes: Uint8Array): void {
  Deno.writeFileSync(data.path(LOG), bytes, { append: true });
}

/** Verifies a log that somebody holds; each wait is a chance for `onWait` to go on writing. */
async function verifyOwned(data: TestData, onWait: (turn: number) => void) {
  const lock = FileLock.acquire(data.path(LOG), { create: false });
  let turn = 0;
  const sleep = () => Promise.resolve(onWait(++turn));
  try {
    return { ...await verifyLog({ files, clock: { sleep } }, data.path(LOG)), turns: turn };
  } finally {
    lock.release();
  }
}

function split(cut: number): { whole: Uint8Array; head: Uint8Array; tail: Uint8Array } {
  const whole = new LogBuilder("job").start().output("one\n").bytes();
  return { whole, head: whole.subarray(0, whole.length - cut), tail: whole.subarray(whole.length - cut) };
}

Deno.test("a record that is being written is read again and is no finding", async () => {
  const { whole, head, tail } = split(5);
  using data = new TestData({ [LOG]: head });
  const verified = await verifyOwned(data, (turn) => {
    if (turn === 2) append(data, tail);
  });
  assert.deepEqual([verified.damage, verified.records, verified.goodBytes], [undefined, 3, whole.length]);
  assert.deepEqual([verified.pending, verified.owner, verified.turns], [2, { pid: Deno.pid }, 2]);
});

Deno.test("a tail that moves on and is torn again just then is no finding either", async () => {
  const { whole, head, tail } = split(5);
  using data = new TestData({ [LOG]: head });
  const next = new LogBuilder("job").start().output("two\n").bytes().subarray(-60, -7);
  const verified = await verifyOwned(
    data,
    () => append(data, new Uint8Array([...tail, ...next.subarray(-3)])),
  );
  assert.deepEqual([verified.damage, verified.goodBytes, verified.records], [undefined, whole.length, 3]);
});

Deno.test("a tail that stays as it is while its log is owned is a torn tail", async () => {
  using data = new TestData({ [LOG]: split(5).head });
  const { damage, extent, turns } = await verifyOwned(data, () => {});
  assert.equal(damage?.problem, "torn_record");
  assert.deepEqual(extent, { recordsAfter: 0, isTornTail: true });
  assert.ok(turns > 2);
});

Deno.test("a log whose owner has just let go is read once more", async () => {
  const { head, tail } = split(5);
  using data = new TestData({ [LOG]: head });
  let reads = 0;
  const { damage } = await verifyLog(
    { files, clock: { sleep: () => Promise.reject(new Error("nobody to wait for")) } },
    data.path(LOG),
    async function* (bytes) {
      for await (const chunk of bytes) yield chunk;
      if (reads++ === 0) append(data, tail);
    },
  );
  assert.equal(damage, undefined);
});

Deno.test("damage in the middle is counted with what follows, and is a finding whoever owns the log", async () => {
  const bytes = new LogBuilder("job").start().output("one\n").output("two\n").end().flipped(2);
  using data = new TestData({ [LOG]: bytes });
  const owned = await verifyOwned(data, () => {});
  assert.equal(owned.damage?.problem, "crc_mismatch");
  assert.deepEqual(owned.extent, { recordsAfter: 2, isTornTail: false });
});

Deno.test("what a power failure leaves is a torn tail, and what nobody can explain is damage", async () => {
  const bytes = new LogBuilder("job").start().output("one\n").bytes();
  const zeros = new Uint8Array(bytes.length + 100);
  zeros.set(bytes);
  const unfinished = bytes.slice();
  unfinished.fill(0, bytes.length - 8);
  const cases: [bytes: Uint8Array, problem: string, isTornTail: boolean][] = [
    [zeros, "zero_tail", true],
    [bytes.slice(0, 7), "short_header", true],
    [new TextEncoder().encode("hello"), "short_header", false],
    [new Uint8Array(), "short_header", true],
    [unfinished, "crc_mismatch", true],
    [new LogBuilder("job").start().flipped(1), "crc_mismatch", false],
    [new Uint8Array([...bytes, 1, 0, 0, 0]), "bad_length", false],
  ];
  for (const [content, problem, isTornTail] of cases) {
    using data = new TestData({ [LOG]: content });
    const { damage, extent } = await verifyLog({ files, clock: IMPATIENT }, data.path(LOG));
    assert.deepEqual([damage?.problem, extent?.isTornTail], [problem, isTornTail]);
  }
});

Deno.test("an archive with a hole is damaged, and what lies in the frames behind it is counted", async () => {
  const log = new LogBuilder("job").start();
  // Random bytes do not shrink: the archive has several frames.
  for (let at = 0; at < 60; at++) log.output(crypto.getRandomValues(new Uint8Array(50_000)));
  using data = new TestData({ [LOG]: log.bytes() });
  const archive = await data.archive(LOG);
  const bytes = Deno.readFileSync(data.path(archive));
  bytes[bytes.length >> 2] ^= 1;
  data.write(archive, bytes);
  const { damage, extent, archiveProblem } = await verifyLog(
    { files, clock: IMPATIENT },
    data.path(archive),
  );
  assert.ok(damage !== undefined || archiveProblem !== undefined);
  assert.equal(extent?.isTornTail, false);
  assert.ok(extent!.recordsAfter > 20, `${extent?.recordsAfter} records`);
});
