import assert from "node:assert/strict";
import fc from "fast-check";
import { FLUSH_GAP_MS, FlushPace } from "./flush_pace.ts";

Deno.test("the first output after a pause is due at once", () => {
  const pace = new FlushPace(2000);
  assert.ok(pace.dueAtMs(5000, false) <= 5000);
  pace.flushed(5000);
  assert.ok(pace.dueAtMs(5000 + FLUSH_GAP_MS, false) <= 5000 + FLUSH_GAP_MS);
});

Deno.test("what follows a flush is due a tenth of a second after it", () => {
  const pace = new FlushPace(2000);
  pace.flushed(5000);
  assert.equal(pace.dueAtMs(5001, false), 5100);
  assert.equal(pace.dueAtMs(5099, false), 5100);
});

Deno.test("while a write is under way output gathers, for as long as the bound allows", () => {
  const pace = new FlushPace(2000);
  pace.flushed(5000);
  assert.equal(pace.dueAtMs(5001, true), 7001);
});

Deno.test("a bound below a tenth of a second holds", () => {
  const pace = new FlushPace(20);
  pace.flushed(5000);
  assert.equal(pace.dueAtMs(5001, false), 5021);
});

/** When each piece of output comes, how long a write takes then, and how much of it fills a batch. */
const scriptArbitrary = fc.record({
  boundMs: fc.integer({ min: FLUSH_GAP_MS, max: 3000 }),
  writeMs: fc.integer({ min: 0, max: 400 }),
  gapsMs: fc.array(fc.oneof(fc.integer({ min: 0, max: 30 }), fc.integer({ min: 0, max: 900 })), {
    minLength: 1,
    maxLength: 60,
  }),
});

/**
 * Plays output that trickles in beside a disk, a millisecond a step; gives when what was read was flushed.
 */
function play({ boundMs, writeMs, gapsMs }: { boundMs: number; writeMs: number; gapsMs: number[] }) {
  const pace = new FlushPace(boundMs);
  const arrivals = gapsMs.map(((atMs) => (gapMs: number) => atMs += gapMs)(0));
  const flushes: { atMs: number; arrivals: number[]; wasWriting: boolean }[] = [];
  let held: number[] = [];
  let writingUntilMs = -1;
  for (let nowMs = 0, next = 0; next < arrivals.length || held.length > 0; nowMs++) {
    for (; arrivals[next] === nowMs; next++) held.push(nowMs);
    const isWriting = nowMs < writingUntilMs;
    if (held.length === 0 || pace.dueAtMs(held[0], isWriting) > nowMs) continue;
    flushes.push({ atMs: nowMs, arrivals: held, wasWriting: isWriting });
    pace.flushed(nowMs);
    writingUntilMs = nowMs + writeMs;
    held = [];
  }
  return { arrivals, flushes };
}

Deno.test("nothing is lost, reordered or held longer than the bound, whatever the disk does", () => {
  fc.assert(fc.property(scriptArbitrary, (script) => {
    const { arrivals, flushes } = play(script);
    assert.deepEqual(flushes.flatMap((flush) => flush.arrivals), arrivals);
    for (const flush of flushes) {
      assert.ok(flush.atMs - flush.arrivals[0] <= script.boundMs);
      // While the disk keeps up, a tenth of a second or what the write before it takes is all.
      const usualMs = Math.max(FLUSH_GAP_MS, script.writeMs);
      assert.ok(flush.atMs - flush.arrivals[0] <= Math.min(script.boundMs, usualMs));
    }
  }));
});

Deno.test("a trickle is flushed ten times a second at most", () => {
  fc.assert(fc.property(scriptArbitrary, (script) => {
    const { flushes } = play(script);
    for (let index = 1; index < flushes.length; index++) {
      assert.ok(flushes[index].atMs - flushes[index - 1].atMs >= FLUSH_GAP_MS);
    }
  }));
});

Deno.test("a trickle is never flushed into a write that is under way before the bound", () => {
  fc.assert(fc.property(scriptArbitrary, (script) => {
    for (const { atMs, arrivals, wasWriting } of play(script).flushes) {
      assert.ok(!wasWriting || atMs - arrivals[0] >= script.boundMs);
    }
  }));
});
