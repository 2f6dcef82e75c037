import assert from "node:assert/strict";
import { parseLockTable, parseMountedDevices, parseOwner } from "./lock_table.ts";

const LOCKS = `1: POSIX  ADVISORY  WRITE 100 fe:00:42 0 EOF
2: FLOCK  ADVISORY  WRITE 200 fe:00:42 0 EOF
2: -> FLOCK  ADVISORY  WRITE 300 fe:00:42 0 EOF
3: FLOCK  ADVISORY  WRITE 400 00:2f:43 0 EOF
4: FLOCK  ADVISORY  WRITE 0 fe:00:44 0 EOF
5: FLOCK  ADVISORY  WRITE 500 00:1f:45 0 EOF
6: FLOCK  ADVISORY  WRITE 600 00:20:45 0 EOF
`;

Deno.test("owner is read from the kernel's list, and unknown rather than wrong", () => {
  assert.equal(parseOwner(LOCKS, 0xfe, 0, 42n), 200, "not the one that waits");
  assert.equal(parseOwner(LOCKS, 0, 0x30, 43n), 400, "the file system shows another device");
  assert.equal(parseOwner(LOCKS, 0xfe, 0, 43n), undefined, "a file of another disk");
  assert.equal(parseOwner(LOCKS, 0xfe, 0, 44n), undefined, "a process of another container");
  assert.equal(
    parseOwner(LOCKS + "7: FLOCK  ADVISORY  WRITE 700 00:20:44 0 EOF\n", 0xfe, 0, 44n),
    undefined,
    "and not one that has the lock of a file on another device",
  );
  assert.equal(parseOwner(LOCKS, 0, 0x30, 45n), undefined, "two devices, neither the right one");
  assert.equal(parseOwner(LOCKS, 0, 0x20, 45n), 600);
  assert.equal(parseOwner("", 0, 0, 1n), undefined);
});

Deno.test("a table of locks tells which files are locked, whatever device their file system shows there", () => {
  const { isLocked } = parseLockTable(LOCKS, () => false);
  const dev = (major: number, minor: number) => major * 256 + minor;
  assert.ok(isLocked({ dev: dev(0xfe, 0), ino: 42 }));
  assert.ok(isLocked({ dev: dev(0, 0x30), ino: 43 }), "the file system shows another device");
  assert.ok(!isLocked({ dev: dev(0xfe, 0), ino: 43 }), "a file of another disk");
  assert.ok(isLocked({ dev: dev(0xfe, 0), ino: 44 }), "a process of another container");
  assert.ok(!isLocked({ dev: dev(0, 0x30), ino: 45 }), "two devices, neither the right one");
  assert.ok(isLocked({ dev: dev(0, 0x20), ino: 45 }));
  assert.ok(!isLocked({ dev: dev(0xfe, 0), ino: 46 }));
});

const OWNED = [
  "1: POSIX  ADVISORY  WRITE 100 fe:00:42 0 EOF",
  "2: FLOCK  ADVISORY  READ  101 fe:00:42 0 EOF",
  "3: FLOCK  ADVISORY  WRITE 2261 fe:00:9977867 0 EOF",
  "3: -> FLOCK  ADVISORY  WRITE 2262 fe:00:42 0 EOF",
  "4: FLOCK  ADVISORY  WRITE 0 fe:00:77 0 EOF",
  "5: FLOCK  ADVISORY  WRITE 5 103:1ff:99 0 EOF",
  "6: FLOCK  ADVISORY  WRITE 6 08:01:99 0 EOF",
].join("\n");

Deno.test("the owner of a lock is found by the file's device and inode", () => {
  const owner = parseLockTable(OWNED, () => false).ownerOf;
  const dev = 0xfe00;
  assert.deepEqual(owner({ dev, ino: 9977867 }), { pid: 2261 });
  assert.equal(owner({ dev, ino: 42 }), undefined, "no exclusive lock");
  assert.deepEqual(owner({ dev, ino: 77 }), { pid: undefined }, "a process of another container");
  // Major 0x103 and minor 0x1ff, as the C library packs them.
  assert.deepEqual(owner({ dev: 0x1103ff, ino: 99 }), { pid: 5 });
  assert.deepEqual(owner({ dev: 0x801, ino: 99 }), { pid: 6 });
  assert.equal(owner({ dev: 0x802, ino: 99 }), undefined, "two files of that number on other devices");
  assert.equal(parseLockTable("", () => false).ownerOf({ dev, ino: 42 }), undefined);
});

Deno.test("a lock on another file system is not taken for one on a file with the same number", () => {
  const MOUNTS = `22 27 0:21 / /proc rw,relatime - proc proc rw
31 1 254:0 / / rw,relatime shared:1 - ext4 /dev/root rw
40 31 259:511 / /data rw - xfs /dev/nvme1n1p1 rw
41 31 0:46 / /memory rw - tmpfs tmpfs rw
42 31 0:47 /@home /home rw - btrfs /dev/sdb rw
`;
  const mounted = parseMountedDevices(MOUNTS);
  assert.deepEqual([...mounted], [21, 0xfe00, 0x1103ff, 46, 47]);
  const { isLocked, ownerOf } = parseLockTable(LOCKS, (dev) => mounted.has(dev));
  assert.deepEqual(ownerOf({ dev: 0xfe00, ino: 42 }), { pid: 200 });
  assert.deepEqual(ownerOf({ dev: 47, ino: 43 }), { pid: 400 });
  assert.deepEqual(ownerOf({ dev: 48, ino: 43 }), { pid: 400 }, "no mount has the device that stat shows");
  assert.ok(!isLocked({ dev: 46, ino: 43 }), "a disk in memory of its own");
  assert.equal(ownerOf({ dev: 46, ino: 43 }), undefined);
});
