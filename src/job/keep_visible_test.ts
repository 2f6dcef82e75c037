import assert from "node:assert/strict";
import { FakeClock } from "../../tests/support/fake_log.ts";
import { USUAL_BACKOFF } from "../setup/backoff.ts";
import { createLogger } from "../platform/logging/text_logger.ts";
import { CallError } from "../client/call_error.ts";
import { keepVisible, type KeepVisibleOptions, releaseJob } from "./keep_visible.ts";

function failure(kind: CallError["kind"]): CallError {
  return new CallError("UpdateJob: no", { kind, code: "unknown", retryAfterMs: undefined });
}

/** Answers so many calls, with these errors first, and ends the keeping with the last one. */
function setup(calls: number, errors: Error[] = [], more: Partial<KeepVisibleOptions> = {}) {
  const over = new AbortController();
  const lines: string[] = [];
  const seconds: number[] = [];
  const clock = new FakeClock();
  const options: KeepVisibleOptions = {
    server: {
      // deno-lint-ignore require-await -- as asynchronous as a real one
      async update(_queue, _token, visibilityTimeoutSeconds) {
        seconds.push(visibilityTimeoutSeconds);
        if (seconds.length === calls) over.abort();
        const error = errors.shift();
        if (error !== undefined) throw error;
      },
    },
    queue: "default",
    taskToken: "token",
    visibilityTimeoutSeconds: 300,
    startNow: false,
    backoff: USUAL_BACKOFF,
    clock,
    random: () => 0.5,
    logger: createLogger("info", (line) => lines.push(line)),
    ...more,
  };
  return { options, lines, seconds, clock, signal: over.signal };
}

Deno.test("a job shows that it is alive three times in each visibility timeout", async () => {
  const { options, seconds, clock, signal } = setup(3);
  await keepVisible(options, signal);
  assert.deepEqual(seconds, [300, 300, 300]);
  assert.deepEqual(clock.delaysMs.slice(0, 3), [100_000, 100_000, 100_000]);
});

Deno.test("a sign of life that did not arrive is repeated sooner, but never later than the next one", async () => {
  const { options, clock, signal } = setup(6, [
    failure("transient"),
    failure("transient"),
    failure("transient"),
  ], {
    visibilityTimeoutSeconds: 9,
  });
  await keepVisible(options, signal);
  assert.deepEqual(clock.delaysMs.slice(0, 6), [3000, 1000, 2000, 3000, 3000, 3000]);
});

Deno.test("a token that the server has forgotten is warned of once, and the job goes on", async () => {
  const { options, lines, signal } = setup(10, Array.from({ length: 10 }, () => failure("refused")));
  await keepVisible(options, signal);
  assert.equal(lines.length, 1);
  assert.match(lines[0], /^WRN The server no longer knows this job's token/);
});

Deno.test("a job whose last sign of life may be long ago gives one at once", async () => {
  const { options, clock, signal } = setup(2, [], { startNow: true });
  await keepVisible(options, signal);
  assert.deepEqual(clock.delaysMs.slice(0, 2), [0, 100_000]);
});

Deno.test("releasing asks for the shortest visibility timeout, and failing at it is no error", async () => {
  const { options, seconds, lines, signal } = setup(2, [failure("refused")]);
  await releaseJob(options, signal);
  await releaseJob(options, signal);
  assert.deepEqual(seconds, [1, 1]);
  assert.deepEqual(lines.map((line) => line.slice(0, 16)), ["INF Job released"]);
});

Deno.test("a sign of life under way is seen through before the job may be released, but not when the worker stops", async () => {
  const over = new AbortController();
  const stop = new AbortController();
  let arrived = () => {};
  const underWay = new Promise<void>((resolve) => arrived = resolve);
  const seen: boolean[] = [];
  const { options } = setup(1, [], {
    startNow: true,
    server: {
      update(_queue, _token, _seconds, signal) {
        arrived();
        return new Promise((resolve) =>
          signal.addEventListener("abort", () => {
            seen.push(over.signal.aborted, stop.signal.aborted);
            resolve();
          })
        );
      },
    },
  });
  const keeping = keepVisible(options, over.signal, stop.signal);
  await underWay;
  over.abort();
  stop.abort();
  await keeping;
  assert.deepEqual(seen, [true, true]);
});
