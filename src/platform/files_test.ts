import assert from "node:assert/strict";
import { FileLock } from "./file_lock.ts";
import { fileName, isNoSpaceError, parentDirectory, writeAll } from "./files.ts";
import { openLocked, systemFiles } from "./system_files.ts";

async function inDirectory(act: (directory: string) => Promise<void>): Promise<void> {
  const directory = Deno.makeTempDirSync();
  try {
    await act(directory);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

Deno.test("file appends wherever it was read, and after a truncation", async () => {
  await inDirectory(async (directory) => {
    const file = await systemFiles.create(`${directory}/a`);
    await writeAll(file, new Uint8Array([1, 2, 3, 4]));
    const into = new Uint8Array(2);
    assert.equal(await file.read(into, 1), 2);
    assert.deepEqual(into, new Uint8Array([2, 3]));
    await writeAll(file, new Uint8Array(100_000).fill(5));
    await file.truncate(3);
    await writeAll(file, new Uint8Array([9]));
    await file.syncData();
    await file.sync();
    assert.equal(await file.size(), 4);
    assert.equal(await file.read(into, 4), 0);
    file.close();
    assert.deepEqual(Deno.readFileSync(`${directory}/a`), new Uint8Array([1, 2, 3, 9]));
  });
});

Deno.test("link never replaces a file", async () => {
  await inDirectory(async (directory) => {
    Deno.writeTextFileSync(`${directory}/a`, "a");
    Deno.writeTextFileSync(`${directory}/b`, "b");
    assert.equal(await systemFiles.link(`${directory}/a`, `${directory}/b`), false);
    assert.equal(await systemFiles.link(`${directory}/a`, `${directory}/c`), true);
    await systemFiles.remove(`${directory}/a`);
    await systemFiles.syncDirectory(directory);
    assert.equal(Deno.readTextFileSync(`${directory}/b`) + Deno.readTextFileSync(`${directory}/c`), "ba");
    await assert.rejects(systemFiles.link(`${directory}/a`, `${directory}/d`), Deno.errors.NotFound);
  });
});

Deno.test("file that was renamed or removed while it was being locked is not taken for the one at its path", async () => {
  await inDirectory(async (directory) => {
    const path = `${directory}/a`;
    for (const replacement of ["another", undefined]) {
      (await systemFiles.create(path)).close();
      const lock = FileLock.acquire(path, { create: false });
      Deno.renameSync(path, `${directory}/moved`);
      if (replacement !== undefined) Deno.writeTextFileSync(path, replacement);
      assert.equal(openLocked(path, lock), undefined);
      FileLock.acquire(`${directory}/moved`, { create: false }).release();
      Deno.removeSync(`${directory}/moved`);
      if (replacement !== undefined) Deno.removeSync(path);
    }
  });
});

Deno.test("directories are made down from the first that is there", async () => {
  await inDirectory(async (directory) => {
    await systemFiles.makeDirectory(`${directory}/a/b/c/`);
    await systemFiles.makeDirectory(`${directory}/a/b`);
    assert.equal((Deno.statSync(`${directory}/a/b/c`).mode ?? 0) & 0o777, 0o700);
    Deno.writeTextFileSync(`${directory}/file`, "");
    await assert.rejects(systemFiles.makeDirectory(`${directory}/file`), Deno.errors.NotADirectory);
  });
});

Deno.test("paths are taken apart like this", () => {
  const cases: [string, string, string][] = [
    ["/a/b.wal", "/a", "b.wal"],
    ["/a/b/", "/a", "b"],
    ["/a", "/", "a"],
    ["a", ".", "a"],
    ["./a//b", "./a", "b"],
  ];
  for (const [path, parent, name] of cases) {
    assert.deepEqual([parentDirectory(path), fileName(path)], [parent, name]);
  }
});

Deno.test("a full disk and a full quota are told from other errors", () => {
  assert.ok(isNoSpaceError(Object.assign(new Error("x"), { code: "ENOSPC" })));
  assert.ok(isNoSpaceError(new Error("Disk quota exceeded (os error 122)")));
  assert.ok(!isNoSpaceError(new Error("Input/output error (os error 5)")));
  assert.ok(!isNoSpaceError("ENOSPC"));
});
