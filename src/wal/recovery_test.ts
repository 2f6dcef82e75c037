import assert from "node:assert/strict";
import { encodeHeader } from "./format.ts";
import { decideRecovery, isUnfinishedHeader, type RecoveryFacts } from "./recovery.ts";
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
      for (const neverFinished of [false, true]) {
        const facts: RecoveryFacts = { problem, validAfter, neverFinished };
        const row = `${problem}, ${validAfter ? "records" : "nothing"} after, ${
          neverFinished ? "unfinished" : "unknown"
        }`;
        const expected = problem === undefined ? "append" : cut.has(row) ? "cut" : "quarantine";
        assert.equal(decideRecovery(facts), expected, row);
        if (expected === "cut") seen++;
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
