/**
 * `airunner wal replay` on the compiled binary: what an operator sends again, and what he must not be able to
 * break. Each story ends by comparing the server's bytes with the job's.
 */
import assert from "node:assert/strict";
import { readSummary } from "../src/archive/summary.ts";
import { FileLock } from "../src/platform/file_lock.ts";
import { Sandbox } from "./support/airunner.ts";
import { connect } from "./support/server_client.ts";
import { SmallDisk } from "./support/small_disk.ts";
import { assertDelivered, countsOf, leaveUnsentJob } from "./support/unsent_job.ts";
import { systemFiles } from "../src/platform/system_files.ts";

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const names = (directory: string) => [...Deno.readDirSync(directory)].map(({ name }) => name).sort();

async function replayJson(sandbox: Sandbox, args: string[]) {
  const { code, stdout, stderr } = await sandbox.run(["wal", "replay", "--json", ...args]);
  return { code, stderr, ...JSON.parse(text(stdout)) };
}

Deno.test("replay sends what is pending, completes the job, archives its log, and has nothing to do the second time", async () => {
  await using sandbox = new Sandbox();
  const { url } = await sandbox.startServer();
  const job = await leaveUnsentJob(sandbox, url, { sent: 5 });
  const dry = await replayJson(sandbox, [job.jobId, "--dry-run"]);
  assert.deepEqual([dry.code, dry.logs[0].to_send, dry.logs[0].server], [0, 17, url]);
  assert.deepEqual(await countsOf(job.path), { pending: 17, sent: 5, failed: 0 });

  const first = await replayJson(sandbox, [job.jobId]);
  assert.deepEqual([first.code, first.sent, first.logs[0].result, first.logs[0].job_completed], [
    0,
    17,
    "sent",
    true,
  ]);
  await assertDelivered(sandbox, url, job);
  assert.deepEqual(names(`${sandbox.dataDir}/wal`), []);
  assert.deepEqual(names(`${sandbox.dataDir}/archive`), [`${job.jobId}.wal.zst`]);

  const second = await sandbox.run(["wal", "replay", "--all"]);
  assert.equal(second.code, 0);
  assert.match(text(second.stdout), /Nothing to replay: of 1 file, the server has every event/);
});

Deno.test("an archive of an unsent log is replayed from the archive, and then archived without its token", async () => {
  await using sandbox = new Sandbox();
  const { url } = await sandbox.startServer();
  const job = await leaveUnsentJob(sandbox, url, { sent: 3 });
  const archived = await sandbox.run(["wal", "archive", job.jobId]);
  assert.equal(archived.code, 0, archived.stderr);
  assert.deepEqual(names(`${sandbox.dataDir}/wal`), []);
  const archive = `${sandbox.dataDir}/archive/${job.jobId}.wal.zst`;

  const { code, sent, logs } = await replayJson(sandbox, ["--all"]);
  assert.deepEqual([code, sent, logs[0].archive], [0, 19, archive]);
  await assertDelivered(sandbox, url, job);
  assert.deepEqual([names(`${sandbox.dataDir}/wal`), names(`${sandbox.dataDir}/archive`)], [[], [
    `${job.jobId}.wal.zst`,
  ]]);
  const resend = await sandbox.run(["wal", "replay", job.jobId, "--resend"]);
  assert.equal(resend.code, 1);
  assert.match(
    resend.stderr,
    /AdoptExecution: This server has an execution 1 of job [^]*The server has the job/,
  );
});

Deno.test("events that were given up are sent with --failed, from a log and from an archive, and without it are not", async () => {
  await using sandbox = new Sandbox();
  const { url } = await sandbox.startServer();
  const job = await leaveUnsentJob(sandbox, url, { outputs: 8, sent: 3, failed: 2 });
  const other = await leaveUnsentJob(sandbox, url, { outputs: 8, failed: 10 });
  const first = await replayJson(sandbox, ["--all"]);
  assert.deepEqual([first.code, first.sent], [0, 5]);
  // Nothing more is to be sent of either, so both jobs are completed; their archives have the failed events,
  // and their tokens.
  assert.deepEqual(first.logs.map((log: { job_completed: boolean }) => log.job_completed), [true, true]);
  const archives = [job, other].map(({ jobId }) => `${sandbox.dataDir}/archive/${jobId}.wal.zst`);
  assert.deepEqual(
    names(`${sandbox.dataDir}/archive`),
    [job, other].map(({ jobId }) => `${jobId}.wal.zst`).sort(),
  );
  const summaries = await Promise.all(archives.map((path) => readSummary(systemFiles, path)));
  assert.deepEqual(summaries.map((summary) => [summary?.pending, summary?.failed]), [[0, 2], [0, 10]]);
  const plain = await sandbox.run(["wal", "replay", "--all"]);
  assert.match(text(plain.stdout), /airunner wal replay --failed --all/);

  const second = await replayJson(sandbox, ["--all", "--failed"]);
  assert.deepEqual([second.code, second.sent], [0, 12]);
  await assertDelivered(sandbox, url, job);
  await assertDelivered(sandbox, url, other);
  const third = await replayJson(sandbox, ["--all", "--failed"]);
  assert.deepEqual([third.code, third.sent], [0, 0]);
});

Deno.test("a replay that is interrupted says what is left, and the next one goes on without a duplicate", async () => {
  await using sandbox = new Sandbox();
  const { url } = await sandbox.startServer();
  const job = await leaveUnsentJob(sandbox, url, { outputs: 30 });
  const replay = sandbox.start(["wal", "replay", job.jobId, "--rate=5/s", "--log-level=debug"]);
  await replay.waitFor(/Successfully sent records/);
  const { code, stderr } = await replay.kill("SIGINT");
  assert.equal(code, 130);
  assert.match(stderr, /events not sent: interrupted\.\n {2}They are safe in/);
  const { pending, sent } = await countsOf(job.path);
  assert.ok(sent >= 5 && sent < 32, `${sent} sent`);

  const rest = await replayJson(sandbox, [job.jobId]);
  assert.deepEqual([rest.code, rest.sent, rest.logs[0].duplicates], [0, pending, 0]);
  await assertDelivered(sandbox, url, job);
});

Deno.test("a replay that is killed leaves either an archive or a log, and the next one delivers everything", async () => {
  await using sandbox = new Sandbox();
  const { url } = await sandbox.startServer();
  const job = await leaveUnsentJob(sandbox, url, { outputs: 30 });
  assert.equal((await sandbox.run(["wal", "archive", "--all"])).code, 0);
  const replay = sandbox.start(["wal", "replay", "--all", "--rate=5/s", "--log-level=debug"]);
  await replay.waitFor(/Successfully sent records/);
  await replay.kill("SIGKILL");
  const { code } = await sandbox.run(["wal", "replay", "--all"]);
  assert.equal(code, 0);
  await assertDelivered(sandbox, url, job);
});

Deno.test("replay with --seq sends these events alone, and records only what nothing unsent lies before", async () => {
  await using sandbox = new Sandbox();
  const { url } = await sandbox.startServer();
  const job = await leaveUnsentJob(sandbox, url, { outputs: 18 });
  const some = await replayJson(sandbox, [job.jobId, "--seq=5..8"]);
  assert.deepEqual([some.code, some.sent], [0, 4]);
  assert.deepEqual(await countsOf(job.path), { pending: 20, sent: 0, failed: 0 });
  const rest = await replayJson(sandbox, [job.jobId]);
  assert.deepEqual([rest.code, rest.sent, rest.logs[0].duplicates], [0, 20, 4]);
  await assertDelivered(sandbox, url, job);
  const wrong = await sandbox.run(["wal", "replay", job.jobId, "--seq=9..2"]);
  assert.equal(wrong.code, 2);
  assert.match(wrong.stderr, /Cannot read --seq: expected sequences such as 10\.\.20/);
});

Deno.test("replay leaves the log of a running worker alone, and says whose it is", async () => {
  await using sandbox = new Sandbox();
  const { url } = await sandbox.startServer();
  const go = `${sandbox.directory}/go`;
  const script = `echo begun; while [ ! -e ${go} ]; do sleep 0.05; done; echo ended`;
  const submitted = await sandbox.run(["submit", `--server=${url}`, "--", "sh", "-c", script]);
  const jobId = text(submitted.stdout).trim();
  const worker = sandbox.start(["worker", `--server=${url}`, "--log-level=debug"]);
  await worker.waitFor(/Successfully sent records/);

  const { code, stderr } = await sandbox.run(["wal", "replay", jobId]);
  assert.equal(code, 1);
  assert.match(stderr, new RegExp(`left alone: process ${worker.pid} is writing`));
  assert.equal((await sandbox.run(["wal", "replay", "--all"])).code, 0);
  const archive = await sandbox.run(["wal", "archive", "--all"]);
  assert.equal(archive.code, 0);
  assert.match(archive.stderr, new RegExp(`Left alone: .*process ${worker.pid}`));
  assert.equal((await sandbox.run(["wal", "archive", jobId])).code, 1);
  const recover = await sandbox.run(["wal", "recover", jobId]);
  assert.equal(recover.code, 1);
  assert.match(recover.stderr, new RegExp(`process ${worker.pid} is writing it`));
  Deno.writeTextFileSync(go, "");
  await worker.waitFor(/Job completed/);
});

Deno.test("replay of a server that is away, of a job that the server does not know, and of a wrong token ends and loses nothing", async () => {
  await using sandbox = new Sandbox();
  const { url, program, port } = await sandbox.startServer();
  const job = await leaveUnsentJob(sandbox, url, { outputs: 3 });
  await program.kill("SIGKILL");
  const away = await sandbox.run(["wal", "replay", "--all"]);
  assert.equal(away.code, 75);
  assert.match(
    away.stderr,
    /5 events not sent: the server does not answer[^]*run the same command again later/,
  );

  // A server with another database, as after the loss of the first one.
  for (const name of names(sandbox.directory).filter((name) => name.startsWith("server.db"))) {
    Deno.removeSync(`${sandbox.directory}/${name}`);
  }
  await sandbox.startServer(port);
  const refused = await sandbox.run(["wal", "replay", "--all", "--adopt=never"]);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /5 events not sent: the server refuses them/);
  assert.deepEqual(await countsOf(job.path), { pending: 5, sent: 0, failed: 0 });
  const adopted = await sandbox.run(["wal", "replay", "--all"]);
  assert.equal(adopted.code, 0, adopted.stderr);
  await assertDelivered(sandbox, url, job);
});

Deno.test("a file elsewhere is sent and not moved, and --resend sends it all again", async () => {
  await using sandbox = new Sandbox();
  const { url } = await sandbox.startServer();
  const job = await leaveUnsentJob(sandbox, url, { outputs: 6, sent: 4 });
  const backup = `${sandbox.directory}/backup.wal.zst`;
  const packed = await new Deno.Command("zstd", { args: ["-q", job.path, "-o", backup] }).output();
  assert.ok(packed.success);
  const bytes = Deno.readFileSync(backup);
  Deno.removeSync(job.path);

  const first = await replayJson(sandbox, [backup]);
  assert.deepEqual([first.code, first.sent, first.logs[0].archive], [0, 4, null]);
  await assertDelivered(sandbox, url, job);
  const again = await replayJson(sandbox, [backup, "--resend"]);
  assert.deepEqual([again.code, again.sent, again.logs[0].duplicates], [0, 8, 8]);
  assert.deepEqual(Deno.readFileSync(backup), bytes);
  assert.deepEqual(names(`${sandbox.dataDir}/wal`), []);
  await using client = connect(url);
  const { jobs } = await client.jobs.listJobs({ queue: "default", page: 1, pageSize: 10 });
  assert.equal(jobs.length, 1);
});

Deno.test("a log is sent although the lock of another disk's file of the same number looks like its own", async () => {
  await using sandbox = new Sandbox();
  await using disk = await SmallDisk.mount("50m");
  await using other = await SmallDisk.mount("50m");
  const { url } = await sandbox.startServer();
  const job = await leaveUnsentJob(sandbox, url);
  const moved = await sandbox.run(["wal", "migrate", `--to=${disk.path}/airunner`, "--symlink"]);
  assert.equal(moved.code, 0, moved.stderr);
  const { ino } = Deno.statSync(job.path);
  const lock = lockFileOfNumber(other.path, ino!);
  try {
    const { stdout } = await sandbox.run(["wal", "ls", "--json"]);
    assert.equal(JSON.parse(text(stdout)).logs[0].state, "orphaned");
    const { code, sent } = await replayJson(sandbox, ["--all"]);
    assert.equal(code, 0);
    assert.ok(sent > 0, "the log was left alone");
    await assertDelivered(sandbox, url, job);
  } finally {
    lock.release();
  }
});

/** Disks in memory number their files from 1 on. */
function lockFileOfNumber(directory: string, ino: number): FileLock {
  for (let n = 0; n < 1000; n++) {
    const lock = FileLock.acquire(`${directory}/${n}`, { create: true });
    if (lock.identity.ino === ino) return lock;
    lock.release();
  }
  throw new Error(`There is no file ${ino} on ${directory}`);
}
