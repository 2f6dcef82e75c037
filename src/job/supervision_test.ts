/**
 * What becomes of a job when its worker fails, or when nothing that is asked to end does.
 */
import assert from "node:assert/strict";
import { ManualClock } from "../../tests/support/manual_clock.ts";
import { StreamType } from "../events/event.ts";
import type { Clock } from "../platform/clock.ts";
import { systemClock } from "../platform/system_clock.ts";
import { createLogger } from "../platform/logging/text_logger.ts";
import { sh, startJob, text } from "../../tests/support/started_job.ts";
import { within } from "../../tests/support/within.ts";
import type { Processes } from "../platform/processes.ts";
import { systemProcesses } from "../platform/system_processes.ts";
import { tooManyFiles } from "../../tests/support/too_many_files.ts";
import { CannotSpawnError } from "./runner/pipe.ts";

function lineLogger() {
  const lines: string[] = [];
  return { lines, logger: createLogger("info", (line) => lines.push(line)) };
}

const ENDED = { endedBy: undefined };

/** Succeeds whatever becomes of its output, and would go on for minutes. */
const DEAF = sh(
  "trap '' PIPE; trap 'exit 0' TERM; echo begun; for i in $(seq 6000); do echo $i; sleep 0.01; done",
);

Deno.test("an error in the waiting for room ends the job as ours, and not as its success", async () => {
  const { lines, logger } = lineLogger();
  let times = 0;
  const { log, result } = startJob(DEAF, {
    logger,
    waitForRoom: () => ++times < 8 ? Promise.resolve() : Promise.reject(new Error("EIO: i/o error, statfs")),
  });
  const ended = await result;
  assert.ok(ended.kind === "ended");
  assert.equal(ended.end.exitCode, 125);
  assert.match(ended.end.errorMessage!, /^airunner: an unexpected error while taking its output \(EIO/);
  assert.deepEqual({ endedBy: ended.end.endedBy }, ENDED);
  assert.deepEqual(log.errors, [ended.end.errorMessage]);
  assert.equal(log.exitCode, 125);
  assert.match(text(log.output(StreamType.STDOUT)), /^begun\n/);
  assert.match(lines.join("\n"), /ERR Job is ended because of an unexpected error of the worker's.*EIO/);
});

Deno.test("an error that meets a job which dies of its closed pipe is ours, not a failure by SIGPIPE", async () => {
  let times = 0;
  const { log, result } = startJob(sh("while :; do echo x; done"), {
    waitForRoom: () => ++times < 8 ? Promise.resolve() : Promise.reject(new Error("a mistake")),
  });
  await result;
  assert.equal(log.exitCode, 125);
  assert.match(log.errors[0], /^airunner: /);
});

Deno.test("an error in a timer, of heartbeats or of flushing, ends the job as ours", async () => {
  for (const [intervalMs, what] of [[30_000, /writing heartbeats/], [100, /flushing its output/]] as const) {
    const clock: Clock = {
      ...systemClock,
      // A flush waits for what is left of its time: a tenth of a second since the one before.
      sleep: (ms, signal) =>
        ms === intervalMs || intervalMs === 100 && ms <= 100
          ? Promise.reject(new TypeError("not a timer"))
          : systemClock.sleep(ms, signal),
    };
    const { log, result } = startJob(DEAF, { clock });
    await result;
    assert.equal(log.exitCode, 125);
    assert.match(log.errors[0], what);
    assert.match(log.errors[0], /^airunner: .*not a timer/);
  }
});

Deno.test("an error in supervising itself ends the process, keeps what was read, and is ours", async () => {
  const clock: Clock = {
    ...systemClock,
    sleep: (ms, signal) =>
      ms === 4321 ? Promise.reject(new Error("no such time")) : systemClock.sleep(ms, signal),
  };
  const { log, result, drain } = startJob(DEAF, {
    clock,
    settings: { killGraceMs: 4321, shutdownGraceMs: 0 },
  });
  await log.has("processStart");
  drain.abort();
  const ended = await result;
  assert.ok(ended.kind === "ended");
  assert.equal(log.exitCode, 125);
  assert.match(
    log.errors[0],
    /^airunner: an unexpected error while supervising its process \(no such time\)/,
  );
});

Deno.test("an error before the process is started ends the job as ours, with nothing run", async () => {
  const { log, result } = startJob(sh("true"), {
    environment: new Proxy({}, {
      ownKeys() {
        throw new TypeError("a mistake");
      },
    }),
  });
  assert.equal((await result).kind, "ended");
  assert.deepEqual(log.kinds, ["processError", "processEnd"]);
  assert.equal(log.exitCode, 125);
  assert.match(log.errors[0], /^airunner: .*nothing of the job has run.*a mistake/);
});

Deno.test("a process that this worker cannot start leaves nothing in the log, for the job has not begun", async () => {
  const { log, result } = startJob(sh("true"), { processes: { ...systemProcesses, spawn: tooManyFiles } });
  const ended = await result;
  assert.ok(ended.kind === "not_started" && ended.error instanceof CannotSpawnError);
  assert.deepEqual(log.events, []);
});

/** Processes that the kernel holds: neither signals nor time end one, and its pipes stay open. */
function stuckProcesses(): Processes & { signals: string[] } {
  const open = () =>
    new ReadableStream<Uint8Array>({ pull: () => new Promise(() => {}) }, { highWaterMark: 0 });
  const signals: string[] = [];
  return {
    ...systemProcesses,
    signals,
    spawn: () => ({ pid: 999_999, stdout: open(), stderr: open(), exited: new Promise(() => {}) }),
    signalGroup: (_groupId, signal) => void signals.push(signal),
  };
}

/** Lets time pass in small steps until the promise is settled, at most `limitMs` of it. */
async function passUntil<T>(clock: ManualClock, promise: Promise<T>, limitMs: number): Promise<T> {
  let isSettled = false;
  promise.then(() => isSettled = true, () => isSettled = true);
  for (let passedMs = 0; passedMs <= limitMs && !isSettled; passedMs += 50) {
    for (let turn = 0; turn < 100; turn++) await Promise.resolve();
    clock.advance(50);
  }
  assert.ok(isSettled, `not over after ${limitMs} ms`);
  return await promise;
}

Deno.test("a process that not even SIGKILL ends does not keep its slot for ever", async () => {
  const clock = new ManualClock();
  const processes = stuckProcesses();
  const { log, result } = startJob(sh("true", { timeoutSeconds: 60 }), {
    clock,
    processes,
  });
  const ended = await passUntil(clock, result, 60_000 + 10_000 + 10_000 + 11_000);
  assert.ok(ended.kind === "ended");
  assert.deepEqual(processes.signals.slice(0, 2), ["SIGTERM", "SIGKILL"]);
  assert.equal(ended.end.exitCode, 137);
  assert.equal(ended.end.endedBy, "timeout");
  assert.equal(log.errors[0], "Timed out after 60 s");
  assert.match(log.errors[1], /^Process 999999 is there still although it was killed/);
});

Deno.test("a job whose process could not be ended is not given to another worker meanwhile", async () => {
  const clock = new ManualClock();
  const { result, drain } = startJob(sh("true"), { clock, processes: stuckProcesses() });
  drain.abort();
  assert.deepEqual(await passUntil(clock, result, 60_000), { kind: "left" });
});

Deno.test("a signal that cannot be sent is reported and ends nothing", async () => {
  const { lines, logger } = lineLogger();
  const { log, result } = startJob(sh("sleep 0.05; exit 3", { timeoutSeconds: 1 }), {
    logger,
    clock: { ...systemClock, sleep: (ms, signal) => systemClock.sleep(ms === 1000 ? 1 : ms, signal) },
    processes: {
      ...systemProcesses,
      signalGroup() {
        throw new Deno.errors.PermissionDenied("Operation not permitted (os error 1)");
      },
    },
  });
  await result;
  assert.match(lines.join("\n"), /ERR Cannot signal the job's processes.*SIGTERM.*not permitted/);
  assert.equal(log.exitCode, 3);
});

Deno.test("a child that has left the group and prints without end is read no longer than its time", async () => {
  const { log, result } = startJob(
    sh("setsid sh -c 'echo $$; while sleep 0.02; do echo tock; done' & sleep 0.2"),
    {
      settings: { killGraceMs: 100, pipeGraceMs: 100 },
    },
  );
  const ended = await within(result, () => "the job ends", 20_000);
  assert.ok(ended.kind === "ended");
  assert.equal(ended.end.exitCode, 0);
  assert.match(log.errors.join(), /what it wrote later is not recorded/);
  assert.match(text(log.output(StreamType.STDOUT)), /^\d+\n(tock\n)+$/);
});
