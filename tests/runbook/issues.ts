/**
 * Scenarios of the runbook's part *Common issues*: each makes the trouble, types the diagnosis and the
 * resolution, and ends with the server's bytes.
 */
import assert from "node:assert/strict";
import { Operator } from "../support/operator.ts";
import { RefusingProxy } from "../support/refusing_proxy.ts";
import { SmallDisk } from "../support/small_disk.ts";
import { submitScript } from "../support/submit.ts";
import { assertDelivered, leaveUnsentJob } from "../support/unsent_job.ts";
import { assertBytes, namesIn, runQueue, sees, startWorker, strand, submitQuick } from "./situation.ts";

/** Makes every sync take 25 ms longer: a disk in trouble. */
const SLOW_DISK = [
  "strace",
  "-D",
  "-f",
  "-qq",
  "-o",
  "/dev/null",
  "-e",
  "trace=fdatasync",
  "-e",
  "inject=fdatasync:delay_exit=25000",
];

export const ISSUES: Readonly<Record<string, (operator: Operator) => Promise<void>>> = {
  async "High append latency"(operator) {
    const { url } = await operator.startServer();
    const job = await submitQuick(operator, url);
    const worker = operator.startPasting(`airunner worker --server=${url} --log-level=debug`, {
      under: SLOW_DISK,
    });
    await worker.waitFor(/Job completed/);
    await worker.waitFor(/Serving metrics/);
    const stats = await operator.type(0);
    sees(stats.stdout, /p99 \d\d+ ms .*: slow/);

    const slow = await operator.type(1, {}, { under: SLOW_DISK });
    sees(slow.stdout, /warning +Sync time +fdatasync p50 2\d(\.\d+)? ms, p99 .* ms is the limit/);
    sees(slow.stdout, /File system +\w+ for logs and archives/);
    await worker.kill("SIGTERM");
    const faster = `${operator.directory}/ssd`;
    const moved = await operator.type(2, { DIR: faster });
    assert.equal(moved.code, 0, moved.stderr);
    assert.equal(Deno.readLinkSync(`${operator.dataDir}/wal`), `${faster}/wal`);

    const next = await submitQuick(operator, url);
    await runQueue(operator, url);
    assert.deepEqual(namesIn(`${faster}/archive`).length, 2);
    await assertBytes(operator, url, job);
    await assertBytes(operator, url, next);
  },

  async "Pending events do not go away"(operator) {
    const job = await strand(operator);
    const list = await operator.type(0);
    sees(list.stdout, new RegExp(`${job.jobId} +active`));
    const away = await operator.type(1, { URL: job.url });
    assert.equal(away.code, 3);
    sees(away.stdout, /does not answer: Connection refused.*What is unsent stays on disk/);
    await operator.type(2);

    await operator.startServer(job.port);
    await job.worker.waitFor(/Job completed/);
    const settled = await operator.type(0);
    sees(settled.stdout, /No log fits the filters/);
    await assertBytes(operator, job.url, job);
  },

  async "The server limits the rate (429)"(operator) {
    const { url } = await operator.startServer();
    await using proxy = new RefusingProxy(url);
    proxy.refusesWith = 429;
    const job = await submitQuick(operator, url);
    const hasty = startWorker(operator, proxy.url, "--grace-period=0s");
    await hasty.waitFor(/Failed to send events - retrying[^\n]*429/);
    const grep = await operator.type(0);
    sees(grep.stdout, /Failed to send events - retrying.*429/);
    await hasty.kill("SIGTERM");

    const patient = operator.startTyping(1, { URL: proxy.url }, { env: { AIRUNNER_LOG_LEVEL: "debug" } });
    const [, delayMs] = await patient.waitFor(/Failed to send events - retrying[^\n]*delay_ms=(\d+)/);
    assert.ok(Number(delayMs) >= 2500, `the first wait is half of five seconds at least, not ${delayMs} ms`);
    proxy.refusesWith = undefined;
    await patient.waitFor(/Successfully sent records/);
    await patient.waitFor(/Job completed/);
    assert.equal((await patient.kill("SIGTERM")).code, 0);
    await assertBytes(operator, url, job);
  },

  async "Events that the server refused (failed)"(operator) {
    const { url } = await operator.startServer();
    const job = await leaveUnsentJob(operator, url, { outputs: 6, sent: 3, failed: 2 });
    const list = await operator.type(0);
    sees(list.stdout, new RegExp(`${job.jobId} +orphaned +8 +3 +2`));
    const inspect = await operator.type(1, { JOB: job.jobId });
    sees(inspect.stdout, /invalid_argument/);
    const replay = await operator.type(2, { JOB: job.jobId });
    assert.equal(replay.code, 0, replay.stderr);
    sees(replay.stdout, /sent 5 events/);
    await assertDelivered(operator, url, job);
  },

  async "Disk full: no space left on device"(operator) {
    const { url } = await operator.startServer();
    await using disk = await SmallDisk.mount("12m");
    Deno.mkdirSync(operator.dataDir, { mode: 0o700 });
    for (const name of ["wal", "archive"]) {
      Deno.mkdirSync(`${disk.path}/${name}`, { mode: 0o700 });
      Deno.symlinkSync(`${disk.path}/${name}`, `${operator.dataDir}/${name}`);
    }
    // An old archive, a log that no worker of this server takes up, and a job whose output finds no room.
    await leaveUnsentJob(operator, url);
    assert.equal((await operator.run(["wal", "replay", "--all"])).code, 0);
    await using other = new Operator({ when: "", commands: [], seen: [] });
    const { url: otherUrl } = await other.startServer();
    const waiting = await leaveUnsentJob(operator, otherUrl, { outputs: 20, outputBytes: 50_000 });
    disk.fill(300_000);
    const jobId = await submitScript(operator, url, "head -c 3000000 /dev/zero | tr '\\0' 'y'; exit 9");
    // Retention at its start would take the old archive.
    const worker = startWorker(operator, url, "--retention-days=36500");
    await worker.waitFor(/no space left on device/i);

    const doctor = await operator.type(0);
    assert.equal(doctor.code, 3);
    sees(
      doctor.stdout,
      /PROBLEM +Free space +.*free for logs and archives: jobs' output is paused below .*Nothing is lost/,
    );
    sees(doctor.stdout, /warning +File system +tmpfs/);
    const cleanup = await operator.type(1);
    assert.equal(cleanup.code, 0, cleanup.stderr);
    const archive = await operator.type(2);
    assert.equal(archive.code, 0, archive.stderr);
    assert.deepEqual(namesIn(`${disk.path}/archive`), [`${waiting.jobId}.wal.zst`]);
    disk.clear();
    await worker.waitFor(/Job completed/);
    await worker.kill("SIGTERM");
    const { code, stdout } = await operator.run(["logs", jobId, "--raw", `--server=${url}`]);
    assert.deepEqual([code, stdout.length], [9, 3_000_000]);
    // What was compressed unsent is still there to be sent.
    assert.equal((await operator.run(["wal", "replay", waiting.jobId])).code, 0);
    await assertDelivered(operator, otherUrl, waiting);
  },

  async "Corrupt log: CRC64 mismatch"(operator) {
    const { url } = await operator.startServer();
    // Everything is acknowledged up to the middle, and a bit flips in what the server has.
    const job = await leaveUnsentJob(operator, url, { outputs: 20, sent: 12 });
    const bytes = Deno.readFileSync(job.path);
    bytes[1500] ^= 0x10;
    Deno.writeFileSync(job.path, bytes);

    const verify = await operator.type(0);
    assert.equal(verify.code, 3);
    sees(verify.stdout, /crc_mismatch at offset [\d,]+/);
    const recover = await operator.type(1, { JOB: job.jobId });
    assert.equal(recover.code, 0, recover.stderr);
    assert.deepEqual(Deno.readFileSync(job.path), bytes, "the damaged file is as it was");
    const replay = await operator.type(2, { JOB: job.jobId });
    assert.equal(replay.code, 0, replay.stderr);
    await assertDelivered(operator, url, job);
  },

  async "Archive cleanup does not run"(operator) {
    const { url } = await operator.startServer();
    const old = await leaveUnsentJob(operator, url);
    assert.equal((await operator.run(["wal", "replay", "--all"])).code, 0);
    const recent = await submitQuick(operator, url);
    await runQueueWithoutRetention(operator, url);
    Deno.writeTextFileSync(`${operator.dataDir}/config.yaml`, "RetentionDays: 30\n", { mode: 0o600 });
    assert.deepEqual(namesIn(`${operator.dataDir}/archive`).length, 2);

    const doctor = await operator.type(0);
    sees(
      doctor.stdout,
      /warning +Retention +2 archives, the oldest from .* ago, kept for 30 days\. 1 should have gone/,
    );
    const config = await operator.type(1);
    sees(config.stdout, /RetentionDays +file, line 1 +30/);
    const cleanup = await operator.type(2);
    sees(cleanup.stdout, /Deleted 1 archive/);
    assert.deepEqual(namesIn(`${operator.dataDir}/archive`), [`${recent.jobId}.wal.zst`]);
    sees((await operator.type(0)).stdout, /ok +Retention +1 archive/);
    await assertDelivered(operator, url, old);
    await assertBytes(operator, url, recent);
  },
};

/** The worker would clean up at its start. */
async function runQueueWithoutRetention(operator: Operator, url: string): Promise<void> {
  const { code, stderr } = await operator.run([
    "worker",
    `--server=${url}`,
    "--once",
    "--metrics-listen=off",
    "--retention-days=36500",
  ]);
  assert.equal(code, 0, stderr);
}
