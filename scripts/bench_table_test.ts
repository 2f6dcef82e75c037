import assert from "node:assert/strict";
import { formatRows } from "./bench_table.ts";

Deno.test("a benchmark table says which promises hold", () => {
  const table = formatRows("wal", [
    { name: "bare loop", value: 5123, unit: "appends/s" },
    { name: "one by one", value: 4000, unit: "appends/s", ratio: 0.781, target: 0.8 },
    { name: "idle memory", value: 71.25, unit: "MB", target: 90, lowerIsBetter: true },
  ]);
  assert.equal(
    table,
    [
      "wal",
      "  bare loop    5,123 appends/s",
      "  one by one   4,000 appends/s  x 0.781  MISSES at least 0.800",
      "  idle memory          71.3 MB           meets at most 90.0",
      "",
    ].join("\n"),
  );
});
