import assert from "node:assert/strict";
import { FileLock } from "./file_lock.ts";
import { isNoSpaceError } from "./files.ts";
import { fileName, parentDirectory } from "./path_names.ts";
import { openLocked, systemFiles } from "./system_files.ts";

async function inDirectory(act: (directory: string) => Promise<void>): Promise<void> {
  const directory = Deno.makeTempDirSync();
  try {
    await act(directory);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

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
