import assert from "node:assert/strict";
import { FileLock, FileLockedError, lockFinder, parseOwner, readLockTable } from "./file_lock.ts";

const LOCKS = `1: POSIX  ADVISORY  WRITE 100 fe:00:42 0 EOF
2: FLOCK  ADVISORY  WRITE 200 fe:00:42 0 EOF
2: -> FLOCK  ADVISORY  WRITE 300 fe:00:42 0 EOF
3: FLOCK  ADVISORY  WRITE 400 fd:01:43 0 EOF
4: FLOCK  ADVISORY  WRITE 0 fe:00:44 0 EOF
5: FLOCK  ADVISORY  WRITE 500 00:1f:45 0 EOF
6: FLOCK  ADVISORY  WRITE 600 00:20:45 0 EOF
`;

Deno.test("owner is read from the kernel's list, and unknown rather than wrong", () => {
  assert.equal(parseOwner(LOCKS, 0xfe, 0, 42n), 200, "not the one that waits");
  assert.equal(parseOwner(LOCKS, 0xfe, 0, 43n), 400, "the file system shows another device");
  assert.equal(parseOwner(LOCKS, 0xfe, 0, 44n), undefined, "a process of another container");
  assert.equal(parseOwner(LOCKS, 0xfe, 0, 45n), undefined, "two devices, neither the right one");
  assert.equal(parseOwner(LOCKS, 0, 0x20, 45n), 600);
  assert.equal(parseOwner("", 0, 0, 1n), undefined);
});

Deno.test("a table of locks tells which files are locked, whatever device their file system shows there", () => {
  const isLocked = lockFinder(LOCKS);
  const dev = (major: number, minor: number) => major * 256 + minor;
  assert.ok(isLocked({ dev: dev(0xfe, 0), ino: 42 }));
  assert.ok(isLocked({ dev: dev(0xfe, 0), ino: 43 }), "the file system shows another device");
  assert.ok(isLocked({ dev: dev(0xfe, 0), ino: 44 }), "a process of another container");
  assert.ok(!isLocked({ dev: dev(0xfe, 0), ino: 45 }), "two devices, neither the right one");
  assert.ok(isLocked({ dev: dev(0, 0x20), ino: 45 }));
  assert.ok(!isLocked({ dev: dev(0xfe, 0), ino: 46 }));
});

Deno.test("the kernel's table has a lock for as long as it is held", () => {
  const path = Deno.makeTempFileSync();
  const lock = FileLock.acquire(path, { create: false });
  assert.ok(lockFinder(readLockTable()!)(lock.identity));
  lock.release();
  assert.ok(!lockFinder(readLockTable()!)(lock.identity));
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
