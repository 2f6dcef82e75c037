import assert from "node:assert/strict";
import { FileLock } from "../platform/file_lock.ts";
import { ownerFinder, ownerOf, writerOf } from "./log_owner.ts";

const LOCKS = [
  "1: POSIX  ADVISORY  WRITE 100 fe:00:42 0 EOF",
  "2: FLOCK  ADVISORY  READ  101 fe:00:42 0 EOF",
  "3: FLOCK  ADVISORY  WRITE 2261 fe:00:9977867 0 EOF",
  "3: -> FLOCK  ADVISORY  WRITE 2262 fe:00:42 0 EOF",
  "4: FLOCK  ADVISORY  WRITE 0 fe:00:77 0 EOF",
  "5: FLOCK  ADVISORY  WRITE 5 103:1ff:99 0 EOF",
  "6: FLOCK  ADVISORY  WRITE 6 08:01:99 0 EOF",
].join("\n");

Deno.test("the owner of a lock is found by the file's device and inode", () => {
  const owner = ownerFinder(LOCKS);
  const dev = 0xfe00;
  assert.deepEqual(owner({ dev, ino: 9977867 }), { pid: 2261 });
  assert.equal(owner({ dev, ino: 42 }), undefined, "no exclusive lock");
  assert.deepEqual(owner({ dev, ino: 77 }), { pid: undefined }, "a process of another container");
  // Major 0x103 and minor 0x1ff, as the C library packs them.
  assert.deepEqual(owner({ dev: 0x1103ff, ino: 99 }), { pid: 5 });
  assert.deepEqual(owner({ dev: 0x801, ino: 99 }), { pid: 6 });
  assert.equal(owner({ dev: 0x802, ino: 99 }), undefined, "two files of that number on other devices");
  assert.equal(ownerFinder("")({ dev, ino: 42 }), undefined);
});

Deno.test("a log that this very process has locked is its own", async () => {
  const directory = Deno.makeTempDirSync();
  try {
    const path = `${directory}/a.wal`;
    const lock = FileLock.acquire(path, { create: true });
    assert.deepEqual(await ownerOf(path), { pid: Deno.pid });
    assert.equal(await writerOf(path), Deno.pid);
    lock.release();
    assert.equal(await ownerOf(path), undefined);
    assert.equal(await ownerOf(`${directory}/none.wal`), undefined);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});
