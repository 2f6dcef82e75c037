import assert from "node:assert/strict";
import { FileLock, FileLockedError, readLockTable } from "./file_lock.ts";
import { parseLockTable } from "./lock_table.ts";

Deno.test("the kernel's table has a lock for as long as it is held", () => {
  const path = Deno.makeTempFileSync();
  const lock = FileLock.acquire(path, { create: false });
  const isLocked = () => parseLockTable(readLockTable()!, () => true).isLocked(lock.identity);
  assert.ok(isLocked());
  lock.release();
  assert.ok(!isLocked());
  Deno.removeSync(path);
});

Deno.test("lock excludes a second one in the same process until it is released", () => {
  const directory = Deno.makeTempDirSync();
  try {
    const path = `${directory}/a`;
    const lock = FileLock.acquire(path, { create: true });
    const { dev, ino } = Deno.statSync(path);
    assert.deepEqual(lock.identity, { dev, ino });
    assert.throws(
      () => FileLock.acquire(path, { create: false }),
      (error: FileLockedError) => error instanceof FileLockedError && error.ownerPid === Deno.pid,
    );
    lock.release();
    lock.release();
    FileLock.acquire(path, { create: false }).release();
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});

Deno.test("lock is taken on regular files only, and no link is followed", () => {
  const directory = Deno.makeTempDirSync();
  try {
    Deno.writeTextFileSync(`${directory}/file`, "");
    Deno.symlinkSync(`${directory}/file`, `${directory}/link`);
    const acquire = (name: string, create = false) => () =>
      FileLock.acquire(`${directory}/${name}`, { create });
    assert.throws(acquire("absent"), Deno.errors.NotFound);
    assert.throws(acquire("link"), Deno.errors.FilesystemLoop);
    assert.throws(acquire("link", true), Deno.errors.AlreadyExists);
    assert.throws(acquire("file", true), Deno.errors.AlreadyExists);
    assert.throws(acquire("."), /Cannot open/);
    assert.throws(() => FileLock.acquire("/dev/null", { create: false }), Deno.errors.InvalidData);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});

Deno.test("a lock that is released aside is free at once, and released once", async () => {
  const path = Deno.makeTempFileSync();
  const lock = FileLock.acquire(path, { create: false });
  const releasing = lock.releaseAside();
  FileLock.acquire(path, { create: false }).release();
  await releasing;
  await lock.releaseAside();
  lock.release();
  FileLock.acquire(path, { create: false }).release();
  Deno.removeSync(path);
});
