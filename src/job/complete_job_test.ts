import assert from "node:assert/strict";
import { FakeClock } from "../../tests/support/fake_log.ts";
import { BACKOFF_DEFAULT } from "../client/backoff.ts";
import { createLogger } from "../platform/logging/logger.ts";
import { completeJob, type CompleteJobOptions, resultOf } from "./complete_job.ts";
import { type JobResult, JobServerError } from "../client/job_client.ts";

const END = { exitCode: 0, errorMessage: undefined, timedOut: false, startedAtMs: 1000, endedAtMs: 2000 };

function failure(kind: JobServerError["kind"]): JobServerError {
  return new JobServerError("CompleteJob: no", { kind, code: "unknown", retryAfterMs: undefined });
}

/** A server that answers with these errors, one after another, and then agrees. */
function setup(errors: Error[], more: Partial<CompleteJobOptions> = {}) {
  const lines: string[] = [];
  const clock = new FakeClock();
  const calls: JobResult[] = [];
  const options: CompleteJobOptions = {
    server: {
      // deno-lint-ignore require-await -- as asynchronous as a real one
      async complete(_token, result) {
        calls.push(result);
        const error = errors.shift();
        if (error !== undefined) throw error;
      },
    },
    taskToken: "token",
    result: resultOf("job-1", END, 0),
    isRepeated: false,
    backoff: BACKOFF_DEFAULT,
    clock,
    random: () => 0.5,
    logger: createLogger("info", (line) => lines.push(line)),
    ...more,
  };
  return { options, lines, clock, calls };
}

Deno.test("completing is tried for as long as the failure may pass", async () => {
  const errors = Array.from(
    { length: 40 },
    (_, index) => failure(index % 2 === 0 ? "transient" : "authentication"),
  );
  const { options, clock, calls } = setup(errors);
  assert.equal(await completeJob(options, new AbortController().signal), "completed");
  assert.equal(calls.length, 41);
  assert.deepEqual(clock.delaysMs.slice(0, 4), [1000, 2000, 4000, 8000]);
  assert.equal(Math.max(...clock.delaysMs), 60_000);
});

Deno.test("a job that the server refuses five times in a row counts as done, with a warning", async () => {
  const { options, lines, calls } = setup([
    failure("refused"),
    failure("transient"),
    ...Array.from({ length: 9 }, () => failure("refused")),
  ]);
  assert.equal(await completeJob(options, new AbortController().signal), "refused");
  assert.equal(calls.length, 7);
  assert.match(lines.at(-1)!, /^WRN The server refuses to complete this job.*All events are stored/);
});

Deno.test("a refusal is no news when an earlier run may have completed the job", async () => {
  const { options, lines } = setup(Array.from({ length: 9 }, () => failure("refused")), { isRepeated: true });
  assert.equal(await completeJob(options, new AbortController().signal), "refused");
  assert.ok(!lines.some((line) => line.includes("refuses to complete")));
});

Deno.test("completing ends when the worker does", async () => {
  const stop = new AbortController();
  const { options } = setup([failure("transient"), failure("transient")]);
  const clock = options.clock as FakeClock;
  const sleep = clock.sleep.bind(clock);
  clock.sleep = (durationMs) => {
    stop.abort();
    return sleep(durationMs);
  };
  assert.equal(await completeJob(options, stop.signal), "aborted");
});

Deno.test("a result is a success only with exit code 0 and without a timeout", () => {
  assert.deepEqual(resultOf("job-1", END, 0), {
    jobId: "job-1",
    success: true,
    exitCode: 0,
    errorMessage: "",
    startedAtMs: 1000,
    completedAtMs: 2000,
  });
  const failed = resultOf("job-1", { ...END, exitCode: 3 }, 0);
  assert.deepEqual([failed.success, failed.exitCode, failed.errorMessage], [false, 3, "Exited with code 3"]);
  const late = resultOf("job-1", { ...END, timedOut: true, errorMessage: "Timed out after 5 s" }, 0);
  assert.deepEqual([late.success, late.exitCode, late.errorMessage], [false, 0, "Timed out after 5 s"]);
});

Deno.test("events that were given up are part of the result", () => {
  const { success, errorMessage } = resultOf("job-1", END, 2);
  assert.equal(success, true);
  assert.match(errorMessage, /^2 of the job's events could not be delivered/);
});
