/**
 * Jobs that are cancelled, and servers that are lost, on the compiled binary.
 */
import assert from "node:assert/strict";
import { createClient } from "@connectrpc/connect";
import { createServerTransport } from "../src/client/transport.ts";
import { CancelOutcome, JobsService } from "../src/events/gen/airunner/v1/airunner_pb.ts";
import { JobState } from "../src/events/gen/job/v1/job_pb.ts";
import { systemClock } from "../src/platform/system_clock.ts";
import { systemNetwork } from "../src/platform/system_network.ts";
import { Sandbox } from "./support/airunner.ts";
import { submitScript } from "./support/submit.ts";
import { within } from "./support/within.ts";

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const names = (directory: string) => [...Deno.readDirSync(directory)].map(({ name }) => name).sort();

function callsOf(url: string) {
  const transport = createServerTransport({ server: url, clock: systemClock, network: systemNetwork });
  const calls = createClient(JobsService, transport);
  return {
    cancelJob: calls.cancelJob,
    async job(jobId: string) {
      const { job, executions } = await calls.getJob({ jobId });
      return { ...job!, state: JobState[job!.state], executions };
    },
    /** Waits for a state; the server has no call that waits for it. */
    async inState(jobId: string, state: string) {
      const wait = async () => {
        while ((await this.job(jobId)).state !== state) await systemClock.sleep(20);
      };
      await within(wait(), () => `state ${state} of job ${jobId}`);
    },
    /** Waits until a worker says that it runs the job, and so hears of it. */
    async isWatched(jobId: string) {
      const wait = async () => {
        const heard = async () =>
          (await calls.listWorkers({})).workers.some(({ jobIds }) => jobIds.includes(jobId));
        while (!await heard()) await systemClock.sleep(20);
      };
      await within(wait(), () => `a worker that watches job ${jobId}`);
    },
    [Symbol.dispose]: () => transport.close(),
  };
}

function worker(sandbox: Sandbox, url: string, ...more: string[]) {
  return sandbox.start(["worker", `--server=${url}`, "--log-level=debug", "--metrics-listen=off", ...more]);
}

async function logs(sandbox: Sandbox, url: string, jobId: string) {
  const { code, stdout } = await sandbox.run(["logs", `--server=${url}`, jobId]);
  return { code, stdout: text(stdout) };
}

Deno.test("a job that runs is cancelled: its group is ended, its output is there, and so is why", async () => {
  await using sandbox = new Sandbox();
  const { url } = await sandbox.startServer();
  using calls = callsOf(url);
  const jobId = await submitScript(
    sandbox,
    url,
    "echo begun; trap 'echo ending; exit 0' TERM; sleep 600 & wait",
  );
  const running = worker(sandbox, url);
  await running.waitFor(/Successfully sent records.*count=\d+.*\n[^]*Successfully sent records/);
  await calls.isWatched(jobId);
  const answer = await calls.cancelJob({ jobId, reason: "not needed" });
  assert.deepEqual([answer.outcome, answer.isHeard], [CancelOutcome.REQUESTED, true]);
  await running.waitFor(/Log archived/);
  const job = await calls.job(jobId);
  assert.equal(job.state, "CANCELLED");
  const { success, errorMessage } = job.executions[0].result!;
  assert.deepEqual([success, errorMessage], [false, "Cancelled: not needed"]);
  assert.equal((await logs(sandbox, url, jobId)).stdout, "begun\nending\n");
});

Deno.test("a worker that was killed hears of a cancellation when it is back: the job does not run again", async () => {
  await using sandbox = new Sandbox();
  const { url } = await sandbox.startServer();
  using calls = callsOf(url);
  const jobId = await submitScript(sandbox, url, "echo begun; sleep 600");
  const first = worker(sandbox, url);
  await first.waitFor(/Successfully sent records/);
  await first.kill("SIGKILL");
  await calls.cancelJob({ jobId, reason: "" });
  const second = worker(sandbox, url);
  await second.waitFor(/Log archived/);
  await calls.inState(jobId, "CANCELLED");
  assert.equal((await calls.job(jobId)).executions.length, 1);
});

Deno.test("a server that is killed after a cancellation was asked for still has its worker end the job", async () => {
  await using sandbox = new Sandbox();
  const { url, port, program } = await sandbox.startServer();
  const jobId = await submitScript(sandbox, url, "echo begun; sleep 600");
  const running = worker(sandbox, url, "--retry-max-interval=1s");
  await running.waitFor(/Successfully sent records/);
  {
    using calls = callsOf(url);
    running.signal("SIGSTOP");
    await calls.cancelJob({ jobId, reason: "later" });
  }
  await program.kill("SIGKILL");
  running.signal("SIGCONT");
  const again = await sandbox.startServer(port);
  await running.waitFor(/Log archived/);
  using calls = callsOf(again.url);
  assert.equal((await calls.job(jobId)).state, "CANCELLED");
});

Deno.test("a server's database is deleted while logs wait and archives lie: replay brings every byte back", async () => {
  await using sandbox = new Sandbox();
  const { url, port, program } = await sandbox.startServer();
  const scripts = ["seq 5000; exit 3", "echo two >&2", "printf 'no newline'; exit 1"];
  const jobIds: string[] = [];
  for (const script of scripts) jobIds.push(await submitScript(sandbox, url, script));
  const once = await sandbox.run(["worker", `--server=${url}`, "--once", "--metrics-listen=off"]);
  assert.equal(once.code, 0, once.stderr);
  const before = [];
  for (const jobId of jobIds) before.push(await logs(sandbox, url, jobId));
  assert.deepEqual(before.map(({ code }) => code), [3, 0, 1]);
  // One of them had not been sent when the server went.
  await sandbox.run(["wal", "restore", jobIds[2]]);
  await program.kill("SIGKILL");
  for (const name of names(sandbox.directory).filter((name) => name.startsWith("server.db"))) {
    Deno.removeSync(`${sandbox.directory}/${name}`);
  }
  await sandbox.startServer(port);
  assert.notEqual((await logs(sandbox, url, jobIds[0])).code, 3);
  const hint = await sandbox.run(["wal", "replay", "--all"]);
  assert.match(text(hint.stdout), /airunner wal replay --all --resend/);
  const dry = await sandbox.run(["wal", "replay", "--all", "--resend", "--dry-run"]);
  assert.match(text(dry.stdout), new RegExp(url));
  const replay = await sandbox.run(["wal", "replay", "--all", "--resend"]);
  assert.equal(replay.code, 0, replay.stderr + text(replay.stdout));
  assert.match(text(replay.stdout), /adopted by the server, which did not know the job; sent \d+ events/);
  const after = [];
  for (const jobId of jobIds) after.push(await logs(sandbox, url, jobId));
  assert.deepEqual(after, before);
  using calls = callsOf(url);
  const job = await calls.job(jobIds[0]);
  assert.deepEqual([job.isAdopted, job.command, job.args], [true, "sh", ["-c", scripts[0]]]);
  // Everything is an archive again, without a token, and twice changes nothing.
  assert.deepEqual(names(`${sandbox.dataDir}/wal`), []);
  const again = await sandbox.run(["wal", "replay", "--all"]);
  assert.match(text(again.stdout), /Nothing to replay/);
});

Deno.test("a worker takes up what a lost server had, and a running job is delivered to the new one", async () => {
  await using sandbox = new Sandbox();
  const { url, port, program } = await sandbox.startServer();
  const gate = `${sandbox.directory}/gate`;
  const jobId = await submitScript(
    sandbox,
    url,
    `echo first; while [ ! -e ${gate} ]; do sleep 0.05; done; echo second`,
  );
  const running = worker(sandbox, url, "--retry-max-interval=1s");
  await running.waitFor(/Successfully sent records/);
  await program.kill("SIGKILL");
  for (const name of names(sandbox.directory).filter((name) => name.startsWith("server.db"))) {
    Deno.removeSync(`${sandbox.directory}/${name}`);
  }
  await sandbox.startServer(port);
  Deno.writeTextFileSync(gate, "");
  await running.waitFor(/The server did not know the job, and has adopted it/);
  await running.waitFor(/Log archived/);
  assert.deepEqual(await logs(sandbox, url, jobId), { code: 0, stdout: "first\nsecond\n" });
});
