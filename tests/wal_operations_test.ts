/**
 * `wal recover`, `archive`, `restore` and `cleanup` on the compiled binary: an operator's bad night, and what
 * he types.
 */
import assert from "node:assert/strict";
import { encodeRecord } from "../src/wal/format.ts";
import { Sandbox } from "./support/airunner.ts";
import { SmallDisk } from "./support/small_disk.ts";
import { assertDelivered, leaveUnsentJob } from "./support/unsent_job.ts";

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const names = (directory: string) => [...Deno.readDirSync(directory)].map(({ name }) => name).sort();

async function json(sandbox: Sandbox, args: string[]) {
  const { code, stdout, stderr } = await sandbox.run(["wal", ...args, "--json"]);
  return { code, stderr, document: JSON.parse(text(stdout)) };
}

/** Changes bytes of a file in place. */
function damage(path: string, change: (bytes: Uint8Array) => void): Uint8Array {
  const bytes = Deno.readFileSync(path);
  change(bytes);
  Deno.writeFileSync(path, bytes);
  return bytes;
}

/** Where the record with this number begins, counted from 0. */
function recordOffset(bytes: Uint8Array, record: number): number {
  const view = new DataView(bytes.buffer);
  let offset = 16;
  for (let n = 0; n < record; n++) offset += view.getUint32(offset, true);
  return offset;
}

Deno.test("a log that the worker set aside is recovered past its damage and replayed, and the server has all that was saved", async () => {
  await using sandbox = new Sandbox();
  const { url } = await sandbox.startServer();
  // Everything up to the damaged record was sent before: the server lacks nothing of it.
  const job = await leaveUnsentJob(sandbox, url, { outputs: 20, sent: 6 });
  let at = 0;
  // Record 0 is the execution, so record 4 is event 4.
  damage(job.path, (bytes) => bytes[(at = recordOffset(bytes, 4)) + 40] ^= 1);
  const worker = sandbox.start(["worker", `--server=${url}`]);
  await worker.waitFor(/airunner wal recover/);
  await worker.kill("SIGKILL");
  const quarantined = `${job.path}.corrupt`;
  const before = Deno.readFileSync(quarantined);

  const dry = await json(sandbox, ["recover", job.jobId, "--dry-run"]);
  assert.deepEqual([dry.code, dry.document.output, dry.document.pending], [0, null, 16]);
  assert.deepEqual(names(`${sandbox.dataDir}/wal`), [`${job.jobId}.wal.corrupt`]);
  const { code, document } = await json(sandbox, ["recover", job.jobId]);
  assert.equal(code, 0);
  assert.deepEqual(
    document.damaged.map(({ problem, offset }: { problem: string; offset: number }) => [problem, offset]),
    [
      ["crc_mismatch", at],
    ],
  );
  assert.deepEqual(document.lost, [{ first_sequence: 4, last_sequence: 4, server_has_them: true }]);
  assert.deepEqual([document.events, document.output, document.ended], [21, job.path, true]);
  assert.deepEqual(Deno.readFileSync(quarantined), before);
  assert.equal(Deno.statSync(job.path).mode! & 0o777, 0o600);

  const replay = await sandbox.run(["wal", "replay", job.path]);
  assert.equal(replay.code, 0, replay.stderr);
  await assertDelivered(sandbox, url, job);
  const again = await sandbox.run(["wal", "recover", quarantined]);
  assert.equal(again.code, 0);
  assert.match(text(again.stdout), /Original {2}unchanged/);
});

Deno.test("recover says what cannot be saved: the record that names the job, an empty file, garbage, a whole log", async () => {
  await using sandbox = new Sandbox();
  const { url } = await sandbox.startServer();
  const job = await leaveUnsentJob(sandbox, url, { outputs: 4 });
  const whole = await sandbox.run(["wal", "recover", job.path]);
  assert.deepEqual([whole.code, text(whole.stdout)], [
    0,
    `${job.path} is whole: there is nothing to recover\n`,
  ]);

  const copy = `${sandbox.directory}/copy.wal`;
  Deno.copyFileSync(job.path, copy);
  damage(copy, (bytes) => bytes.fill(0xee, 4, 60));
  const { code, stdout } = await sandbox.run(["wal", "recover", copy]);
  assert.equal(code, 0);
  assert.match(text(stdout), /its job, server and token was lost, so its events cannot be sent/);
  const recovered = `${sandbox.directory}/copy.2.wal`;
  const replay = await sandbox.run(["wal", "replay", recovered]);
  assert.equal(replay.code, 1);
  assert.match(
    replay.stderr,
    /a server takes events with a token only[^]*airunner wal replay --adopt=all --server=URL /,
  );

  for (const bytes of [new Uint8Array(), new Uint8Array(5000).fill(0x41)]) {
    Deno.writeFileSync(`${sandbox.directory}/broken.wal`, bytes);
    const broken = await sandbox.run(["wal", "recover", "./broken.wal"]);
    assert.equal(broken.code, 1);
    assert.match(broken.stderr, /Nothing could be saved[^]*not one whole record/);
  }
  assert.equal((await sandbox.run(["wal", "recover", "no-such-job"])).code, 1);
  const taken = await sandbox.run(["wal", "recover", copy, `--output=${job.path}`]);
  assert.equal(taken.code, 1);
  assert.match(taken.stderr, /Cannot write the recovered log[^]*--output=FILE/);
});

Deno.test("a damaged archive is not restored, and recovered into the directory of logs", async () => {
  await using sandbox = new Sandbox();
  const { url } = await sandbox.startServer();
  const job = await leaveUnsentJob(sandbox, url, { outputs: 40, outputBytes: 1000 });
  assert.equal((await sandbox.run(["wal", "archive", "--all"])).code, 0);
  const archive = `${sandbox.dataDir}/archive/${job.jobId}.wal.zst`;
  const before = damage(archive, (bytes) => bytes[bytes.length - 3] ^= 1);
  const restore = await sandbox.run(["wal", "restore", job.jobId]);
  assert.equal(restore.code, 1);
  assert.match(restore.stderr, /it is damaged: [^]*Next: airunner wal recover/);
  const replay = await sandbox.run(["wal", "replay", job.jobId]);
  assert.equal(replay.code, 1);
  assert.match(replay.stderr, /is damaged: [^]*airunner wal recover/);

  const { code, document } = await json(sandbox, ["recover", archive]);
  assert.deepEqual([code, document.events, document.output], [0, 42, job.path]);
  assert.equal((await sandbox.run(["wal", "replay", job.path])).code, 0);
  await assertDelivered(sandbox, url, job);
  assert.deepEqual(Deno.readFileSync(archive), before);
});

Deno.test("an archive that was restored and kept is sent once, whoever sends it and however often it is asked for", async () => {
  await using sandbox = new Sandbox();
  const { url } = await sandbox.startServer();
  const job = await leaveUnsentJob(sandbox, url, { outputs: 30, sent: 2 });
  assert.equal((await sandbox.run(["wal", "archive", "--all"])).code, 0);
  assert.equal((await sandbox.run(["wal", "restore", job.jobId])).code, 0);
  const plan = await json(sandbox, ["replay", "--all", "--dry-run"]);
  assert.deepEqual(plan.document.logs.map((log: { to_send: number }) => log.to_send), [0, 30]);
  // Two at once, and once more.
  const both = await Promise.all([json(sandbox, ["replay", "--all"]), json(sandbox, ["replay", "--all"])]);
  const after = await json(sandbox, ["replay", "--all"]);
  const all = [...both, after].flatMap(({ document }) => document.logs);
  assert.equal(all.reduce((sum, { sent }) => sum + sent, 0), 30, JSON.stringify(all));
  assert.equal(all.reduce((sum, { duplicates }) => sum + duplicates, 0), 0);
  await assertDelivered(sandbox, url, job);
  assert.deepEqual(names(`${sandbox.dataDir}/wal`), []);
  assert.deepEqual(names(`${sandbox.dataDir}/archive`), [`${job.jobId}.2.wal.zst`]);
});

Deno.test("an event that the server refused does not become a sent one when the note of its refusal is damaged", async () => {
  await using sandbox = new Sandbox();
  const { url } = await sandbox.startServer();
  const job = await leaveUnsentJob(sandbox, url, { outputs: 4, sent: 1, failed: 2 });
  // Behind the failures the server acknowledged everything else.
  const view = (bytes: Uint8Array) => new DataView(bytes.buffer);
  const bytes = Deno.readFileSync(job.path);
  const offsets: number[] = [];
  for (let at = 16; at < bytes.length; at += view(bytes).getUint32(at, true)) offsets.push(at);
  const failure = offsets.filter((at) => bytes[at + 12] === 3)[0];
  const acknowledgement = encodeRecord({
    sequence: 6n,
    status: 2,
    timestampMs: 1n,
    payload: new Uint8Array(),
  });
  bytes[failure + 30] ^= 1;
  Deno.writeFileSync(job.path, new Uint8Array([...bytes, ...acknowledgement]));
  const { document } = await json(sandbox, ["recover", job.path, "--dry-run"]);
  assert.deepEqual([document.sent, document.pending, document.failed], [1, 4, 1]);
  assert.equal(document.unproven_acknowledgements, 1);
  const screen = text((await sandbox.run(["wal", "recover", job.path, "--dry-run"])).stdout);
  assert.match(screen, /Not proven +1 acknowledgement from behind the damage/);
  assert.match(screen, /What is not proven sent counts as not sent \(4 events\)/);
});

Deno.test("a pipe, a device and a directory are refused at once by whatever reads a log", async () => {
  await using sandbox = new Sandbox();
  const pipe = `${sandbox.directory}/pipe`;
  assert.ok(new Deno.Command("mkfifo", { args: [pipe] }).outputSync().success);
  const commands = [["recover", "--dry-run"], ["recover"], ["verify"], ["inspect"], ["dump", "--raw"], [
    "replay",
  ], [
    "restore",
  ]];
  for (const command of commands) {
    for (
      const [path, what] of [["/dev/zero", "a device"], [pipe, "a pipe"], [sandbox.directory, "a directory"]]
    ) {
      const { code, stderr } = await sandbox.run(["wal", ...command, path]);
      assert.equal(code, 1, `${command} ${path}: ${stderr}`);
      assert.ok(stderr.includes(`Cannot read ${path}: it is ${what}`), `${command} ${path}: ${stderr}`);
    }
  }
});

Deno.test("archive and restore take a log there and back, byte for byte, and its events stay as they were", async () => {
  await using sandbox = new Sandbox();
  const { url } = await sandbox.startServer();
  const jobs = [
    await leaveUnsentJob(sandbox, url, { sent: 2 }),
    await leaveUnsentJob(sandbox, url, { sent: 3 }),
  ];
  const before = jobs.map(({ path }) => Deno.readFileSync(path));
  const archived = await json(sandbox, ["archive", "--all"]);
  assert.equal(archived.code, 0);
  assert.ok(archived.document.saved_bytes > 0);
  assert.deepEqual(archived.document.logs.map(({ unsent }: { unsent: number }) => unsent).sort(), [19, 20]);
  assert.deepEqual(names(`${sandbox.dataDir}/wal`), []);
  const none = await sandbox.run(["wal", "archive", "--all"]);
  assert.deepEqual([none.code, text(none.stdout)], [
    0,
    `Nothing to archive: no log in ${sandbox.dataDir}/wal\n`,
  ]);

  const [first, second] = jobs;
  const restored = await sandbox.run([
    "wal",
    "restore",
    first.jobId,
    `${sandbox.dataDir}/archive/${second.jobId}.wal.zst`,
  ]);
  assert.equal(restored.code, 0, restored.stderr);
  assert.match(text(restored.stdout), /20 not sent, [^]*airunner wal replay --all/);
  jobs.forEach(({ path }, i) => assert.deepEqual(Deno.readFileSync(path), before[i]));
  const twice = await json(sandbox, ["restore", first.jobId, "--remove"]);
  assert.deepEqual([twice.code, twice.document.archives[0].outcome], [0, "already_restored"]);
  assert.deepEqual(names(`${sandbox.dataDir}/archive`), [`${second.jobId}.wal.zst`]);
  assert.equal((await sandbox.run(["wal", "restore", "nobody"])).code, 1);
});

Deno.test("a torn tail is cut and the log archived; a damaged log is set aside and the others are archived", async () => {
  await using sandbox = new Sandbox();
  const { url } = await sandbox.startServer();
  const torn = await leaveUnsentJob(sandbox, url, { outputs: 3 });
  const broken = await leaveUnsentJob(sandbox, url, { outputs: 3 });
  using file = Deno.openSync(torn.path, { append: true });
  file.writeSync(new Uint8Array([200, 0, 0, 0, 1, 2, 3]));
  damage(broken.path, (bytes) => bytes[recordOffset(bytes, 2) + 40] ^= 1);
  const { code, stderr } = await sandbox.run(["wal", "archive", "--all"]);
  assert.equal(code, 1);
  assert.match(stderr, /airunner wal recover/);
  assert.deepEqual(names(`${sandbox.dataDir}/archive`), [`${torn.jobId}.wal.zst`]);
  assert.ok(names(`${sandbox.dataDir}/wal`).includes(`${broken.jobId}.wal.corrupt`));
});

Deno.test("a disk that is full while archiving, restoring or recovering costs nothing, and the same command works afterwards", async () => {
  await using sandbox = new Sandbox();
  await using disk = await SmallDisk.mount("8m");
  const { url } = await sandbox.startServer();
  const job = await leaveUnsentJob(sandbox, url, { outputs: 40, outputBytes: 100_000 });
  const before = Deno.readFileSync(job.path);
  const archiveDir = `--archive-dir=${disk.path}/archive`;
  const walDir = `--wal-dir=${disk.path}/wal`;
  disk.fill(0);
  const full = await sandbox.run(["wal", "archive", job.jobId, archiveDir]);
  assert.equal(full.code, 1);
  assert.match(full.stderr, /Nothing is lost: the log is kept[^]*airunner wal cleanup/);
  // Comparing megabytes with deepEqual takes seconds.
  assert.ok(Deno.readFileSync(job.path).every((byte, i) => byte === before[i]));
  disk.clear();
  assert.equal((await sandbox.run(["wal", "archive", job.jobId, archiveDir])).code, 0);

  disk.fill(1_000_000);
  const restore = await sandbox.run(["wal", "restore", job.jobId, archiveDir, walDir]);
  assert.equal(restore.code, 1);
  assert.match(restore.stderr, /Nothing is lost: the archive is as it was/);
  assert.deepEqual(names(`${disk.path}/wal`), []);
  const replay = await sandbox.run(["wal", "replay", job.jobId, archiveDir, walDir]);
  assert.equal(replay.code, 1);
  disk.clear();
  assert.equal((await sandbox.run(["wal", "replay", job.jobId, archiveDir, walDir])).code, 0);
  await assertDelivered(sandbox, url, job);
});

Deno.test("cleanup deletes what is unsent only when its job id is given, and keeps the newest and the size it is told", async () => {
  await using sandbox = new Sandbox();
  const { url } = await sandbox.startServer();
  const unsent = await leaveUnsentJob(sandbox, url, { outputs: 2 });
  const sent = [
    await leaveUnsentJob(sandbox, url),
    await leaveUnsentJob(sandbox, url),
    await leaveUnsentJob(sandbox, url),
  ];
  await sandbox.run(["wal", "replay", ...sent.map(({ jobId }) => jobId)]);
  await sandbox.run(["wal", "archive", "--all"]);
  const archives = () => names(`${sandbox.dataDir}/archive`);
  assert.equal(archives().length, 4);

  assert.equal((await sandbox.run(["wal", "cleanup", "--yes"])).code, 2);
  const keep = await json(sandbox, ["cleanup", "--keep=3", "--yes"]);
  assert.deepEqual([keep.code, keep.document.deleted, archives().length], [0, 0, 4]);
  const size = await json(sandbox, ["cleanup", "--max-bytes=0", "--keep=2", "--yes"]);
  assert.deepEqual([size.code, size.document.deleted], [0, 1]);
  const refused = await sandbox.run(["wal", "cleanup", "--older-than=0s", "--include-unsent", "--yes"]);
  assert.equal(refused.code, 0);
  assert.match(
    refused.stderr,
    new RegExp(`Kept .*: the server lacks events of it. To delete it, add --confirm=${unsent.jobId}`),
  );
  assert.deepEqual(archives(), [`${unsent.jobId}.wal.zst`]);
  const wrong = await sandbox.run([
    "wal",
    "cleanup",
    "--older-than=0s",
    "--yes",
    "--include-unsent",
    "--confirm=other",
  ]);
  assert.equal(wrong.code, 0);
  assert.equal(archives().length, 1);
  const confirmed = await json(sandbox, [
    "cleanup",
    "--older-than=0s",
    "--yes",
    "--include-unsent",
    `--confirm=${unsent.jobId}`,
  ]);
  assert.deepEqual([confirmed.document.candidates[0].unsent, confirmed.document.deleted], ["pending", 1]);
  assert.deepEqual(archives(), []);
});

Deno.test("every command that changes logs has help with examples, and refuses what it cannot understand", async () => {
  await using sandbox = new Sandbox();
  for (const command of ["replay", "recover", "archive", "restore", "cleanup", "migrate"]) {
    const help = await sandbox.run(["wal", command, "--help"]);
    assert.equal(help.code, 0);
    assert.match(text(help.stdout), /Examples:[^]*airunner wal [^]*Exit codes: 0/);
  }
  for (
    const args of [["replay"], ["archive"], ["recover"], ["restore"], ["migrate"], ["replay", "--all", "x"]]
  ) {
    assert.equal((await sandbox.run(["wal", ...args])).code, 2, args.join(" "));
  }
  const empty = await sandbox.run(["wal", "replay", "--all"]);
  assert.deepEqual([empty.code, text(empty.stdout)], [
    0,
    "Nothing to replay: there is no log and no archive\n",
  ]);
  const rate = await sandbox.run(["wal", "replay", "--all", "--rate=fast"]);
  assert.equal(rate.code, 2);
});
