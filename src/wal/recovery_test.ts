import assert from "node:assert/strict";
import { encodeHeader } from "./format.ts";
import { encodeRecord } from "./format.ts";
import { scanLog } from "./reader.ts";
import { decideRecovery, examineEnd, isUnfinishedHeader, type RecoveryFacts } from "./recovery.ts";
import { PROBLEMS } from "./scanner.ts";

Deno.test("recovery cuts these six kinds of ends, appends to a whole log, and sets everything else aside", () => {
  const cut = new Set([
    "torn_record, nothing after, unknown",
    "torn_record, nothing after, unfinished",
    "zero_tail, nothing after, unknown",
    "zero_tail, nothing after, unfinished",
    "short_header, nothing after, unfinished",
    "crc_mismatch, nothing after, unfinished",
  ]);
  let seen = 0;
  for (const problem of [undefined, ...PROBLEMS]) {
    for (const validAfter of [false, true]) {
      for (const wholeButLength of [false, true]) {
        for (const neverFinished of [false, true]) {
          const facts: RecoveryFacts = { problem, validAfter, wholeButLength, neverFinished };
          const row = `${problem}, ${validAfter || wholeButLength ? "records" : "nothing"} after, ${
            neverFinished ? "unfinished" : "unknown"
          }`;
          const expected = problem === undefined ? "append" : cut.has(row) ? "cut" : "quarantine";
          assert.equal(decideRecovery(facts), expected, row);
          if (expected === "cut") seen++;
        }
      }
    }
  }
  assert.equal(seen, cut.size);
});

Deno.test("a header is unfinished when it is the beginning of one or zeros", () => {
  const header = encodeHeader();
  for (let length = 0; length < 16; length++) {
    assert.ok(isUnfinishedHeader(header.subarray(0, length)), `prefix of ${length}`);
    assert.ok(isUnfinishedHeader(new Uint8Array(length)), `${length} zeros`);
  }
  assert.ok(!isUnfinishedHeader(header));
  assert.ok(!isUnfinishedHeader(new Uint8Array(16)));
  assert.ok(!isUnfinishedHeader(new TextEncoder().encode("ARWAL002")));
});

const event = (sequence: bigint, bytes = 40) =>
  encodeRecord({
    sequence,
    status: 1,
    timestampMs: 7n,
    payload: new Uint8Array(bytes).fill(Number(sequence)),
  });

function concat(...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(parts.flatMap((part) => [...part]));
}

async function* pieces(bytes: Uint8Array, size: number) {
  for (let at = 0; at < bytes.length; at += size) yield bytes.slice(at, at + size);
}

/** What a log's end is, however its bytes come. */
async function endOf(log: Uint8Array): Promise<string> {
  const { damage, goodBytes } = await scanLog(pieces(log, log.length || 1), () => {});
  if (damage === undefined) return "append";
  const found = [];
  for (const size of [1, 5, 1 << 20]) {
    const { action, recordsAfter, wholeButLength } = await examineEnd(
      pieces(log.subarray(goodBytes), size),
      damage,
    );
    found.push(`${damage.problem}, ${recordsAfter} after${wholeButLength ? ", whole" : ""}: ${action}`);
  }
  assert.deepEqual(found, Array(3).fill(found[0]));
  return found[0];
}

/** The last of two records, changed. */
function withLast(change: (record: Uint8Array) => Uint8Array | void, ...behind: Uint8Array[]): Uint8Array {
  const last = event(2n);
  return concat(encodeHeader(), event(1n), change(last) ?? last, ...behind);
}

Deno.test("the end of a log is torn, or it is not", async () => {
  const length = (value: number) => (record: Uint8Array) =>
    new DataView(record.buffer).setUint32(0, value, true);
  const zeros = new Uint8Array(4096);
  const ends: [log: Uint8Array, end: string][] = [
    [withLast(() => {}), "append"],
    [new Uint8Array(), "short_header, 0 after: cut"],
    [encodeHeader().subarray(0, 9), "short_header, 0 after: cut"],
    [new TextEncoder().encode("garbage"), "short_header, 0 after: quarantine"],
    [withLast((record) => record.subarray(0, 3)), "torn_record, 0 after: cut"],
    [withLast((record) => record.subarray(0, 50)), "torn_record, 0 after: cut"],
    [withLast(() => zeros), "zero_tail, 0 after: cut"],
    // The disk wrote the front of the last record and not its end.
    [withLast((record) => void record.fill(0, record.length - 8)), "crc_mismatch, 0 after: cut"],
    [withLast((record) => void record.fill(0, record.length - 8), zeros), "crc_mismatch, 0 after: cut"],
    [withLast((record) => void record.fill(0, record.length - 9)), "crc_mismatch, 0 after: cut"],
    [withLast((record) => void record.fill(0, record.length - 7)), "crc_mismatch, 0 after: quarantine"],
    [withLast((record) => void (record[30] ^= 1)), "crc_mismatch, 0 after: quarantine"],
    [withLast((record) => void (record[30] ^= 1), event(3n)), "crc_mismatch, 1 after: quarantine"],
    [withLast((record) => record.subarray(0, 50), event(3n, 9)), "crc_mismatch, 1 after: quarantine"],
    // One bit of the last length: what looks torn is proven whole by its checksum.
    [withLast(length(72 | 1 << 10)), "torn_record, 0 after, whole: quarantine"],
    [withLast(length(72 | 1 << 10), event(3n).subarray(0, 20)), "torn_record, 0 after, whole: quarantine"],
    [withLast(length(72 | 1 << 10), zeros), "crc_mismatch, 0 after, whole: quarantine"],
    [withLast(length(72 ^ 8)), "crc_mismatch, 0 after, whole: quarantine"],
    [withLast(length(72 | 1 << 31)), "bad_length, 0 after, whole: quarantine"],
  ];
  for (const [log, end] of ends) assert.equal(await endOf(log), end);
});
