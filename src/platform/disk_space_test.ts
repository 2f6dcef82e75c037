import assert from "node:assert/strict";
import { diskSpaceOf, keptFreeBytes } from "./disk_space.ts";
import type { Files } from "./files.ts";
import { NotADirectory, NotFound } from "./system_errors.ts";
import { systemFiles } from "./system_files.ts";

/** Two disks: `/` and `/mnt`, and a file `/mnt/file`. */
const DEVICES = new Map([["/", 1], ["/var", 1], ["/mnt", 2], ["/mnt/file", 2]]);
const files = {
  stat(path: string) {
    const dev = DEVICES.get(path);
    if (dev !== undefined) return Promise.resolve({ dev });
    return Promise.reject(path.startsWith("/mnt/file/") ? new NotADirectory(path) : new NotFound(path));
  },
  space: (path: string) =>
    Promise.resolve({ type: 0, totalBytes: DEVICES.get(path)!, freeBytes: 0, totalInodes: 0, freeInodes: 0 }),
} as unknown as Files;

Deno.test("each file system is told once, also for directories that are still to be made", async () => {
  const disks = await diskSpaceOf(files, ["/var/new/wal", "/mnt/archive", "/srv", "/mnt/file/below"]);
  assert.deepEqual(disks.map(({ directories, totalBytes }) => [totalBytes, directories]), [
    [1, ["/var/new/wal", "/srv"]],
    [2, ["/mnt/archive", "/mnt/file/below"]],
  ]);
});

Deno.test("what cannot be looked at is an error, not another disk", async () => {
  const denied = new Error("permission denied");
  const closed = { ...files, stat: () => Promise.reject(denied) } as Files;
  await assert.rejects(diskSpaceOf(closed, ["/var"]), denied);
});

Deno.test("the real disk has as much room below a directory as in it", async () => {
  const directory = Deno.makeTempDirSync();
  try {
    const [disk, ...others] = await diskSpaceOf(systemFiles, [directory, `${directory}/not/yet/there`]);
    assert.deepEqual(others, []);
    assert.ok(disk.freeBytes > 0 && disk.freeBytes <= disk.totalBytes);
  } finally {
    Deno.removeSync(directory);
  }
});

Deno.test("a small disk keeps a twentieth of itself free, a large one what the setting says", () => {
  assert.equal(keptFreeBytes(1000, 256e6), 50);
  assert.equal(keptFreeBytes(1e12, 256e6), 256e6);
});
