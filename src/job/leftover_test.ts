import assert from "node:assert/strict";
import { systemClock } from "../platform/system_clock.ts";
import { createLogger } from "../platform/logging/text_logger.ts";
import { systemProcesses } from "../platform/system_processes.ts";
import { endLeftover } from "./leftover.ts";
import { jobEnvironment, type RunningProcess, spawnProcess } from "./runner/pipe.ts";

const text = (bytes: Uint8Array | undefined) => new TextDecoder().decode(bytes);

/** Starts a script as a job's command, and resolves once it has written something. */
async function startJob(jobId: string, script: string) {
  const environment = jobEnvironment({ PATH: Deno.env.get("PATH") ?? "/usr/bin:/bin" }, {}, jobId);
  const process = await spawnProcess(systemProcesses, {
    command: "sh",
    args: ["-c", script],
    environment,
    workingDirectory: "",
  });
  const reader = process.stdout.getReader();
  assert.match(text((await reader.read()).value), /begun/);
  const ended = async () => {
    process.signalGroup("SIGKILL");
    await Promise.all([process.exited, reader.cancel(), process.stderr.cancel()]);
  };
  return { process, ended };
}

async function end(jobId: string, { pid }: Pick<RunningProcess, "pid">) {
  const lines: string[] = [];
  const isGone = await endLeftover({
    processes: systemProcesses,
    jobId,
    pid,
    killGraceMs: 200,
    clock: systemClock,
    logger: createLogger("info", (line) => lines.push(line)),
    stop: new AbortController().signal,
  });
  return { isGone, lines };
}

Deno.test("processes that ignore SIGTERM are killed, also those that have cleared their environment", async () => {
  const script = `env -i sh -c 'trap "" TERM; echo begun; while :; do sleep 0.05; done' & wait`;
  const { process, ended } = await startJob("job-1", script);
  try {
    const { isGone, lines } = await end("job-1", process);
    assert.ok(isGone);
    assert.deepEqual(systemProcesses.readSession(process.pid), []);
    assert.equal(lines.length, 1);
    assert.match(lines[0], /^INF Ended what was left of a job .*pid=\d+ processes=[23]/);
  } finally {
    await ended();
  }
});

Deno.test("a process with the job's number that is not the job's is left alone", async () => {
  const { process, ended } = await startJob("job-1", "echo begun; exec sleep 1000");
  try {
    assert.deepEqual(await end("job-2", process), { isGone: true, lines: [] });
    // Not the first of a session, as any other process of this one.
    assert.deepEqual(await end("job-1", { pid: Deno.pid }), { isGone: true, lines: [] });
    assert.equal(systemProcesses.readSession(process.pid).length, 1);
  } finally {
    await ended();
  }
});
