/**
 * The compiled worker on a machine that fails it, and with jobs that do not want to end: faults that strace
 * injects into its system calls, real processes, real signals.
 */
import assert from "node:assert/strict";
import { type Program, Sandbox } from "./support/airunner.ts";
import { Gate } from "./support/gate.ts";
import { Strace } from "./support/strace.ts";
import { within } from "./support/within.ts";

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

/** A server, and a worker that has begun and waits for jobs. */
async function start(sandbox: Sandbox, ...more: string[]) {
  const { url } = await sandbox.startServer();
  const worker = sandbox.start(["worker", `--server=${url}`, "--metrics-listen=off", ...more]);
  await said(worker, /Worker started/);
  const submit = async (script: string, ...options: string[]) => {
    const args = ["submit", `--server=${url}`, ...options, "--", "sh", "-c", script];
    const { code, stdout, stderr } = await sandbox.run(args);
    assert.equal(code, 0, stderr);
    return text(stdout).trim();
  };
  const logs = async (jobId: string) => {
    const { code, stdout, stderr } = await sandbox.run(["logs", jobId, `--server=${url}`]);
    return { code, stdout: text(stdout), stderr };
  };
  return { url, worker, submit, logs };
}

function said(program: Program, pattern: RegExp): Promise<RegExpExecArray> {
  return within(program.waitFor(pattern), () => `${pattern} in:\n${program.stderr}`);
}

async function drained(worker: Program): Promise<void> {
  worker.signal("SIGTERM");
  const { code, stderr } = await within(worker.end(), () => `the worker's end:\n${worker.stderr}`);
  assert.equal(code, 0, stderr);
}

/** Resolves when a process is no more. */
async function gone(pid: number): Promise<void> {
  const isThere = () => {
    try {
      Deno.kill(pid, "SIGCONT");
      return true;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return false;
      throw error;
    }
  };
  const wait = async () => {
    while (isThere()) await new Promise((resolve) => setTimeout(resolve, 20));
  };
  await within(wait(), () => `process ${pid} ends`);
}

Deno.test("not a line is lost when nobody can tell how much room there is on disk", async () => {
  await using sandbox = new Sandbox();
  const { worker, submit, logs } = await start(sandbox);
  using gate = new Gate(sandbox.directory);
  // Ignoring SIGPIPE, it would succeed in spite of a pipe that was closed on it.
  const jobId = await submit(
    `trap '' PIPE; echo begun; ${gate.wait}; for i in $(seq 40); do echo line $i; sleep 0.05; done; exit 6`,
  );
  await said(worker, /Job started/);
  {
    await using _fault = await Strace.attach(worker.pid, [
      "-e",
      "trace=statfs",
      "-e",
      "inject=statfs:error=EIO",
    ]);
    gate.open();
    await said(worker, /Job completed.*exit_code=6/);
    await said(worker, /ERR Cannot see how much room there is on disk/);
    // And the next job is taken all the same.
    const next = await submit("echo next");
    await said(worker, new RegExp(`Job completed.*${next}`));
  }
  const lines = Array.from({ length: 40 }, (_, index) => `line ${index + 1}\n`);
  const { code, stdout, stderr } = await logs(jobId);
  assert.equal(stdout, `begun\n${lines.join("")}`);
  assert.deepEqual([code, stderr], [6, ""]);
  assert.equal(worker.stderr.match(/Cannot see how much room/g)?.length, 1);
  await drained(worker);
});

Deno.test("a job whose output cannot be read fails as the worker's failure, and never as its own success", async () => {
  await using sandbox = new Sandbox();
  const { url, worker, submit, logs } = await start(sandbox, "--log-level=debug");
  using gate = new Gate(sandbox.directory);
  const jobId = await submit(
    `trap '' PIPE; trap 'exit 0' TERM; echo begun; ${gate.wait}; for i in $(seq 600); do echo $i; sleep 0.1; done`,
  );
  const [, pid] = await said(worker, /Job started pid=(\d+)/);
  // Its first line is read by then.
  await said(worker, /Flushing output batch/);
  const pipe = Deno.readLinkSync(`/proc/${pid}/fd/1`);
  assert.match(pipe, /^pipe:/);
  {
    const fault = ["-P", pipe, "-e", "trace=read,readv", "-e", "inject=read,readv:error=EIO"];
    await using _fault = await Strace.attach(worker.pid, fault);
    gate.open();
    await said(worker, /ERR Job is ended because of an unexpected error of the worker's/);
    await said(worker, /Job completed.*exit_code=125 success=false/);
  }
  const { code, stdout, stderr } = await logs(jobId);
  assert.equal(code, 125);
  assert.match(stdout, /^begun\n/);
  assert.match(stderr, /^airunner: an unexpected error while taking its output \(.*os error 5/m);
  const { stdout: list } = await sandbox.run(["list", `--server=${url}`]);
  assert.match(text(list), new RegExp(`${jobId} +failed`));
  const inspected = await sandbox.run(["wal", "inspect", jobId]);
  assert.match(text(inspected.stdout), /PROCESS_ERROR/);
  // One job's error is not the next one's.
  const next = await submit("echo next");
  await said(worker, new RegExp(`Job completed.*exit_code=0.*${next}`));
  await drained(worker);
});

Deno.test("a job whose log cannot be synced fails as the worker's failure", async () => {
  await using sandbox = new Sandbox();
  const { url, worker, submit } = await start(sandbox);
  using gate = new Gate(sandbox.directory);
  const jobId = await submit(`echo begun; ${gate.wait}; echo more; exec sleep 1000`);
  await said(worker, /Job started/);
  await using _fault = await Strace.attach(worker.pid, [
    "-e",
    "trace=fdatasync",
    "-e",
    "inject=fdatasync:error=EIO",
  ]);
  gate.open();
  await said(worker, /Job completed.*exit_code=125 success=false/);
  const { stdout: list } = await sandbox.run(["list", `--server=${url}`]);
  assert.match(text(list), new RegExp(`${jobId} +failed`));
});

/** Its child leaves the group, and prints more often than anybody takes a pipe for empty. */
const DRIPPING = `setsid sh -c 'while sleep 0.15; do echo tock; done' & exit 3`;

Deno.test("a child in the background that prints for ever does not keep its job's slot", async () => {
  await using sandbox = new Sandbox();
  const { worker, submit, logs } = await start(sandbox);
  const jobId = await submit(DRIPPING);
  // The default is one job at a time.
  const next = await submit("echo next");
  await said(worker, new RegExp(`Job completed.*exit_code=3.*${jobId}`));
  await said(worker, new RegExp(`Job completed.*exit_code=0.*${next}`));
  const { code, stdout, stderr } = await logs(jobId);
  assert.equal(code, 3);
  assert.match(stdout, /^(tock\n)+$/);
  assert.match(stderr, /left in the background still held its output open/);
  await drained(worker);
});

Deno.test("a second signal ends a worker whose job is over and whose child prints on", async () => {
  await using sandbox = new Sandbox();
  const { worker, submit } = await start(sandbox);
  await submit(DRIPPING);
  const [, pid] = await said(worker, /Job started pid=(\d+)/);
  await gone(Number(pid));
  await stopTwice(worker);
});

Deno.test("a second signal ends a worker whose disk does not answer", async () => {
  await using sandbox = new Sandbox();
  const { worker, submit } = await start(sandbox);
  using gate = new Gate(sandbox.directory);
  await submit(`echo begun; ${gate.wait}; echo more`);
  const [, pid] = await said(worker, /Job started pid=(\d+)/);
  {
    const hung = ["-e", "trace=fdatasync", "-e", "inject=fdatasync:delay_enter=600s"];
    await using _fault = await Strace.attach(worker.pid, hung);
    gate.open();
    // Its output and its end wait for the disk from now on.
    await gone(Number(pid));
    worker.signal("SIGTERM");
    await said(worker, /Stopping; a second signal/);
    worker.signal("SIGTERM");
    await said(worker, /Worker ended reason=stopped.*jobs_left=1/);
    // The thread that is held is the tracer's until it lets go; else it would have ended by now.
  }
  const { code } = await within(worker.end(), () => `the worker's end:\n${worker.stderr}`);
  assert.equal(code, 130);
});

async function stopTwice(worker: Program): Promise<void> {
  worker.signal("SIGTERM");
  await said(worker, /Stopping; a second signal/);
  worker.signal("SIGTERM");
  // Far more than the two seconds that it has, for a machine that has other things to do; without an end it
  // would never be.
  const { code } = await within(worker.end(), () => `the worker's end:\n${worker.stderr}`, 20_000);
  assert.equal(code, 130);
}

Deno.test("a worker that has no descriptors left gives a job back instead of failing it", async () => {
  await using sandbox = new Sandbox();
  const { worker, submit, logs } = await start(sandbox);
  let jobId: string;
  {
    const full = ["-e", "trace=pipe,pipe2", "-e", "inject=pipe,pipe2:error=EMFILE"];
    await using _fault = await Strace.attach(worker.pid, full);
    jobId = await submit("echo hello; exit 7");
    await said(
      worker,
      /ERR Cannot start a job's process, for no reason of the job's.*os error 24.*raise its limit/,
    );
    await said(worker, /Job released to its queue/);
  }
  await said(worker, new RegExp(`Job completed.*exit_code=7.*${jobId}`));
  assert.deepEqual(await logs(jobId), { code: 7, stdout: "hello\n", stderr: "" });
  assert.deepEqual([...Deno.readDirSync(`${sandbox.dataDir}/wal`)], []);
  assert.deepEqual([...Deno.readDirSync(`${sandbox.dataDir}/archive`)].map(({ name }) => name), [
    `${jobId}.wal.zst`,
  ]);
  await drained(worker);
});

Deno.test("a worker whose directory of logs is removed goes on with a new one", async () => {
  await using sandbox = new Sandbox();
  const { worker, submit, logs } = await start(sandbox);
  using gate = new Gate(sandbox.directory);
  const running = await submit(`echo begun; ${gate.wait}; echo ended`);
  await said(worker, /Job started/);
  Deno.removeSync(`${sandbox.dataDir}/wal`, { recursive: true });
  gate.open();
  await said(worker, new RegExp(`Job completed.*${running}`));
  const next = await submit("echo next");
  await said(worker, new RegExp(`Job completed.*${next}`));
  await said(worker, /ERR The directory of logs was taken away/);
  assert.equal((await logs(running)).stdout, "begun\nended\n");
  assert.equal((await logs(next)).stdout, "next\n");
  await drained(worker);
});
