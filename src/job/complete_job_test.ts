import assert from "node:assert/strict";
import { FakeClock } from "../../tests/support/fake_log.ts";
import { USUAL_BACKOFF } from "../setup/backoff.ts";
import { createLogger } from "../platform/logging/text_logger.ts";
import { completeJob, type CompleteJobOptions, completeOutstanding, resultOf } from "./complete_job.ts";
import { type JobResult, type PingAnswer } from "../client/job_client.ts";
import { CallError, type CallErrorDetails } from "../client/call_error.ts";
import { PROOF_MS, RefusalProof } from "./refusal_proof.ts";

const END = { exitCode: 0, errorMessage: undefined, endedBy: undefined, startedAtMs: 1000, endedAtMs: 2000 };

function failure(
  kind: CallError["kind"],
  more: Partial<CallErrorDetails> = {},
): CallError {
  const details = { kind, code: "unknown", retryAfterMs: undefined, ...more };
  return new CallError("CompleteJob: no", details);
}

/** As a server answers that does not know the token, or cannot use its database. */
const unknown = () => failure("refused", { code: "invalid_argument", isServersWord: true });
/** As a proxy answers whose server is away, or one that finds an answer too large. */
const notFoundPage = () => failure("refused", { code: "unimplemented" });

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
    backoff: USUAL_BACKOFF,
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

Deno.test("a job that the server refuses five times in a row is outstanding, with a warning", async () => {
  const { options, lines, calls } = setup([
    failure("refused"),
    failure("transient"),
    ...Array.from({ length: 9 }, () => failure("refused")),
  ]);
  assert.equal(await completeJob(options, new AbortController().signal), "outstanding");
  assert.equal(calls.length, 7);
  assert.match(lines.at(-1)!, /^WRN Delivered, not completed: .*The log is kept/);
});

Deno.test("a job that was given to a later execution is not completed, and no failure", async () => {
  for (const reason of ["EXECUTION_SUPERSEDED", "EXECUTION_ENDED"] as const) {
    const { options, lines } = setup([failure("refused", { reason, isServersWord: true })]);
    assert.equal(await completeJob(options, new AbortController().signal), "superseded");
    assert.ok(lines.every((line) => line.startsWith("INF")), lines.join("\n"));
  }
  for (const reason of ["TASK_TOKEN_UNKNOWN", "EXECUTION_UNKNOWN"] as const) {
    const errors = Array.from({ length: 9 }, () => failure("refused", { reason, isServersWord: true }));
    const { options } = setup(errors);
    assert.equal(await completeJob(options, new AbortController().signal), "outstanding", reason);
  }
});

/** Refused for ever by `answer`, at the usual backoff. Gives when that ended, if it did before `untilMs`. */
async function outstanding(
  answer: (tries: number) => Error | undefined,
  { ping = () => "answered", onTry, untilMs = 86_400_000 }: {
    ping?: () => PingAnswer;
    onTry?: (elapsedMs: number, proof: RefusalProof) => void;
    untilMs?: number;
  } = {},
) {
  const { options, clock } = setup([]);
  const over = new AbortController();
  const proof = new RefusalProof(PROOF_MS);
  let tries = 0;
  const server: CompleteJobOptions["server"] & { ping(): Promise<PingAnswer> } = {
    // deno-lint-ignore require-await -- as asynchronous as a real one
    async complete() {
      onTry?.(clock.elapsedMs(), proof);
      if (clock.elapsedMs() >= untilMs) over.abort();
      const error = answer(++tries);
      if (error !== undefined) throw error;
    },
    // deno-lint-ignore require-await -- as asynchronous as a real one
    ping: async () => ping(),
  };
  const end = await completeOutstanding({ ...options, server, proof }, over.signal);
  return { end, tries, elapsedMs: clock.elapsedMs() };
}

Deno.test("a job is given up when the server has refused it for ten minutes and answered all else well", async () => {
  const { end, tries, elapsedMs } = await outstanding(unknown);
  assert.equal(end, "refused");
  assert.ok(elapsedMs >= 600_000 && elapsedMs < 750_000, `${elapsedMs}`);
  assert.ok(tries >= 10, `${tries}`);
});

Deno.test("a job is completed however long the server refused it before", async () => {
  for (const tries of [1, 5, 10]) {
    const { end } = await outstanding((n) => n > tries ? undefined : unknown());
    assert.equal(end, "completed");
  }
});

Deno.test("what is not the server's own word about the job never gives it up", async () => {
  const { end: page } = await outstanding(notFoundPage);
  const { end: outage } = await outstanding(unknown, { ping: () => "refused" });
  const { end: away } = await outstanding(unknown, {
    ping: () => {
      throw failure("transient");
    },
  });
  const { end: unsteady } = await outstanding((n) => n % 8 === 0 ? failure("transient") : unknown());
  // The server takes the same token for something else from time to time.
  const { end: known } = await outstanding(unknown, {
    onTry: (elapsedMs, proof) => elapsedMs % 240_000 < 60_000 && proof.contradicted(),
  });
  assert.deepEqual([page, outage, away, unsteady, known], Array(5).fill("aborted"));
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
  const late = resultOf("job-1", { ...END, endedBy: "timeout", errorMessage: "Timed out after 5 s" }, 0);
  assert.deepEqual([late.success, late.exitCode, late.errorMessage], [false, 0, "Timed out after 5 s"]);
});

Deno.test("events that were given up are part of the result", () => {
  const { success, errorMessage } = resultOf("job-1", END, 2);
  assert.equal(success, true);
  assert.match(errorMessage, /^2 of the job's events could not be delivered/);
});
