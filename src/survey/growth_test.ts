import assert from "node:assert/strict";
import { DAY_MS } from "../platform/time_units.ts";
import { estimateFilling, estimateGrowth } from "./growth.ts";

const NOW_MS = Date.UTC(2026, 0, 31);

Deno.test("growth is what was written within the window", () => {
  const files = [
    { bytes: 100, writtenMs: NOW_MS - 1000 },
    { bytes: 50, writtenMs: NOW_MS - 2 * DAY_MS },
    { bytes: 7000, writtenMs: NOW_MS - 20 * DAY_MS },
  ];
  assert.deepEqual(estimateGrowth(files, DAY_MS, NOW_MS), {
    windowMs: DAY_MS,
    measuredMs: DAY_MS,
    bytes: 100,
    bytesPerDay: 100,
  });
  assert.equal(estimateGrowth(files, 7 * DAY_MS, NOW_MS).bytesPerDay, 150 / 7);
});

Deno.test("a young directory is measured over its own age, and one of minutes over an hour", () => {
  const half = [{ bytes: 100, writtenMs: NOW_MS - DAY_MS / 2 }];
  assert.equal(estimateGrowth(half, DAY_MS, NOW_MS).bytesPerDay, 200);
  const minutes = [{ bytes: 100, writtenMs: NOW_MS - 60_000 }];
  assert.equal(estimateGrowth(minutes, DAY_MS, NOW_MS).bytesPerDay, 2400);
  const future = [{ bytes: 100, writtenMs: NOW_MS + 60_000 }];
  assert.equal(estimateGrowth(future, DAY_MS, NOW_MS).bytes, 100);
});

Deno.test("a disk fills unless retention keeps up", () => {
  const room = { freeBytes: 1000, usedBytes: 0, retentionDays: 30 };
  assert.equal(estimateFilling({ bytesPerDay: 0 }, room), undefined);
  assert.deepEqual(estimateFilling({ bytesPerDay: 10 }, room), { kind: "never", settledBytes: 300 });
  assert.deepEqual(estimateFilling({ bytesPerDay: 100 }, room), { kind: "full", inMs: 10 * DAY_MS });
  assert.equal(estimateFilling({ bytesPerDay: 100 }, { ...room, usedBytes: 2000 })?.kind, "never");
});
