/**
 * What the disk in memory says of power cuts, kills, faults and full disks; what it has in common with real
 * ones is tested in `src/platform/files_contract_test.ts`.
 */
import assert from "node:assert/strict";
import { FileLockedError } from "../../src/platform/file_lock.ts";
import { type LockedFile, writeAll } from "../../src/platform/files.ts";
import { NotFound } from "../../src/platform/system_errors.ts";
import { inputOutputError } from "./disk_errors.ts";
import { Crash, FailingFiles } from "./failing_files.ts";
import { ManualClock } from "./manual_clock.ts";
import { MemoryFiles } from "./memory_files.ts";

const NOTHING = () => false;
const EVERYTHING = () => true;

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (files: MemoryFiles, path: string) => new TextDecoder().decode(files.content(path));

async function withFile(files: MemoryFiles, content = ""): Promise<LockedFile> {
  files.putDirectory("/d");
  const file = await files.create("/d/a");
  await writeAll(file, bytes(content));
  await file.sync();
  await files.syncDirectory("/d");
  return file;
}

Deno.test("a power cut leaves what was synced, and of the rest any pages and cuts", async () => {
  const files = new MemoryFiles();
  const file = await withFile(files, "synced");
  await writeAll(file, new Uint8Array(10_000).fill(7));
  assert.equal(text(files.crash(NOTHING), "/d/a"), "synced");
  assert.equal(files.crash(EVERYTHING).content("/d/a").length, 10_006);
  // The second of its three pages alone: what is before it is a hole.
  let piece = 0;
  const found = files.crash(() => piece++ === 1).content("/d/a");
  assert.deepEqual([found.length, found[5], found[6], found[4096]], [8192, "d".charCodeAt(0), 0, 7]);
  await file.syncData();
  assert.equal(files.crash(NOTHING).content("/d/a").length, 10_006);
  await file.truncate(3);
  assert.equal(files.crash(NOTHING).content("/d/a").length, 10_006);
  assert.equal(text(files.crash(EVERYTHING), "/d/a"), "syn");
});

Deno.test("a power cut leaves of names those that their directory was synced for", async () => {
  const files = new MemoryFiles();
  const file = await withFile(files, "a");
  await files.link("/d/a", "/d/b");
  await files.remove("/d/a");
  assert.deepEqual(files.crash(NOTHING).paths(), ["/d/a"]);
  let change = 0;
  assert.deepEqual(files.crash(() => change++ === 0).paths(), ["/d/a", "/d/b"]);
  change = 0;
  assert.deepEqual(files.crash(() => change++ === 1).paths(), []);
  await files.syncDirectory("/d");
  assert.deepEqual(files.crash(NOTHING).paths(), ["/d/b"]);
  // A directory that is not there after the cut takes along what is in it.
  await files.makeDirectory("/e");
  await files.rename("/e", "/f");
  (await files.create("/f/c")).close();
  await files.syncDirectory("/f");
  assert.deepEqual(files.crash(NOTHING).paths(), ["/d/b", "/e/c"]);
  assert.deepEqual(files.crash(EVERYTHING).paths(), ["/d/b", "/f/c"]);
  file.close();
});

Deno.test("no power cut takes a file that was renamed, whichever of its directories was synced", async () => {
  for (const synced of [[], ["/old"], ["/new"], ["/old", "/new"], ["/new", "/old"]]) {
    const files = new MemoryFiles();
    files.put("/old/a", "a");
    files.putDirectory("/new");
    await files.rename("/old/a", "/new/b");
    for (const path of synced) await files.syncDirectory(path);
    const isNewSafe = synced.includes("/new");
    const isOldGone = isNewSafe && synced.at(-1) === "/old";
    const expected = [...(isNewSafe ? ["/new/b"] : []), ...(isOldGone ? [] : ["/old/a"])];
    assert.deepEqual(files.crash(NOTHING).paths(), expected, String(synced));
    assert.deepEqual(files.crash(EVERYTHING).paths(), ["/new/b"]);
  }
});

Deno.test("a removal that survives alone does not take what has the name without the changes before it", async () => {
  const files = new MemoryFiles();
  files.put("/d/a", "first");
  files.put("/d/b", "second");
  await files.rename("/d/b", "/d/a");
  await files.remove("/d/a");
  let change = 0;
  const found = files.crash(() => change++ === 1);
  assert.deepEqual([found.paths(), text(found, "/d/a")], [["/d/a", "/d/b"], "first"]);
});

Deno.test("what a failed sync was to save is never safe again, and what is written after it can be", async () => {
  const files = new MemoryFiles();
  const file = await withFile(files, "a");
  await writeAll(file, bytes("b"));
  files.faults.sync = () => {
    throw inputOutputError();
  };
  await assert.rejects(file.syncData(), /os error 5/);
  files.faults = {};
  await file.syncData();
  assert.equal(text(files, "/d/a"), "ab");
  assert.equal(text(files.crash(NOTHING), "/d/a"), "a");
  await file.truncate(0);
  await writeAll(file, bytes("c"));
  await file.syncData();
  assert.equal(text(files.crash(NOTHING), "/d/a"), "c");
  assert.equal(text(files.crash(EVERYTHING), "/d/a"), "c", "the abandoned write came first");
});

Deno.test("times and permissions survive a power cut when a sync of the file came after them", async () => {
  const files = new MemoryFiles({ clock: new ManualClock(1000) });
  const file = await withFile(files, "a");
  await files.setModified("/d/a", new Date(5));
  await files.setPermissions("/d/a", 0o640);
  const found = async () => {
    const { mtime, mode } = await files.crash(NOTHING).stat("/d/a");
    return [mtime?.getTime(), mode! & 0o777];
  };
  await file.syncData();
  assert.deepEqual(await found(), [1000, 0o600]);
  await file.sync();
  assert.deepEqual(await found(), [5, 0o640]);
  await writeAll(file, bytes("b"));
  assert.equal((await files.stat("/d/a")).mtime?.getTime(), 1000);
});

Deno.test("after a kill everything is there, no lock is, and what was not synced still is not", async () => {
  const files = new MemoryFiles();
  const file = await withFile(files, "a");
  await files.link("/d/a", "/d/b");
  await writeAll(file, bytes("b"));
  const name = files.uniqueName();
  const next = files.restart();
  const again = await next.open("/d/b");
  await writeAll(again, bytes("c"));
  assert.equal(text(next, "/d/a"), "abc");
  assert.equal(text(files, "/d/a"), "ab", "the dead process has its own disk");
  assert.deepEqual(next.crash(NOTHING).paths(), ["/d/a"]);
  assert.equal(text(next.crash(NOTHING), "/d/a"), "a");
  await again.sync();
  assert.equal(text(next.crash(NOTHING), "/d/a"), "abc");
  assert.equal(text(files.crash(NOTHING), "/d/a"), "a");
  assert.notEqual(next.uniqueName(), name);
});

Deno.test("a full disk takes a part and then nothing, until something is removed", async () => {
  const files = new MemoryFiles({ totalBytes: 10 });
  files.put("/d/other", "12345");
  const file = await withFile(files);
  assert.equal(await file.write(bytes("abcdefgh")), 5);
  await assert.rejects(file.write(bytes("f")), /os error 28/);
  assert.equal((await files.space("/d")).freeBytes, 0);
  await files.remove("/d/other");
  assert.equal(await file.write(bytes("f")), 1);
  assert.equal((await files.space("/d")).freeBytes, 4);
});

Deno.test("every kind of call can be made to fail, and then it does nothing", async () => {
  const files = new MemoryFiles();
  files.put("/d/a", "a");
  const open = await files.open("/d/a");
  const reader = await files.openForReading("/d/a");
  const calls: Record<string, () => unknown> = {
    create: () => files.create("/d/b"),
    open: () => files.openForReading("/d/a"),
    read: () => reader.read(new Uint8Array(1)),
    write: () => open.write(bytes("b")),
    truncate: () => open.truncate(0),
    sync: () => files.syncDirectory("/d"),
    link: () => files.link("/d/a", "/d/b"),
    symlink: () => files.symlink("a", "/d/b"),
    rename: () => files.rename("/d/a", "/d/b"),
    remove: () => files.remove("/d/a"),
    makeDirectory: () => files.makeDirectory("/e"),
    setModified: () => files.setModified("/d/a", new Date(1)),
    setPermissions: () => files.setPermissions("/d/a", 0),
    list: () => files.list("/d"),
    stat: () => files.lstat("/d/a"),
    realPath: () => files.realPath("/d"),
    readLink: () => files.readLink("/d/a"),
    space: () => files.space("/d"),
  };
  const before = await files.stat("/d/a");
  for (const [operation, call] of Object.entries(calls)) {
    files.faults = {
      [operation]: () => {
        throw inputOutputError();
      },
    };
    await assert.rejects(async () => await call(), /os error 5/, operation);
    files.faults = {};
  }
  assert.deepEqual([files.paths(), text(files, "/d/a"), files.calls], [["/d/a"], "a", []]);
  assert.deepEqual(await files.stat("/d/a"), before);
});

Deno.test("two changes of one open file at the same time are a mistake, and told", async () => {
  const file = await withFile(new MemoryFiles());
  const first = file.write(bytes("a"));
  await assert.rejects(file.syncData(), /at the same time/);
  assert.equal(await first, 1);
});

Deno.test("files die at the chosen operation, over any disk, and let go of their locks", async () => {
  const disk = new MemoryFiles();
  disk.put("/d/a", "a");
  const files = new FailingFiles(disk, { crashAt: 3 });
  const file = await files.open("/d/a");
  assert.equal(await file.size(), 1);
  await files.rename("/d/a", "/d/b");
  await assert.rejects(files.remove("/d/b"), Crash);
  await assert.rejects(file.write(bytes("b")), Crash);
  assert.throws(() => files.lstatNow("/d/b"), Crash);
  assert.deepEqual(files.trace, ["open a", "rename a b"]);
  await assert.rejects(disk.open("/d/b"), FileLockedError);
  file.close();
  (await disk.open("/d/b")).close();
  await assert.rejects(disk.open("/d/a"), NotFound);
});
