import assert from "node:assert/strict";
import { FileLock } from "../platform/file_lock.ts";
import { systemFiles } from "../platform/system_files.ts";
import { ownerOf, writerOf } from "./log_owner.ts";

Deno.test("a log that this very process has locked is its own", async () => {
  const directory = Deno.makeTempDirSync();
  try {
    const path = `${directory}/a.wal`;
    const lock = FileLock.acquire(path, { create: true });
    assert.deepEqual(await ownerOf(systemFiles, path), { pid: Deno.pid });
    assert.equal(await writerOf(systemFiles, path), Deno.pid);
    lock.release();
    assert.equal(await ownerOf(systemFiles, path), undefined);
    assert.equal(await ownerOf(systemFiles, `${directory}/none.wal`), undefined);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});
