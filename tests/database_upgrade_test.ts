/**
 * A database of an earlier version is brought up to date by the next server, whatever happens meanwhile.
 */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { silentLogger } from "../src/platform/logging/logger.ts";
import { systemHost } from "../src/platform/system_host.ts";
import { MIGRATIONS } from "../src/server/store/sqlite/schema.ts";
import { openSqliteStore } from "../src/server/store/sqlite/open_store.ts";
import { verifyFile } from "../src/server/store/sqlite/upkeep/verify_file.ts";
import { Sandbox } from "./support/airunner.ts";
import { connect } from "./support/server_client.ts";
import { SmallDisk } from "./support/small_disk.ts";

const FIXTURE = new URL("testdata/server_v1.db", import.meta.url);
const CHILD = new URL("support/upgrade_child.ts", import.meta.url).pathname;
const names = (directory: string) => [...Deno.readDirSync(directory)].map(({ name }) => name).sort();

/** The version of the schema, and how much is in it. */
function contentOf(path: string): { version: number; jobs: number; events: number } {
  const database = new DatabaseSync(path, { readOnly: true });
  const one = (sql: string) => Number(Object.values(database.prepare(sql).get()!)[0]);
  const content = {
    version: one("PRAGMA user_version"),
    jobs: one("SELECT count(*) FROM jobs"),
    events: one("SELECT count(*) FROM events"),
  };
  database.close();
  return content;
}

Deno.test("an upgrade that is killed at any step leaves a whole database, and the next start goes on", async () => {
  const directory = Deno.makeTempDirSync({ prefix: "airunner-upgrade-" });
  const seen = new Set<string>();
  try {
    let isKilled = true;
    for (let step = 1; isKilled; step++) {
      const home = `${directory}/${step}`;
      Deno.mkdirSync(home);
      const path = `${home}/server.db`;
      Deno.copyFileSync(FIXTURE, path);
      const { signal, code, stderr } = await new Deno.Command(Deno.execPath(), {
        args: ["run", "--quiet", "-A", CHILD, path, String(step)],
      }).output();
      isKilled = signal === "SIGKILL";
      if (!isKilled) assert.equal(code, 0, new TextDecoder().decode(stderr));
      const { version, ...rest } = contentOf(path);
      assert.deepEqual(rest, { jobs: 5, events: 16 }, `step ${step}`);
      seen.add(
        `${version} ${names(home).some((name) => name.endsWith(".v1.bak")) ? "with" : "without"} the old one`,
      );

      const store = await openSqliteStore(path, { host: systemHost, logger: silentLogger });
      await store.close();
      assert.deepEqual(contentOf(path), { version: MIGRATIONS.length, jobs: 5, events: 16 }, `step ${step}`);
      assert.deepEqual(names(home).filter((name) => !/-(shm|wal)$/.test(name)), [
        "server.db",
        "server.db.v1.bak",
      ]);
      assert.deepEqual(Deno.readFileSync(`${path}.v1.bak`), Deno.readFileSync(FIXTURE), `step ${step}`);
      const { problems, gaps } = await verifyFile(path, { host: systemHost });
      assert.deepEqual([problems, gaps], [[], []]);
      assert.equal(Deno.statSync(path).mode! & 0o777, 0o600);
    }
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
  // Every state that there is between the steps was met.
  assert.deepEqual([...seen].sort(), ["1 with the old one", "1 without the old one", "2 with the old one"]);
});

Deno.test("a server brings the database up to date before it listens, says so, and goes on with the jobs", async () => {
  await using sandbox = new Sandbox();
  const path = `${sandbox.directory}/server.db`;
  Deno.copyFileSync(FIXTURE, path);
  const { program, url } = await sandbox.startServer();
  await program.waitFor(/The database is up to date; the old one was kept .*server\.db\.v1\.bak/);
  await using client = connect(url);
  assert.equal((await client.jobs.listJobs({ pageSize: 100 })).jobs.length, 5);
  await program.kill("SIGTERM");
  const second = await sandbox.startServer();
  assert.doesNotMatch(second.program.stderr, /up to date/);
  assert.deepEqual(names(sandbox.directory).filter((name) => name.endsWith(".bak")), ["server.db.v1.bak"]);
});

Deno.test("a database that there is no room to copy is left as it was, and the server does not start", async () => {
  await using disk = await SmallDisk.mount("1m");
  await using sandbox = new Sandbox();
  const path = `${disk.path}/server.db`;
  Deno.copyFileSync(FIXTURE, path);
  disk.fill(100_000);
  const { code, stderr } = await sandbox.run(["server", "--listen=127.0.0.1:0", `--data=${path}`]);
  assert.equal(code, 1);
  assert.match(
    stderr,
    /Cannot bring .* up to date: a copy of it takes up to .*, and there are .* free\. Nothing was changed/,
  );
  assert.deepEqual(Deno.readFileSync(path), Deno.readFileSync(FIXTURE));
  disk.clear();
  const program = sandbox.start(["server", "--listen=127.0.0.1:0", `--data=${path}`]);
  await program.waitFor(/Listening on/);
});
