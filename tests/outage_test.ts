/**
 * What the program exists for: servers that go away, workers that are killed, disks that are full. Each
 * test ends by comparing the server's bytes with the job's.
 */
import assert from "node:assert/strict";
import { type Program, Sandbox } from "./support/airunner.ts";
import { SmallDisk } from "./support/small_disk.ts";
import { submitScript } from "./support/submit.ts";

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

async function logsOf(
  sandbox: Sandbox,
  url: string,
  jobId: string,
): Promise<{ code: number; output: string }> {
  const { code, stdout } = await sandbox.run(["logs", jobId, "--raw", `--server=${url}`]);
  return { code, output: text(stdout) };
}

function startWorker(sandbox: Sandbox, url: string, ...more: string[]): Program {
  return sandbox.start(["worker", `--server=${url}`, "--log-level=debug", ...more]);
}

/** Prints numbered lines, and the last of them only after the file `go` has appeared. */
function scriptUntil(go: string): string {
  return `for i in 1 2 3; do echo line $i; done; while [ ! -e ${go} ]; do sleep 0.05; done; echo last line; exit 4`;
}
const WHOLE = "line 1\nline 2\nline 3\nlast line\n";

Deno.test("a server that is killed in the middle of a job gets all of it when it is back", async () => {
  await using sandbox = new Sandbox();
  const first = await sandbox.startServer();
  const go = `${sandbox.directory}/go`;
  const jobId = await submitScript(sandbox, first.url, scriptUntil(go));
  const worker = startWorker(sandbox, first.url);
  await worker.waitFor(/Successfully sent records/);
  await first.program.kill("SIGKILL");
  Deno.writeTextFileSync(go, "");
  await worker.waitFor(/Failed to send events - retrying/);
  await worker.waitFor(/Job ended/);

  await sandbox.startServer(first.port);
  await worker.waitFor(/Job completed/);
  assert.deepEqual(await logsOf(sandbox, first.url, jobId), { code: 4, output: WHOLE });
});

Deno.test("a worker that is killed with unsent events leaves them to the next one, which completes the job", async () => {
  await using sandbox = new Sandbox();
  const first = await sandbox.startServer();
  const go = `${sandbox.directory}/go`;
  const jobId = await submitScript(sandbox, first.url, scriptUntil(go));
  const worker = startWorker(sandbox, first.url);
  await worker.waitFor(/Successfully sent records/);
  await first.program.kill("SIGKILL");
  Deno.writeTextFileSync(go, "");
  await worker.waitFor(/Job ended/);
  await worker.kill("SIGKILL");
  const verify = await sandbox.run(["wal", "verify", "--json", `${sandbox.dataDir}/wal/${jobId}.wal`]);
  assert.ok(JSON.parse(text(verify.stdout)).pending > 0);

  await sandbox.startServer(first.port);
  const { code } = await startWorker(sandbox, first.url, "--once").end();
  assert.equal(code, 0);
  assert.deepEqual(await logsOf(sandbox, first.url, jobId), { code: 4, output: WHOLE });
  assert.deepEqual([...Deno.readDirSync(`${sandbox.dataDir}/wal`)], []);
});

Deno.test("a job whose worker is killed while it runs goes back to its queue and runs again", async () => {
  await using sandbox = new Sandbox();
  const { url } = await sandbox.startServer();
  const go = `${sandbox.directory}/go`;
  const jobId = await submitScript(sandbox, url, scriptUntil(go));
  const worker = startWorker(sandbox, url);
  await worker.waitFor(/Successfully sent records/);
  await worker.kill("SIGKILL");
  Deno.writeTextFileSync(go, "");

  const next = startWorker(sandbox, url);
  await next.waitFor(/Job completed/);
  assert.deepEqual(await logsOf(sandbox, url, jobId), { code: 4, output: WHOLE });
  await next.waitFor(/archived[^]*archived/i);
  const archives = [...Deno.readDirSync(`${sandbox.dataDir}/archive`)].map((entry) => entry.name).sort();
  assert.deepEqual(archives, [`${jobId}.2.wal.zst`, `${jobId}.wal.zst`]);
});

Deno.test("a worker asked to stop lets its job end and delivers it", async () => {
  await using sandbox = new Sandbox();
  const { url } = await sandbox.startServer();
  const go = `${sandbox.directory}/go`;
  const jobId = await submitScript(sandbox, url, scriptUntil(go));
  const worker = startWorker(sandbox, url);
  await worker.waitFor(/Successfully sent records/);
  worker.signal("SIGTERM");
  await worker.waitFor(/stop/i);
  Deno.writeTextFileSync(go, "");
  const { code } = await worker.end();
  assert.equal(code, 0);
  assert.deepEqual(await logsOf(sandbox, url, jobId), { code: 4, output: WHOLE });
});

Deno.test("a worker asked twice to stop ends at once, and nothing is lost", async () => {
  await using sandbox = new Sandbox();
  const { url } = await sandbox.startServer();
  const go = `${sandbox.directory}/go`;
  const jobId = await submitScript(sandbox, url, scriptUntil(go));
  const worker = startWorker(sandbox, url);
  await worker.waitFor(/Successfully sent records/);
  worker.signal("SIGINT");
  await worker.waitFor(/stop/i);
  worker.signal("SIGINT");
  const { code } = await worker.end();
  assert.equal(code, 130);

  Deno.writeTextFileSync(go, "");
  const next = startWorker(sandbox, url);
  await next.waitFor(/Job completed/);
  assert.deepEqual(await logsOf(sandbox, url, jobId), { code: 4, output: WHOLE });
});

Deno.test("two workers share a data directory without touching each other's logs", async () => {
  await using sandbox = new Sandbox();
  const { url } = await sandbox.startServer();
  const ids: string[] = [];
  for (let i = 0; i < 6; i++) {
    ids.push(await submitScript(sandbox, url, `echo job ${i}; sleep 0.2; exit ${i}`));
  }
  const workers = [startWorker(sandbox, url, "--once"), startWorker(sandbox, url, "--once")];
  for (const worker of workers) assert.equal((await worker.end()).code, 0, worker.stderr);
  for (const [i, id] of ids.entries()) {
    assert.deepEqual(await logsOf(sandbox, url, id), { code: i, output: `job ${i}\n` });
  }
});

Deno.test("a full disk pauses the job, and nothing of its output is missing once there is room", async () => {
  await using sandbox = new Sandbox();
  const { url } = await sandbox.startServer();
  await using disk = await SmallDisk.mount("6m");
  disk.fill(2 << 20);
  const jobId = await submitScript(sandbox, url, "head -c 3000000 /dev/zero | tr '\\0' 'y'; exit 9");
  const worker = startWorker(sandbox, url, `--data-dir=${disk.path}/data`);
  await worker.waitFor(/no space left on device/i);
  disk.clear();
  await worker.waitFor(/Job completed/);
  await worker.kill("SIGTERM");
  const { code, output } = await logsOf(sandbox, url, jobId);
  assert.equal(code, 9);
  assert.equal(output.length, 3_000_000);
});
