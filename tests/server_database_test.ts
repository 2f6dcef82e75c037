/**
 * The server's database looked after while the server runs, on the compiled binary: one server at a time,
 * readers beside it, backups, restoring, checking and pruning.
 */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { Sandbox } from "./support/airunner.ts";
import { addJob } from "./support/database_rows.ts";
import { collect, connect, outputEvent, publishRequests } from "./support/server_client.ts";
import { SmallDisk } from "./support/small_disk.ts";

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const names = (directory: string) => [...Deno.readDirSync(directory)].map(({ name }) => name).sort();

class Place implements AsyncDisposable {
  readonly sandbox = new Sandbox();
  readonly data = `${this.sandbox.directory}/server.db`;
  readonly backup = `${this.sandbox.directory}/backup/server.db`;

  constructor() {
    Deno.mkdirSync(`${this.sandbox.directory}/backup`);
  }

  async run(...args: string[]) {
    const { code, stdout, stderr } = await this.sandbox.run(["server", ...args, `--data=${this.data}`]);
    return { code, stdout: text(stdout), stderr };
  }

  /** Rows that a stopped server left. */
  async fill(jobs: number, events: number): Promise<void> {
    const { program } = await this.sandbox.startServer();
    await program.kill("SIGTERM");
    const database = new DatabaseSync(this.data);
    database.exec("PRAGMA synchronous = OFF; BEGIN");
    for (let job = 1; job <= jobs; job++) {
      addJob(database, `job-${job}`, { events, outputBytes: 10_000, queue: "old" });
    }
    database.exec("COMMIT");
    database.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.sandbox[Symbol.asyncDispose]();
  }
}

/** A job whose events are published, batch by batch, until it is told to stop. */
async function publishUntil(url: string, stop: Promise<unknown>): Promise<{ jobId: string; events: number }> {
  await using client = connect(url);
  await client.jobs.enqueueJob({ jobParams: { command: "true" } });
  const [response] = await collect(client.jobs.dequeueJob({}));
  let isStopped = false;
  stop.finally(() => isStopped = true);
  let events = 0;
  do {
    const batch = Array.from({ length: 10 }, () => outputEvent(++events, 2_000));
    await client.events.publishJobEvents(publishRequests(response!.taskToken, [batch]));
  } while (!isStopped);
  await client.jobs.completeJob({ taskToken: response!.taskToken, jobResult: { success: true } });
  return { jobId: response!.job!.jobId, events };
}

Deno.test("a backup of a running server that is written to is whole, and a server goes on with it", async () => {
  await using place = new Place();
  await place.fill(40, 50);
  const { program, url } = await place.sandbox.startServer();
  const backup = place.run("backup", place.backup, "--json");
  const published = await publishUntil(url, backup);
  const { code, stdout, stderr } = await backup;
  assert.equal(code, 0, stderr);
  const told = JSON.parse(stdout);
  assert.deepEqual([told.ok, told.problem_count, told.gap_count], [true, 0, 0]);
  assert.ok(told.jobs >= 40 && told.events >= 2_000);
  assert.equal(Deno.statSync(place.backup).mode! & 0o777, 0o600);
  assert.deepEqual(names(`${place.sandbox.directory}/backup`), ["server.db"]);

  // What came after the backup's moment is in the server alone.
  const verified = await place.run("verify", "--json");
  assert.equal(verified.code, 0, verified.stdout);
  assert.equal(JSON.parse(verified.stdout).events, 2_000 + published.events);
  await program.kill("SIGTERM");

  const restored = `${place.sandbox.directory}/restored.db`;
  const restoring = await place.sandbox.run(["server", "restore", place.backup, `--data=${restored}`]);
  assert.equal(restoring.code, 0, restoring.stderr);
  const again = place.sandbox.start(["server", "--listen=127.0.0.1:0", `--data=${restored}`]);
  const [, restoredUrl] = await again.waitFor(/Listening on (http:\S+)/);
  await using client = connect(restoredUrl!);
  const { jobs } = await client.jobs.listJobs({ pageSize: 100 });
  assert.equal(jobs.length, told.jobs);
});

Deno.test("a backup of a stopped server is the same, and of a crashed one has what was acknowledged", async () => {
  await using place = new Place();
  const { program, url } = await place.sandbox.startServer();
  const { events } = await publishUntil(url, Promise.resolve());
  await program.kill("SIGKILL");
  const { code, stdout, stderr } = await place.run("backup", place.backup, "--json");
  assert.equal(code, 0, stderr);
  assert.deepEqual([JSON.parse(stdout).jobs, JSON.parse(stdout).events], [1, events]);
  // A crash leaves nothing that would have to be cleaned up.
  const second = await place.sandbox.startServer();
  await second.program.kill("SIGTERM");
  assert.deepEqual(names(place.sandbox.directory).filter((name) => name.startsWith("server.db")), [
    "server.db",
  ]);
});

Deno.test("a second server on a database is refused, and others may read it meanwhile", async () => {
  await using place = new Place();
  const { url } = await place.sandbox.startServer();
  const { events } = await publishUntil(url, Promise.resolve());
  const second = await place.run("--listen=127.0.0.1:0");
  assert.equal(second.code, 1);
  assert.match(second.stderr, /another process holds it \(process \d+\)\. Stop the other server/);

  const copy = `${place.sandbox.directory}/sqlite3.db`;
  const sqlite3 = await new Deno.Command("sqlite3", { args: ["-readonly", place.data, `.backup ${copy}`] })
    .output();
  assert.ok(sqlite3.success, text(sqlite3.stderr));
  const { stdout } = await place.sandbox.run(["server", "verify", copy, "--json"]);
  assert.deepEqual([JSON.parse(text(stdout)).ok, JSON.parse(text(stdout)).events], [true, events]);
});

Deno.test("a backup that is killed leaves nothing under its name, and the next one takes its place", async () => {
  await using place = new Place();
  await place.fill(20, 100);
  const slow = place.sandbox.start([
    "server",
    "backup",
    place.backup,
    "--rate=100KB",
    `--data=${place.data}`,
  ]);
  const directory = `${place.sandbox.directory}/backup`;
  const deadline = Date.now() + 60_000;
  while (names(directory).length === 0 || Deno.statSync(`${directory}/${names(directory)[0]}`).size === 0) {
    assert.ok(Date.now() < deadline, "the backup does not begin");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await slow.kill("SIGKILL");
  assert.match(names(directory).join(), /^\.server\.db\.tmp-[0-9a-f-]+$/);
  const { code, stderr } = await place.run("backup", place.backup, "--rate=0");
  assert.equal(code, 0, stderr);
  assert.deepEqual(names(directory), ["server.db"]);
  const again = await place.run("backup", place.backup);
  assert.equal(again.code, 1);
  assert.match(again.stderr, /there is such a file, and it was not changed/);
});

Deno.test("a backup that is interrupted says so and leaves nothing", async () => {
  await using place = new Place();
  await place.fill(20, 100);
  const slow = place.sandbox.start([
    "server",
    "backup",
    place.backup,
    "--rate=100KB",
    `--data=${place.data}`,
  ]);
  const directory = `${place.sandbox.directory}/backup`;
  while (names(directory).length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  const { code, stderr } = await slow.kill("SIGINT");
  assert.equal(code, 130);
  assert.match(stderr, /Interrupted\. Nothing was left of /);
  assert.deepEqual(names(directory), []);
});

Deno.test("a disk without room for a backup, or that runs full under it, is told, and nothing is left", async () => {
  await using place = new Place();
  await place.fill(20, 100);
  await using disk = await SmallDisk.mount("4m");
  const early = await place.run("backup", `${disk.path}/server.db`);
  assert.equal(early.code, 1);
  assert.match(early.stderr, /it takes .* and there are .* free\. Nothing was written/);

  // Somebody else takes the room that there was in the beginning.
  await using larger = await SmallDisk.mount("40m");
  const slow = place.sandbox.start([
    "server",
    "backup",
    `${larger.path}/server.db`,
    "--rate=2MB",
    `--data=${place.data}`,
  ]);
  while (names(larger.path).length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  larger.fill(0);
  const { code, stderr } = await slow.end();
  assert.equal(code, 1);
  assert.match(stderr, /Cannot write .*: the disk is full\. Nothing was kept of it/);
  assert.deepEqual(names(larger.path), ["ballast"]);
});

Deno.test("verify finds what is wrong, with its own exit code", async () => {
  await using place = new Place();
  await place.fill(2, 5);
  const database = new DatabaseSync(place.data);
  database.exec("UPDATE events SET payload = x'FFFFFF' WHERE execution = 2 AND sequence = 3");
  database.close();
  const { code, stdout } = await place.run("verify");
  assert.equal(code, 3);
  assert.match(stdout, /events: job job-2, execution 1, event 3: its bytes are no event/);
  const { code: none, stderr } = await place.sandbox.run(["server", "verify", "/none/server.db"]);
  assert.equal(none, 1);
  assert.match(stderr, /there is no database/);
});

Deno.test("another program's database is refused and left as it was", async () => {
  await using place = new Place();
  const other = new DatabaseSync(place.data);
  other.exec("CREATE TABLE recipes (name TEXT)");
  other.close();
  const before = Deno.readFileSync(place.data);
  for (const args of [["--listen=127.0.0.1:0"], ["verify"], ["backup", place.backup]]) {
    const { code, stderr } = await place.run(...args);
    assert.equal(code, 1);
    assert.match(stderr, /it is not a database of this program/);
  }
  assert.deepEqual(Deno.readFileSync(place.data), before);
});

Deno.test("old jobs are shown beside a running server, deleted by it once it has the limit, or by the command when it is stopped", async () => {
  await using place = new Place();
  await place.fill(30, 20);
  const { program } = await place.sandbox.startServer();
  const dry = await place.run("prune", "--retain-jobs=30d", "--dry-run", "--json");
  assert.equal(dry.code, 0, dry.stderr);
  assert.deepEqual([JSON.parse(dry.stdout).by_age, JSON.parse(dry.stdout).deleted_jobs], [30, 0]);
  const refused = await place.run("prune", "--retain-jobs=30d", "--yes");
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /a server runs on it.*Nothing was deleted/);
  assert.match(refused.stderr, /--retain-jobs=30d/);
  await program.kill("SIGTERM");
  assert.equal((await place.run("prune", "--dry-run")).code, 2);

  const kept = await place.run("prune", "--retain-jobs=30d", "--retain-queues=old=never", "--yes", "--json");
  assert.deepEqual([kept.code, JSON.parse(kept.stdout).deleted_jobs], [0, 0]);
  const before = Deno.statSync(place.data).size;
  const limited = await place.run("prune", `--retain-bytes=${3_000_000}`, "--yes", "--json");
  const { deleted_jobs: deletedJobs } = JSON.parse(limited.stdout);
  assert.ok(deletedJobs > 10 && deletedJobs < 30, limited.stdout);
  assert.equal((await place.run("verify")).code, 0);

  const pruning = place.sandbox.start([
    "server",
    "--listen=127.0.0.1:0",
    `--data=${place.data}`,
    "--retain-jobs=30d",
  ]);
  const [, left] = await pruning.waitFor(/Old jobs deleted jobs=(\d+)/);
  assert.equal(Number(left) + deletedJobs, 30);
  await pruning.kill("SIGTERM");
  assert.ok(Deno.statSync(place.data).size <= before);
  const after = await place.run("verify", "--json");
  assert.deepEqual([JSON.parse(after.stdout).ok, JSON.parse(after.stdout).jobs], [true, 0]);
});
