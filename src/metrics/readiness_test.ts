import assert from "node:assert/strict";
import { ManualClock } from "../../tests/support/manual_clock.ts";
import { type ReadinessFacts, reasonsNotReady } from "./readiness.ts";
import { WriteHealth } from "./write_health.ts";

const READY: ReadinessFacts = {
  isStopping: false,
  isSurveyed: true,
  writeFailure: undefined,
  lackOfRoom: undefined,
  sealedLogs: [],
  oldest: { ageMs: 300_000, log: "a.wal" },
  unsentAgeMaxMs: 300_000,
};

Deno.test("a worker is ready when nothing speaks against it", () => {
  assert.deepEqual(reasonsNotReady(READY), []);
  assert.deepEqual(reasonsNotReady({ ...READY, oldest: undefined }), []);
});

const CASES: [Partial<ReadinessFacts>, RegExp][] = [
  [{ isStopping: true }, /^the worker is stopping/],
  [{ isSurveyed: false }, /not looked through yet/],
  [{ writeFailure: "no_space" }, /^appends fail: no space left on device/],
  [{ writeFailure: "io" }, /^appends fail: the disk reports an error/],
  [{ lackOfRoom: "12 bytes wait for the server" }, /^the disk budget is reached: 12 bytes wait/],
  [{ sealedLogs: ["b.wal"] }, /^a log is sealed: b\.wal/],
  [
    { oldest: { ageMs: 312_000, log: "a.wal" } },
    /^the oldest unsent event is 5m12s old, and 5m is the limit: a\.wal$/,
  ],
  [{ oldest: { ageMs: 90_061_000, log: "a.wal" }, unsentAgeMaxMs: 250 }, / 1d1h old, and 250ms is the limit/],
];

for (const [facts, reason] of CASES) {
  Deno.test(`a worker is not ready: ${reason.source}`, () => {
    const reasons = reasonsNotReady({ ...READY, ...facts });
    assert.equal(reasons.length, 1);
    assert.match(reasons[0], reason);
  });
}

Deno.test("every reason is told", () => {
  const all = Object.assign({}, READY, ...CASES.map(([facts]) => facts), { sealedLogs: ["b.wal", "c.wal"] });
  assert.equal(reasonsNotReady(all).length, 7);
});

Deno.test("a failed write speaks against a worker until one succeeds, or for two minutes", () => {
  const clock = new ManualClock();
  const health = new WriteHealth(clock);
  assert.equal(health.failure, undefined);
  health.failed(true);
  assert.equal(health.failure, "no_space");
  health.failed(false);
  assert.equal(health.failure, "io");
  health.succeeded();
  assert.equal(health.failure, undefined);
  health.failed(true);
  clock.advance(120_000);
  assert.equal(health.failure, "no_space");
  clock.advance(1);
  assert.equal(health.failure, undefined);
});

Deno.test("a sealed log speaks against a worker for as long as it lies there", () => {
  const health = new WriteHealth(new ManualClock());
  health.sealed("/wal/b.wal");
  health.sealed("/wal/a.wal");
  health.succeeded();
  assert.deepEqual(health.sealedLogs(() => true), ["/wal/a.wal", "/wal/b.wal"]);
  assert.deepEqual(health.sealedLogs((path) => path === "/wal/b.wal"), ["/wal/b.wal"]);
});
