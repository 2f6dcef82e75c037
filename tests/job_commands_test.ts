/**
 * The commands for a server's jobs, and reading jobs to their ends, with a real server and a real worker.
 */
import assert from "node:assert/strict";
import { Sandbox } from "./support/airunner.ts";
import { within } from "./support/within.ts";

const decoder = new TextDecoder();

/** A sandbox with a server, and commands to it. */
async function withServer(
  test: (at: (...words: string[]) => Promise<Ran>, sandbox: Sandbox, url: string) => Promise<void>,
) {
  await using sandbox = new Sandbox();
  const { url } = await sandbox.startServer();
  const at = async (...words: string[]) => {
    const result = await sandbox.run(words, { env: { AIRUNNER_SERVER: url } });
    return { ...result, stdout: decoder.decode(result.stdout) };
  };
  await test(at, sandbox, url);
}

interface Ran {
  code: number;
  stdout: string;
  stderr: string;
}

async function submit(at: (...words: string[]) => Promise<Ran>, ...words: string[]): Promise<string> {
  const { code, stdout, stderr } = await at("submit", ...words);
  assert.equal(code, 0, stderr);
  return stdout.trim();
}

Deno.test("a job that waits is cancelled, shown, read to its end, retried and deleted", async () => {
  await withServer(async (at) => {
    const { stdout, stderr } = await at("submit", "--queue=nobody", "--", "echo", "hello");
    assert.match(
      stderr,
      /queued; no worker on queue nobody\. Start one with: airunner worker --queue=nobody/,
    );
    const job = stdout.trim();
    assert.match((await at("show", job)).stdout, /State +scheduled[^]*It has not started/);
    assert.match((await at("queues")).stdout, /nobody +1 /);
    const running = await at("delete", "--yes", job);
    assert.equal(running.code, 1);
    assert.match(running.stderr, /Cannot delete/);

    assert.equal((await at("cancel", job)).stdout, `Cancelled ${job}; it had not started\n`);
    const logs = await at("logs", job);
    assert.deepEqual([logs.code, logs.stdout], [1, ""]);
    assert.match(logs.stderr, /The job was cancelled/);
    const again = await at("cancel", job, "no-such-job");
    assert.equal(again.code, 1);
    assert.match(again.stdout, /had ended before \(cancelled\)/);

    const retried = (await at("retry", job)).stdout.trim();
    assert.equal(JSON.parse((await at("show", "--json", retried)).stdout).retry_of, job);
    assert.equal((await at("delete", "--yes", job)).stdout, `Deleted ${job}\n`);
    assert.equal((await at("logs", job)).code, 1);
    assert.match((await at("list", "--all-queues", "--search=hello")).stdout, new RegExp(retried));
  });
});

Deno.test("a job that runs is cancelled by its worker, and its reader hears why", async () => {
  await withServer(async (at, sandbox, url) => {
    const worker = sandbox.start(["worker", `--server=${url}`, "--worker-name=builder"]);
    await worker.waitFor(/Worker started/);
    const job = await submit(at, "--", "sh", "-c", "echo begun; sleep 1000");
    const reader = sandbox.start(["logs", `--server=${url}`, job]);
    await worker.waitFor(/Job started/);
    // It says what it runs in a call of its own, a moment later.
    const watched = async () => {
      while (!/builder +default +connected.* 1\/1 /.test((await at("workers")).stdout));
    };
    await within(watched(), () => worker.stderr);
    const { code, stdout } = await at("cancel", "--reason=wrong branch", job);
    assert.equal(code, 0);
    assert.match(stdout, /^Asked worker builder to end \S+; follow it with: airunner logs /);
    const read = await within(reader.end(), () => worker.stderr);
    assert.equal(read.code, 143);
    assert.match(read.stderr, /Cancelled: wrong branch/);
    const cancelled = async () => {
      while (!/State +cancelled/.test((await at("show", job)).stdout));
    };
    await within(cancelled(), () => "the job's state");
    assert.match((await at("workers")).stdout, /builder +default +connected/);
    assert.equal((await worker.kill("SIGTERM")).code, 0);
  });
});

Deno.test("an execution that is interrupted is followed by the next, and its reader reads both", async () => {
  await withServer(async (at, sandbox, url) => {
    const worker = () => sandbox.start(["worker", `--server=${url}`, "--grace-period=0s"]);
    const first = worker();
    const script = "if [ -e once ]; then echo second; exit 4; fi; touch once; echo first; sleep 1000";
    const job = await submit(at, `--cwd=${sandbox.directory}`, "--", "sh", "-c", script);
    const reader = sandbox.start(["logs", `--server=${url}`, job]);
    await first.waitFor(/Job started/);
    const begun = async () => {
      while (!/ [1-9]\d* +\d+ B/.test((await at("show", job)).stdout));
    };
    await within(begun(), () => "its first event");
    await first.kill("SIGTERM");
    const second = worker();
    const { code, stdout, stderr } = await within(reader.end(), () => second.stderr);
    assert.equal(code, 4, stderr);
    assert.match(decoder.decode(stdout), /^(first\n)?second\n$/);
    await second.kill("SIGTERM");
  });
});
