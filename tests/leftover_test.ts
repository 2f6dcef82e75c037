/**
 * A worker is killed, and its job's processes are not: the next worker ends them before the job runs again.
 */
import assert from "node:assert/strict";
import { systemProcesses } from "../src/platform/system_processes.ts";
import { type Program, Sandbox } from "./support/airunner.ts";
import { submitScript } from "./support/submit.ts";

function startWorker(sandbox: Sandbox, url: string, ...more: string[]): Program {
  return sandbox.start(["worker", `--server=${url}`, ...more]);
}

/** The number of a session, of which nothing is left when the test ends. */
interface Leftover extends Disposable {
  readonly session: number;
}

/** Runs a job until it has said so, and kills its worker. */
async function leaveProcesses(sandbox: Sandbox, url: string, ...more: string[]): Promise<Leftover> {
  const worker = startWorker(sandbox, url, "--log-level=debug", ...more);
  const [, pid] = await worker.waitFor(/Job started.*pid=(\d+)/);
  await worker.waitFor(/Successfully sent records[^]*Successfully sent records/);
  await worker.kill("SIGKILL");
  const session = Number(pid);
  assert.ok(systemProcesses.readSession(session).length > 0, "its processes live on");
  return {
    session,
    [Symbol.dispose]() {
      for (const left of systemProcesses.readSession(session)) Deno.kill(left.pid, "SIGKILL");
    },
  };
}

const ENDED = /Ended what was left of a job that an earlier run had started.*pid=(\d+)/;

/** The first time it runs as given, and ends at once the second time. */
function onlyOnce(sandbox: Sandbox, script: string): string {
  const mark = `${sandbox.directory}/ran`;
  return `if test -e ${mark}; then echo again; exit 0; fi; : > ${mark}; ${script}`;
}

Deno.test("what is left of a job is ended before it runs again", async () => {
  await using sandbox = new Sandbox();
  const { url } = await sandbox.startServer();
  // The child's environment is cleared, so that only the shell can be known by it.
  const script = "env -i sleep 1000 & echo begun; wait";
  await submitScript(sandbox, url, onlyOnce(sandbox, script));
  using leftover = await leaveProcesses(sandbox, url);
  const next = startWorker(sandbox, url, "--once");
  const [, pid] = await next.waitFor(ENDED);
  assert.equal(Number(pid), leftover.session);
  assert.deepEqual(systemProcesses.readSession(leftover.session), []);
  await next.waitFor(/Job completed/);
  assert.match(next.stderr, /Ended what was left[^]*Job released to its queue[^]*Job started/);
});

Deno.test("children are ended also when the job's first process is gone", async () => {
  await using sandbox = new Sandbox();
  const { url } = await sandbox.startServer();
  await submitScript(sandbox, url, onlyOnce(sandbox, "sleep 1000 & echo begun; wait"));
  using leftover = await leaveProcesses(sandbox, url);
  Deno.kill(leftover.session, "SIGKILL");
  const next = startWorker(sandbox, url, "--once");
  await next.waitFor(ENDED);
  assert.deepEqual(systemProcesses.readSession(leftover.session), []);
});

Deno.test("a worker of another name ends nothing: the number may be somebody else's on its host", async () => {
  await using sandbox = new Sandbox();
  const { url } = await sandbox.startServer();
  await submitScript(sandbox, url, onlyOnce(sandbox, "echo begun; exec sleep 1000"));
  using leftover = await leaveProcesses(sandbox, url, "--worker-name=elsewhere");
  const next = startWorker(sandbox, url, "--worker-name=here");
  await next.waitFor(/Job completed/);
  assert.doesNotMatch(next.stderr, ENDED);
  assert.equal(systemProcesses.readSession(leftover.session).length, 1);
});
