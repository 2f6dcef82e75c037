/**
 * `airunner wal migrate` on the compiled binary, to another file system, killed at random moments.
 */
import assert from "node:assert/strict";
import { Sandbox } from "./support/airunner.ts";
import { SmallDisk } from "./support/small_disk.ts";
import { assertDelivered, leaveUnsentJob, type UnsentJob } from "./support/unsent_job.ts";

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

function sameBytes(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, i) => byte === other[i]);
}

/** Whether one of the files is there with these bytes. */
function isSomewhere(paths: readonly string[], bytes: Uint8Array): boolean {
  return paths.some((path) => {
    try {
      return sameBytes(Deno.readFileSync(path), bytes);
    } catch {
      // Not there; another one may be.
      return false;
    }
  });
}

Deno.test("logs are moved to another disk, killed again and again on the way, and every byte is there at every moment", async () => {
  await using sandbox = new Sandbox();
  await using disk = await SmallDisk.mount("200m");
  const { url } = await sandbox.startServer();
  const jobs: UnsentJob[] = [];
  const before = new Map<string, Uint8Array>();
  for (let n = 0; n < 6; n++) {
    jobs.push(await leaveUnsentJob(sandbox, url, { outputs: 40, outputBytes: 100_000 }));
  }
  for (const { path } of jobs) before.set(path, Deno.readFileSync(path));
  const to = `${disk.path}/airunner`;
  const places = (path: string) => {
    const name = path.split("/").at(-1);
    return [path, `${sandbox.dataDir}/wal.migrated/${name}`, `${to}/wal/${name}`];
  };
  let kills = 0;
  for (let delayMs = 40; kills < 12; kills++, delayMs += 15) {
    const migration = sandbox.start(["wal", "migrate", `--to=${to}`, "--symlink"]);
    // A random moment of a run is what is wanted here, so this is no waiting for anything.
    await new Promise((resolve) => setTimeout(resolve, delayMs * (0.5 + Math.random())));
    const { code } = await migration.kill("SIGKILL");
    for (const [path, bytes] of before) {
      assert.ok(isSomewhere(places(path), bytes), `${path} is nowhere whole`);
    }
    if (code === 0) break;
  }
  const { code, stderr } = await sandbox.run(["wal", "migrate", `--to=${to}`, "--symlink"]);
  assert.equal(code, 0, stderr);
  for (const [path, bytes] of before) {
    const name = path.split("/").at(-1);
    assert.ok(sameBytes(Deno.readFileSync(`${to}/wal/${name}`), bytes));
    assert.ok(sameBytes(Deno.readFileSync(path), bytes));
  }
  assert.equal(Deno.readLinkSync(`${sandbox.dataDir}/wal`), `${to}/wal`);
  assert.deepEqual(
    [...Deno.readDirSync(sandbox.dataDir)].map(({ name }) => name).filter((name) =>
      /migrated|link/.test(name)
    ),
    [],
  );
  assert.deepEqual(
    [...Deno.readDirSync(to)].map(({ name }) => name).filter((name) => name.startsWith(".")),
    [],
  );

  assert.equal((await sandbox.run(["wal", "replay", "--all"])).code, 0);
  for (const job of jobs) await assertDelivered(sandbox, url, job);
});

Deno.test("migrate refuses while a worker runs, busy or idle, and when there is no room, and changes nothing", async () => {
  await using sandbox = new Sandbox();
  await using disk = await SmallDisk.mount("1m");
  const { url } = await sandbox.startServer();
  const go = `${sandbox.directory}/go`;
  const worker = sandbox.start(["worker", `--server=${url}`, "--log-level=debug"]);
  await worker.waitFor(/Worker started/);
  const idle = await sandbox.run(["wal", "migrate", `--to=${disk.path}/new`, "--symlink"]);
  assert.equal(idle.code, 1);
  assert.match(
    idle.stderr,
    new RegExp(`nothing was changed[^]*a worker uses .*lets its jobs end: kill ${worker.pid}`),
  );
  const script = `echo begun; while [ ! -e ${go} ]; do sleep 0.05; done`;
  await sandbox.run(["submit", `--server=${url}`, "--", "sh", "-c", script]);
  await worker.waitFor(/Successfully sent records/);
  // By another name it is the same directory.
  const linked = `${sandbox.directory}/linked`;
  Deno.symlinkSync(`${sandbox.dataDir}/wal`, linked);
  const busy = await sandbox.run(["wal", "migrate", `--to=${disk.path}/new`, `--wal-dir=${linked}`]);
  assert.equal(busy.code, 1);
  assert.match(busy.stderr, new RegExp(`kill ${worker.pid}\\n {2}process ${worker.pid} is writing`));
  Deno.writeTextFileSync(go, "");
  await worker.waitFor(/Job completed/);
  await worker.kill("SIGTERM");

  const job = await leaveUnsentJob(sandbox, url, { outputs: 20, outputBytes: 100_000 });
  const before = Deno.readFileSync(job.path);
  const small = await sandbox.run(["wal", "migrate", `--to=${disk.path}/new`, "--symlink"]);
  assert.equal(small.code, 1);
  assert.match(small.stderr, /2\.0 MB are needed and .* are free/);
  assert.ok(sameBytes(Deno.readFileSync(job.path), before));
  const dry = await sandbox.run(["wal", "migrate", `--to=${sandbox.directory}/new`, "--dry-run", "--json"]);
  const [wal] = JSON.parse(text(dry.stdout)).directories;
  assert.deepEqual([dry.code, wal.state, wal.files], [0, "old", 1]);
  assert.throws(() => Deno.statSync(`${sandbox.directory}/new`), Deno.errors.NotFound);
});

Deno.test("migrate without links says which settings to change, and removes the originals once they are", async () => {
  await using sandbox = new Sandbox();
  const { url } = await sandbox.startServer();
  const job = await leaveUnsentJob(sandbox, url);
  const to = `${sandbox.directory}/new`;
  const first = await sandbox.run(["wal", "migrate", `--to=${to}`]);
  assert.equal(first.code, 0, first.stderr);
  assert.match(text(first.stdout), /WALDir: [^]*--wal-dir=/);
  assert.ok(Deno.statSync(job.path).isFile);
  const flags = [`--wal-dir=${to}/wal`, `--archive-dir=${to}/archive`];
  const second = await sandbox.run(["wal", "migrate", `--to=${to}`, ...flags]);
  assert.equal(second.code, 0, second.stderr);
  assert.throws(() => Deno.statSync(job.path), Deno.errors.NotFound);
  assert.equal((await sandbox.run(["wal", "replay", "--all", ...flags])).code, 0);
  await assertDelivered(sandbox, url, job);
});
