/**
 * What becomes of a job that is cancelled, whatever else happens at the same time.
 */
import assert from "node:assert/strict";
import { type Params, sh, startJob, text } from "../../tests/support/started_job.ts";
import { within } from "../../tests/support/within.ts";
import { StreamType } from "../events/event.ts";
import { createLogger } from "../platform/logging/text_logger.ts";
import { systemClock } from "../platform/system_clock.ts";
import { systemProcesses } from "../platform/system_processes.ts";
import { resultOf } from "./complete_job.ts";

/** Output is to be seen at once. */
const limits = { flushAfterMs: 10 };

/** A logger, and a wait for what it says. */
function saying() {
  const lines: string[] = [];
  let wake = () => {};
  const logger = createLogger("info", (line) => {
    lines.push(line);
    wake();
  });
  const said = async (pattern: RegExp) => {
    while (!lines.some((line) => pattern.test(line))) await new Promise<void>((resolve) => wake = resolve);
  };
  return { logger, said };
}

/** Goes on until SIGTERM, and then for as long as it takes a file to appear. */
const STUBBORN = sh("trap '' TERM; echo begun; while :; do sleep 0.02; done");
const POLITE = sh("trap 'exit 0' TERM; echo begun; while :; do sleep 0.02; done");

Deno.test("whatever comes beside a cancellation, its job is ended once, says why, and is no success", async () => {
  type Started = ReturnType<typeof startJob> & Pick<ReturnType<typeof saying>, "said">;
  const cancel = ({ cancel }: Started, why = "not needed") => cancel.abort(why);
  const orders: [name: string, params: Params, act: (job: Started) => unknown, expected: unknown[]][] = [
    ["alone", POLITE, (job) => cancel(job), ["Cancelled: not needed"]],
    ["without a reason", POLITE, (job) => cancel(job, "  "), ["Cancelled"]],
    ["of one that ignores SIGTERM", STUBBORN, (job) => cancel(job), ["Cancelled: not needed"]],
    ["twice", POLITE, (job) => [cancel(job), cancel(job, "again")], ["Cancelled: not needed"]],
    ["then the shutdown", POLITE, (job) => [cancel(job), job.drain.abort()], ["Cancelled: not needed"]],
    ["in the time that a shutdown gives", POLITE, (job) => [job.drain.abort(), cancel(job)], [
      "Cancelled: not needed",
    ]],
    ["while the shutdown ends it", STUBBORN, async (job) => {
      job.drain.abort();
      await job.said(/Interrupting job/);
      cancel(job);
    }, ["Cancelled: not needed"]],
    ["after it timed out", { ...STUBBORN, timeoutSeconds: 1 }, async (job) => {
      await job.said(/Job timed out/);
      cancel(job);
    }, ["Timed out after 1 s"]],
  ];
  for (const [name, params, act, expected] of orders) {
    const { logger, said } = saying();
    const started = startJob(params, {
      logger,
      limits,
      settings: { killGraceMs: 200, pipeGraceMs: 200, shutdownGraceMs: name.includes("gives") ? 60_000 : 0 },
    });
    await within(started.log.has("outputBatch"), () => name);
    await act({ ...started, said });
    const ended = await within(started.result, () => `the end: ${name}`);
    assert.ok(ended.kind === "ended", name);
    assert.deepEqual(started.log.errors, expected, name);
    const isTimeout = name.includes("timed out");
    assert.equal(ended.end.endedBy, isTimeout ? "timeout" : "cancellation", name);
    assert.equal(resultOf("job-1", ended.end, 0).success, false, name);
    assert.equal(started.log.exitCode, params === POLITE ? 0 : 137, name);
    assert.equal(started.log.kinds.filter((kind) => kind === "processEnd").length, 1, name);
  }
});

Deno.test("a worker that has to end at once leaves a cancelled job's end to whoever takes it up", async () => {
  const started = startJob(STUBBORN, { limits });
  await started.log.has("outputBatch");
  started.stop.abort();
  started.cancel.abort("too late");
  const ended = await within(started.result, () => "the end");
  assert.equal(ended.kind, "interrupted");
  assert.equal(started.log.exitCode, undefined);
});

Deno.test("a cancellation that comes when the job has ended changes nothing of its end", async () => {
  const { log, result, cancel } = startJob(sh("exit 0"));
  // Its output is read to the end, and its end is being recorded.
  await log.has("processStart");
  const ended = await within(result, () => "the end");
  cancel.abort("too late");
  assert.ok(ended.kind === "ended");
  assert.deepEqual([ended.end.endedBy, ended.end.exitCode, log.errors], [undefined, 0, []]);
});

Deno.test("a job that is cancelled before it is started never runs, and its events say so", async () => {
  const cancel = new AbortController();
  cancel.abort("not needed");
  const processes = {
    ...systemProcesses,
    spawn: () => assert.fail("it was started"),
  };
  const { log, result } = startJob(sh("echo never"), { cancel: cancel.signal, processes });
  const ended = await result;
  assert.ok(ended.kind === "ended");
  assert.deepEqual(log.kinds, ["processError", "processEnd"]);
  assert.deepEqual(log.errors, ["Cancelled before it was started: not needed"]);
  assert.deepEqual([log.exitCode, ended.end.endedBy], [143, "cancellation"]);
});

Deno.test("the children of a cancelled job go with it, those that ignore SIGTERM included", async () => {
  const { log, result, cancel } = startJob(
    sh("(trap '' TERM; while :; do sleep 0.02; done) & echo $$; wait"),
    { limits, settings: { killGraceMs: 200, pipeGraceMs: 200 } },
  );
  await log.has("outputBatch");
  const pid = Number(text(log.output(StreamType.STDOUT)));
  cancel.abort("");
  await within(result, () => "the end");
  await within(gone(pid), () => `the end of the session of ${pid}`);
});

async function gone(pid: number): Promise<void> {
  while (systemProcesses.readSession(pid).length > 0) await systemClock.sleep(10);
}
