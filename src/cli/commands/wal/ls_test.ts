import "../../../../tests/support/loaded_zstd.ts";
import assert from "node:assert/strict";
import { FileLock } from "../../../platform/file_lock.ts";
import { assertScreen, LogBuilder, TestData } from "../../../../tests/support/data_directory.ts";

/** One of each kind: written, left, ended and sent, refused, damaged, set aside, archived. */
async function everyKind(): Promise<TestData> {
  const long = (job: string) => new LogBuilder(job).start().output("one\n").output("two\n");
  const data = new TestData({
    "wal/job-active.wal": long("job-active").bytes(),
    "wal/job-orphaned.wal": long("job-orphaned").acknowledge(1n).output("three\n").torn(),
    "wal/job-sent.wal": long("job-sent").end(3).acknowledge().bytes(),
    "wal/job-refused.wal": long("job-refused").fail(2n).bytes(),
    "wal/job-damaged.wal": long("job-damaged").flipped(2),
    "wal/job-aside.wal.corrupt": long("job-aside").flipped(2),
    "wal/job-archived.2.wal": new LogBuilder("job-archived", 2).bytes(),
    "wal/.hidden.wal.tmp-1": new Uint8Array(3),
    "wal/job-orphaned.wal.cut-99": new Uint8Array(3),
  });
  data.write("wal/job-archived.wal", long("job-archived").end().acknowledge().bytes());
  await data.archive("wal/job-archived.wal");
  return data;
}

Deno.test("each log is listed with its state and what the server lacks, the most urgent first", async () => {
  using data = await everyKind();
  const lock = FileLock.acquire(data.path("wal/job-active.wal"), { create: false });
  try {
    const { stdout, exitCode, stderr } = await data.run(["wal", "ls"]);
    assert.deepEqual([exitCode, stderr], [0, ""]);
    assertScreen("ls.txt", stdout.replaceAll(`process ${Deno.pid}`, "process 2261"));
  } finally {
    lock.release();
  }
});

Deno.test("the JSON form is one document with everything that the screen shows", async () => {
  using data = await everyKind();
  const lock = FileLock.acquire(data.path("wal/job-active.wal"), { create: false });
  const { stdout } = await data.run(["wal", "ls", "--json", "--sort=job"]);
  lock.release();
  const document = JSON.parse(stdout);
  assert.equal(document.schema_version, 1);
  const brief = document.logs.map((
    log: Record<string, unknown>,
  ) => [log.job_id, log.state, log.pending, log.failed]);
  assert.deepEqual(brief, [
    ["job-active", "active", 3, 0],
    ["job-archived", "archived", 0, 0],
    ["job-archived", "orphaned", 0, 0],
    ["job-aside", "corrupt", 1, 0],
    ["job-damaged", "corrupt", 1, 0],
    ["job-orphaned", "orphaned", 2, 0],
    ["job-refused", "orphaned", 2, 1],
    ["job-sent", "orphaned", 0, 0],
  ]);
  const active = document.logs[0];
  assert.deepEqual([active.pid, active.path, active.events], [Deno.pid, "/data/wal/job-active.wal", 3]);
  const damaged = document.logs[4];
  assert.deepEqual([damaged.problem, damaged.torn_tail], ["crc_mismatch", false]);
  assert.deepEqual([document.logs[5].problem, document.logs[5].torn_tail], ["torn_record", true]);
  assert.equal(document.logs[7].exit_code, 3);
  const { logs, active: actives, orphaned, corrupt, archived, pending, failed } = document.totals;
  assert.deepEqual([logs, actives, orphaned, corrupt, archived, pending, failed], [8, 1, 4, 2, 1, 9, 1]);
});

Deno.test("filters, sorting and limit choose what is listed, and the totals are theirs", async () => {
  using data = await everyKind();
  const jobs = async (...args: string[]) => {
    const { stdout, stderr } = await data.run(["wal", "ls", "--json", ...args]);
    assert.equal(stderr, "");
    return JSON.parse(stdout).logs.map(({ job_id }: { job_id: string }) => job_id.replace("job-", "")).join(
      " ",
    );
  };
  assert.equal(await jobs("--state=corrupt,archived", "--sort=job"), "archived aside damaged");
  assert.equal(await jobs("--failed"), "refused");
  assert.equal(await jobs("--pending", "--state=Orphaned", "--sort=job"), "active orphaned refused");
  assert.equal(await jobs("--job=job-ar"), "archived archived");
  assert.equal(await jobs("--sort=pending", "--limit=1"), "active");
  const { stdout } = await data.run(["wal", "ls", "--limit=2", "--state=orphaned"]);
  assert.match(stdout, /and 3 more logs: --limit=0 shows all\n/);
  assert.match(stdout, /\n5 logs: 5 orphaned;/);
});

Deno.test("what is not understood is told with what would be", async () => {
  using data = new TestData();
  const { stderr, exitCode } = await data.run(["wal", "ls", "--state=orphan"]);
  assert.equal(exitCode, 2);
  assert.match(stderr, /^Cannot read --state: "orphan" is none; did you mean orphaned\?\n/);
  const none = await data.run(["wal", "ls"]);
  assert.equal(none.stdout, "No logs: looked in /data/wal and /data/archive\n");
  assert.equal(none.exitCode, 0);
});

Deno.test("a second listing reads no log again, and one that has grown is read again", async () => {
  using data = new TestData({ "wal/a.wal": new LogBuilder("a").start().bytes() });
  const pending = async () => JSON.parse((await data.run(["wal", "ls", "--json"])).stdout).logs[0].pending;
  assert.equal(await pending(), 1);
  const cachePath = data.path("cache/ls.json");
  const cache = JSON.parse(Deno.readTextFileSync(cachePath));
  assert.equal(Deno.statSync(cachePath).mode! & 0o777, 0o600);
  for (const entry of Object.values(cache.files) as { facts: { pending: number } }[]) {
    entry.facts.pending = 77;
  }
  Deno.writeTextFileSync(cachePath, JSON.stringify(cache));
  assert.equal(await pending(), 77, "the cache was asked");
  data.write("wal/a.wal", new LogBuilder("a").start().output("x").bytes());
  assert.equal(await pending(), 2);
});

Deno.test("a cache that is damaged or cannot be written is as good as none", async () => {
  using data = new TestData({ "wal/a.wal": new LogBuilder("a").start().bytes() });
  Deno.mkdirSync(data.path("cache"));
  for (
    const text of [
      "",
      "{",
      "null",
      '{"version":"0.1.0","files":{"1:2":7}}',
      '{"version":"0.1.0","files":[1]}',
    ]
  ) {
    Deno.writeTextFileSync(data.path("cache/ls.json"), text);
    const { stdout, stderr } = await data.run(["wal", "ls"]);
    assert.match(stdout, /a +orphaned +1 +1/);
    assert.equal(stderr, "");
  }
  Deno.removeSync(data.path("cache"), { recursive: true });
  // A file where the directory should be: no write can succeed, whoever runs it.
  Deno.writeTextFileSync(data.path("cache"), "");
  const { stdout, stderr, exitCode } = await data.run(["wal", "ls"]);
  assert.match(stdout, /a +orphaned/);
  assert.deepEqual([stderr, exitCode], ["", 0]);
});

Deno.test("a terminal shows fifty logs, colours those that need somebody, and escapes what names hold", async () => {
  using data = new TestData();
  for (let at = 0; at < 60; at++) {
    data.write(`wal/job-${at}.wal`, new LogBuilder(`job-${at}`).start().bytes());
  }
  data.write("wal/evil\u001b[2J.wal", new LogBuilder("evil\u001b[2J").start().bytes());
  const { stdout } = await data.run(["wal", "ls"], { isTerminal: true });
  assert.match(stdout, /and 11 more logs: --limit=0 shows all/);
  assert.ok(stdout.includes("\u001b[33m"));
  const all = await data.run(["wal", "ls", "--limit=0"], { isTerminal: true, env: { NO_COLOR: "1" } });
  assert.ok(all.stdout.includes("evil\\u001b[2J"));
  assert.ok(!all.stdout.includes("\u001b"));
});
