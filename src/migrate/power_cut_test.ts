/**
 * A migration, ended at each of its operations on a disk in memory: whatever a kill or a power cut leaves,
 * every file is whole at its old place or at the new one, and the next run goes on to the end.
 */
import assert from "node:assert/strict";
import { assertSameBytes, noise } from "../../tests/support/archive_logs.ts";
import { crashEverywhere } from "../../tests/support/crash_everywhere.ts";
import { inputOutputError, noSpaceError } from "../../tests/support/disk_errors.ts";
import { MemoryFiles } from "../../tests/support/memory_files.ts";
import type { Files } from "../platform/files.ts";
import { migrate } from "./migrate.ts";

const OLD = { wal: "/old/wal", archive: "/old/archive" };
const NEW = { wal: "/new/wal", archive: "/new/archive" };
const ARCHIVED_AT_MS = 5_000_000;

/** Each by directory and name; one is longer than a page. */
const CONTENT = {
  "wal/a.wal": noise(9000, 1),
  "wal/b.wal.corrupt": noise(50, 2),
  "archive/c.wal.zst": noise(300, 3),
};

function makeDisk(): MemoryFiles {
  const disk = new MemoryFiles();
  for (const [name, bytes] of Object.entries(CONTENT)) {
    disk.put(`/old/${name}`, bytes, name.startsWith("archive") ? { mtimeMs: ARCHIVED_AT_MS } : {});
  }
  return disk;
}

function run(files: Files, symlink: boolean, sources = OLD) {
  return migrate({ files, sources, to: "/new", symlink, signal: new AbortController().signal });
}

function assertNothingLost(found: MemoryFiles, how: string): void {
  const paths = found.paths();
  for (const [name, bytes] of Object.entries(CONTENT)) {
    const [directory, file] = name.split("/");
    const places = ["/old", "/new"].flatMap((
      disk,
    ) => [`${disk}/${directory}`, `${disk}/${directory}.migrated`]);
    const isWhole = (path: string) => paths.includes(path) && isSame(found.content(path), bytes);
    assert.ok(places.some((place) => isWhole(`${place}/${file}`)), `${how}: ${name} is nowhere whole`);
  }
}

function isSame(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, i) => byte === other[i]);
}

async function assertAllAt(found: MemoryFiles, place: string, how: string): Promise<void> {
  for (const [name, bytes] of Object.entries(CONTENT)) {
    assertSameBytes(found.content(`${place}/${name}`), bytes, `${how}: ${name}`);
  }
  const { mtime } = await found.stat(`${place}/archive/c.wal.zst`);
  assert.equal(mtime?.getTime(), ARCHIVED_AT_MS, `${how}: the age of an archive`);
}

Deno.test("wherever a migration with links ends, every file is whole somewhere, and the next run finishes", async () => {
  const operations = await crashEverywhere(
    makeDisk,
    (files) => run(files, true),
    async (found, how) => {
      assertNothingLost(found, how);
      await run(found, true);
      await assertAllAt(found, "/old", how);
      await assertAllAt(found, "/new", how);
      const expected = [...Object.keys(CONTENT).map((name) => `/new/${name}`), "/old/archive", "/old/wal"];
      assert.deepEqual(found.paths(), expected.sort(), how);
      assert.deepEqual((await found.list("/old")).length, 2, how);
    },
  );
  assert.ok(operations > 60, `${operations} operations`);
});

Deno.test("wherever a migration by settings ends, every file is whole somewhere, and the next run finishes", async () => {
  const finish = async (found: MemoryFiles, how: string) => {
    await run(found, false);
    await run(found, false, NEW);
    await assertAllAt(found, "/new", how);
    assert.deepEqual(found.paths(), Object.keys(CONTENT).map((name) => `/new/${name}`).sort(), how);
    assert.deepEqual(await found.list("/old"), [], how);
  };
  await crashEverywhere(makeDisk, (files) => run(files, false), async (found, how) => {
    assertNothingLost(found, how);
    await finish(found, how);
  });
  const copied = makeDisk();
  await run(copied, false);
  // The settings name the new place by now.
  await crashEverywhere(() => copied.restart(), (files) => run(files, false, NEW), async (found, how) => {
    assertNothingLost(found, how);
    await run(found, false, NEW);
    await assertAllAt(found, "/new", how);
    assert.deepEqual(await found.list("/old"), [], how);
  });
});

Deno.test("wherever the new disk is full or fails, nothing is lost, and the next run finishes", async () => {
  for (let failAt = 0;; failAt++) {
    const disk = makeDisk();
    let calls = 0;
    const fail = (path: string) => {
      if (path.startsWith("/new") && calls++ === failAt) {
        throw failAt % 2 ? noSpaceError() : inputOutputError();
      }
    };
    disk.faults = {
      write: (path, bytes) => (fail(path), Math.min(bytes, 4000)),
      create: fail,
      open: fail,
      read: fail,
      sync: fail,
      rename: fail,
      makeDirectory: fail,
      setModified: fail,
      list: fail,
      stat: fail,
      space: fail,
    };
    const error = await run(disk, true).then(() => undefined, (error) => error);
    disk.faults = {};
    assertNothingLost(disk, `call ${failAt} failed`);
    await run(disk, true);
    await assertAllAt(disk, "/new", `call ${failAt} failed`);
    if (error === undefined) {
      assert.ok(failAt > 30, `${failAt} calls`);
      return;
    }
    assert.match(error.message, /os error (5|28)/);
  }
});
