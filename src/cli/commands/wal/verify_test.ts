import "../../../../tests/support/loaded_zstd.ts";
import assert from "node:assert/strict";
import { FileLock } from "../../../platform/file_lock.ts";
import { assertScreen, LogBuilder, TestData } from "../../../../tests/support/data_directory.ts";

const log = (job: string) => new LogBuilder(job).start().output("one\n").output("two\n");

Deno.test("a reserved word that is not 0 is noticed, and is no damage", async () => {
  const bytes = new LogBuilder("job").start().output("a\n").bytes();
  bytes[13] = 2;
  using data = new TestData({
    "wal/job.wal": bytes,
    "wal/plain.wal": new LogBuilder("plain").start().bytes(),
  });
  const screen = await data.run(["wal", "verify", data.path("wal/job.wal"), data.path("wal/plain.wal")]);
  assert.equal(screen.exitCode, 0);
  assert.equal(screen.stdout.match(/note: the reserved word of its header is 0x00000200, not 0/g)?.length, 1);
  const json = await data.run(["wal", "verify", "--json", data.path("wal/job.wal")]);
  assert.equal(JSON.parse(json.stdout).ok, true);
  assert.match(json.stderr, /0x00000200/);
});

Deno.test("--all checks every log, quarantined file and archive, and sums up", async () => {
  using data = new TestData({
    "wal/a-whole.wal": log("a-whole").bytes(),
    "wal/b-torn.wal": log("b-torn").torn(),
    "wal/c-aside.wal.corrupt-2": log("c-aside").flipped(2),
    "wal/d-archived.wal": log("d-archived").acknowledge().bytes(),
    "wal/.hidden.tmp": new Uint8Array(3),
  });
  await data.archive("wal/d-archived.wal");
  const { stdout, exitCode, stderr } = await data.run(["wal", "verify", "--all"]);
  assert.deepEqual([exitCode, stderr], [3, ""]);
  assertScreen("verify_all.txt", stdout);
  const json = await data.run(["wal", "verify", "--all", "--json"]);
  const lines = json.stdout.trimEnd().split("\n").map((line) => JSON.parse(line));
  assert.deepEqual(lines.map(({ path, ok, problem }) => [path.split("/").at(-1), ok, problem]), [
    ["a-whole.wal", true, null],
    ["b-torn.wal", false, "torn_record"],
    ["c-aside.wal.corrupt-2", false, "crc_mismatch"],
    ["d-archived.wal.zst", true, null],
  ]);
});

Deno.test("nothing to complain about ends with 0, also when there is nothing or a worker owns the log", async () => {
  using data = new TestData();
  const none = await data.run(["wal", "verify", "--all"]);
  assert.deepEqual([none.exitCode, none.stdout], [0, "0 files: 0 whole, 0 damaged\n"]);
  data.write("wal/a.wal", log("a").bytes());
  const lock = FileLock.acquire(data.path("wal/a.wal"), { create: false });
  const { exitCode, stdout } = await data.run(["wal", "verify", "--all"]);
  lock.release();
  assert.equal(exitCode, 0);
  assert.equal(
    stdout,
    `/data/wal/a.wal: whole: 4 records, every checksum right, process ${Deno.pid} is writing to it\n` +
      "1 file: 1 whole, 0 damaged\n",
  );
});

Deno.test("files and --all exclude each other, and one of them is needed", async () => {
  using data = new TestData();
  for (const args of [[], ["a.wal", "--all"]]) {
    const { exitCode, stderr } = await data.run(["wal", "verify", ...args]);
    assert.equal(exitCode, 2);
    assert.match(stderr, /^Cannot verify: name the files, or give --all/);
  }
});

Deno.test("verify never writes", async () => {
  using data = new TestData({ "wal/a.wal": log("a").torn() });
  const before = Deno.statSync(data.path("wal/a.wal"));
  await data.run(["wal", "verify", "--all"]);
  assert.deepEqual([...Deno.readDirSync(data.directory)].map(({ name }) => name).sort(), ["archive", "wal"]);
  assert.deepEqual([...Deno.readDirSync(data.path("wal"))].map(({ name }) => name), ["a.wal"]);
  const { size, mtime } = Deno.statSync(data.path("wal/a.wal"));
  assert.deepEqual([size, mtime], [before.size, before.mtime]);
});
