import assert from "node:assert/strict";
import fc from "fast-check";
import { type BackoffSettings, nextDelayMs, parseRetryAfterMs, RETRY_AFTER_MAX_MS } from "./backoff.ts";

const BACKOFF: BackoffSettings = { initialMs: 1_000, maxMs: 60_000, factor: 2, jitter: 0.5 };
const middle = () => 0.5;
const anyRandom = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

Deno.test("delays double from one second to one minute", () => {
  const delaysMs = [1, 2, 3, 4, 5, 6, 7, 8, 1_000].map((n) => nextDelayMs(n, BACKOFF, middle));
  assert.deepEqual(delaysMs, [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000]);
});

Deno.test("a delay lies within half of the steady delay around it, and never above the maximum", () => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 2_000 }), anyRandom, (failures, chance) => {
    const steadyMs = nextDelayMs(failures, BACKOFF, middle);
    const delayMs = nextDelayMs(failures, BACKOFF, () => chance);
    assert.ok(delayMs >= Math.floor(steadyMs / 2));
    assert.ok(delayMs <= Math.min(BACKOFF.maxMs, Math.ceil(steadyMs * 1.5)));
  }));
});

Deno.test("with the same luck, a later delay is never shorter", () => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 2_000 }), anyRandom, (failures, chance) => {
    const delayMs = (n: number) => nextDelayMs(n, BACKOFF, () => chance);
    assert.ok(delayMs(failures + 1) >= delayMs(failures));
  }));
});

Deno.test("infinitely many failures ask for the longest delay", () => {
  assert.equal(nextDelayMs(Infinity, BACKOFF, middle), 60_000);
});

Deno.test("a delay before the first failure is a caller's mistake", () => {
  assert.throws(() => nextDelayMs(0, BACKOFF, middle), RangeError);
  assert.throws(() => nextDelayMs(NaN, BACKOFF, middle), RangeError);
});

Deno.test("Retry-After is a minimum that is capped", () => {
  assert.equal(nextDelayMs(1, BACKOFF, middle, 7_000), 7_000);
  assert.equal(nextDelayMs(1, BACKOFF, middle, 10), 1_000);
  assert.equal(nextDelayMs(1, BACKOFF, middle, Number.MAX_VALUE), RETRY_AFTER_MAX_MS);
});

Deno.test("Retry-After is read as seconds or as a date", () => {
  const nowMs = Date.UTC(2025, 0, 1, 12, 0, 0);
  assert.equal(parseRetryAfterMs("120", nowMs), 120_000);
  assert.equal(parseRetryAfterMs(" 0 ", nowMs), 0);
  assert.equal(parseRetryAfterMs("Wed, 01 Jan 2025 12:00:30 GMT", nowMs), 30_000);
  assert.equal(parseRetryAfterMs("Wed, 01 Jan 2025 11:00:00 GMT", nowMs), 0);
  for (const nothing of [null, "", "soon", "-5", "1.5", "1 minute"]) {
    assert.equal(parseRetryAfterMs(nothing, nowMs), undefined, `${nothing}`);
  }
});
