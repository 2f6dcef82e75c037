import assert from "node:assert/strict";
import {
  formatAge,
  formatBytes,
  formatCount,
  formatFields,
  formatSpan,
  formatTable,
  formatTime,
  plainStyle,
  shellWord,
} from "./text.ts";

Deno.test("numbers, sizes and times are written for people", () => {
  const cases: [actual: string, expected: string][] = [
    [formatCount(0), "0"],
    [formatCount(1234567), "1,234,567"],
    [formatCount(9007199254740993n), "9,007,199,254,740,993"],
    [formatBytes(999), "999 B"],
    [formatBytes(1000), "1.0 KB"],
    [formatBytes(999_950), "1.0 MB"],
    [formatBytes(2 * 2 ** 30), "2.1 GB"],
    [formatSpan(0), "0 ms"],
    [formatSpan(999), "999 ms"],
    [formatSpan(1999), "1.9 s"],
    [formatSpan(59_999), "59 s"],
    [formatSpan(310_000), "5 min 10 s"],
    [formatSpan(7_800_000), "2 h 10 min"],
    [formatSpan(3 * 86_400_000), "3 days"],
    [formatAge(1000, 500), "500 ms in the future"],
    [formatTime(1_767_225_600_120), "2026-01-01 00:00:00 UTC"],
    [formatTime(2n ** 62n), "4611686018427387904 ms"],
    [shellWord("/a/b-c.wal"), "/a/b-c.wal"],
    [shellWord("it's $HOME"), "'it'\\''s $HOME'"],
    [shellWord(""), "''"],
  ];
  for (const [actual, expected] of cases) assert.equal(actual, expected);
});

Deno.test("fields and tables are aligned, and no line ends in blanks", () => {
  assert.equal(formatFields([["A", "1\n2"], undefined, ["Long", "3"]]), "A     1\n      2\nLong  3\n");
  const table = formatTable(
    [{ title: "N", align: "right" }, { title: "NAME" }],
    [["10", "x"], ["9", "long"]],
    plainStyle,
  );
  assert.equal(table, " N  NAME\n10  x\n 9  long\n");
});
