import assert from "node:assert/strict";
import { parseCount, parseMoment, parseSequences, parseWords } from "./option_values.ts";

Deno.test("sequences have two ends, each of which may be left out", () => {
  assert.deepEqual(parseSequences("--seq", "10..20"), { first: 10n, last: 20n });
  assert.deepEqual(parseSequences("--seq", "7"), { first: 7n, last: 7n });
  assert.equal(parseSequences("--seq", "9007199254740993..").first, 9007199254740993n);
  assert.equal(parseSequences("--seq", "..5").last, 5n);
  assert.equal(parseSequences("--seq", "-3..5").first, -3n);
  for (const text of ["", "..", "a", "1...2", "2..1", "1,2"]) {
    assert.throws(() => parseSequences("--seq", text), /Cannot read --seq/, text);
  }
});

Deno.test("a moment is a time, in UTC unless it says otherwise, or so long ago", () => {
  const nowMs = Date.UTC(2026, 0, 2);
  const of = (text: string) => parseMoment("--since", text, nowMs);
  assert.equal(of("2h"), nowMs - 7_200_000);
  assert.equal(of("2026-01-01"), Date.UTC(2026, 0, 1));
  assert.equal(of("2026-01-01T10:30"), Date.UTC(2026, 0, 1, 10, 30));
  assert.equal(of("2026-01-01 10:30:05.120 UTC"), Date.UTC(2026, 0, 1, 10, 30, 5, 120));
  assert.equal(of("2026-01-01T10:30:00+02:00"), Date.UTC(2026, 0, 1, 8, 30));
  for (const text of ["", "soon", "2026-13-01", "12:00", "2026-01-01T25:00"]) {
    assert.throws(() => of(text), /Cannot read --since/, text);
  }
});

Deno.test("words are known ones, counts are whole numbers", () => {
  assert.deepEqual(parseWords("--sort", "Job, size", ["job", "size"]), ["job", "size"]);
  assert.throws(() => parseWords("--sort", "", ["job", "size"]), /expected one of job, size/);
  assert.equal(parseCount("--limit", "0"), 0);
  assert.throws(() => parseCount("--limit", "1.5"), /expected a whole number/);
});
