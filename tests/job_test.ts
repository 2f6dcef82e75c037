/**
 * One job from submit to archive, on the compiled binary.
 */
import assert from "node:assert/strict";
import { Sandbox } from "./support/airunner.ts";

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

async function submit(sandbox: Sandbox, url: string, args: string[]): Promise<string> {
  const { code, stdout, stderr } = await sandbox.run(["submit", `--server=${url}`, ...args]);
  assert.equal(code, 0, stderr);
  const jobId = text(stdout).trim();
  assert.match(jobId, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/);
  return jobId;
}

async function runQueue(sandbox: Sandbox, url: string): Promise<string> {
  const { code, stderr } = await sandbox.run(["worker", `--server=${url}`, "--once"]);
  assert.equal(code, 0, stderr);
  return stderr;
}

Deno.test("a job's output and exit code reach the reader of its logs, byte for byte", async () => {
  await using sandbox = new Sandbox();
  const { url } = await sandbox.startServer();
  const script = String.raw`printf 'out\000\377\303'; printf 'err\n' >&2; printf '\251\n'; exit 7`;
  const jobId = await submit(sandbox, url, ["--", "sh", "-c", script]);
  await runQueue(sandbox, url);

  const logs = await sandbox.run(["logs", jobId, `--server=${url}`]);
  assert.deepEqual([...logs.stdout], [...new TextEncoder().encode("out\0"), 0xff, 0xc3, 0xa9, 0x0a]);
  assert.equal(logs.stderr, "err\n");
  assert.equal(logs.code, 7);

  const raw = await sandbox.run(["logs", jobId, "--raw", `--server=${url}`]);
  assert.equal(raw.stdout.length, logs.stdout.length + logs.stderr.length);
  assert.equal(raw.stderr, "");
});

Deno.test("a finished job's log is archived, readable by the stock zstd program, and free of its token", async () => {
  await using sandbox = new Sandbox();
  const { url } = await sandbox.startServer();
  const jobId = await submit(sandbox, url, ["--", "echo", "hello"]);
  await runQueue(sandbox, url);

  assert.deepEqual([...Deno.readDirSync(`${sandbox.dataDir}/wal`)], []);
  const archive = `${sandbox.dataDir}/archive/${jobId}.wal.zst`;
  const zstd = await new Deno.Command("zstd", { args: ["-dc", archive] }).output();
  assert.ok(zstd.success, text(zstd.stderr));
  assert.equal(text(zstd.stdout.subarray(0, 8)), "ARWAL001");
  assert.ok(!text(zstd.stdout).includes("task_token"));

  const inspect = await sandbox.run(["wal", "inspect", "--json", jobId]);
  const summary = JSON.parse(text(inspect.stdout));
  assert.equal(summary.job_id, jobId);
  assert.equal(summary.pending, 0);
  assert.equal(summary.problem, null);
  assert.deepEqual(
    summary.records.map((
      record: { event_type: string; status: string },
    ) => [record.event_type, record.status]),
    [["PROCESS_START", "sent"], ["OUTPUT_BATCH", "sent"], ["PROCESS_END", "sent"]],
  );
  const dump = await sandbox.run(["wal", "dump", jobId, "--raw"]);
  assert.equal(text(dump.stdout), "hello\n");
});

Deno.test("a reader who follows a job sees its output live and ends with its exit code", async () => {
  await using sandbox = new Sandbox();
  const { url } = await sandbox.startServer();
  const following = sandbox.run([
    "submit",
    `--server=${url}`,
    "--follow",
    "--",
    "sh",
    "-c",
    "echo one; sleep 0.1; echo two; exit 5",
  ]);
  await runQueueUntilJob(sandbox, url);
  const { code, stdout } = await following;
  assert.equal(code, 5);
  assert.match(text(stdout), /one\ntwo\n$/);
});

/** Runs a worker that waits for a job, until it has completed one. */
async function runQueueUntilJob(sandbox: Sandbox, url: string): Promise<void> {
  const worker = sandbox.start(["worker", `--server=${url}`]);
  await worker.waitFor(/Job completed/);
  const { code } = await worker.kill("SIGTERM");
  assert.equal(code, 0);
}

Deno.test("a job gets the environment and the working directory it asked for", async () => {
  await using sandbox = new Sandbox();
  const { url } = await sandbox.startServer();
  const jobId = await submit(sandbox, url, [
    "--env=GREETING=good morning",
    "--cwd=/usr",
    "--",
    "sh",
    "-c",
    'echo "$GREETING from $PWD"',
  ]);
  await runQueue(sandbox, url);
  const logs = await sandbox.run(["logs", jobId, `--server=${url}`]);
  assert.equal(text(logs.stdout), "good morning from /usr\n");
});

Deno.test("a job that exceeds its time is ended with all its children", async () => {
  await using sandbox = new Sandbox();
  const { url } = await sandbox.startServer();
  // The marker makes the grandchild findable without mistaking anybody else's process for it.
  const marker = `3${Date.now()}`;
  const jobId = await submit(sandbox, url, [
    "--timeout=1s",
    "--",
    "sh",
    "-c",
    `sleep ${marker} & echo begun; wait`,
  ]);
  await runQueue(sandbox, url);
  const logs = await sandbox.run(["logs", jobId, `--server=${url}`]);
  assert.equal(text(logs.stdout), "begun\n");
  assert.match(logs.stderr, /Timed out after 1 ?s/);
  assert.equal(logs.code, 143);
  const pgrep = await new Deno.Command("pgrep", { args: ["-f", `sleep ${marker}`] }).output();
  assert.equal(text(pgrep.stdout), "", "the grandchild still runs");
});

Deno.test("a command that does not exist fails clearly, with the shell's exit code", async () => {
  await using sandbox = new Sandbox();
  const { url } = await sandbox.startServer();
  const jobId = await submit(sandbox, url, ["--", "no-such-command-here"]);
  await runQueue(sandbox, url);
  const logs = await sandbox.run(["logs", jobId, `--server=${url}`]);
  assert.equal(logs.code, 127);
  assert.match(logs.stderr, /no-such-command-here/);
  const list = await sandbox.run(["list", `--server=${url}`]);
  assert.match(text(list.stdout), new RegExp(`${jobId}.*failed`, "i"));
});

Deno.test("the same request twice makes one job", async () => {
  await using sandbox = new Sandbox();
  const { url } = await sandbox.startServer();
  const first = await submit(sandbox, url, ["--request-id=build-17", "--", "true"]);
  const second = await submit(sandbox, url, ["--request-id=build-17", "--", "true"]);
  assert.equal(second, first);
});

Deno.test("a large output arrives whole through a reader that stops early", async () => {
  await using sandbox = new Sandbox();
  const { url } = await sandbox.startServer();
  const jobId = await submit(sandbox, url, ["--", "sh", "-c", "head -c 20000000 /dev/zero | tr '\\0' 'x'"]);
  await runQueue(sandbox, url);
  const logs = await sandbox.run(["logs", jobId, "--raw", `--server=${url}`]);
  assert.equal(logs.stdout.length, 20_000_000);
  assert.ok(logs.stdout.every((byte) => byte === 0x78));
  const cut = await new Deno.Command("sh", {
    args: [
      "-c",
      `"$0" logs "$1" --raw --server="$2" | head -c 10`,
      new URL("../dist/airunner", import.meta.url).pathname,
      jobId,
      url,
    ],
    env: { HOME: sandbox.directory },
  }).output();
  assert.equal(text(cut.stdout), "xxxxxxxxxx");
  assert.equal(text(cut.stderr), "");
});
