import assert from "node:assert/strict";
import { FileLock } from "../platform/file_lock.ts";
import { announcePresence } from "./presence.ts";
import { systemFiles } from "../platform/system_files.ts";

Deno.test("workers share a directory, and do not start in one that is being moved", () => {
  const directory = Deno.makeTempDirSync();
  try {
    {
      using _one = announcePresence(systemFiles, directory);
      using _other = announcePresence(systemFiles, directory);
      assert.throws(() => FileLock.acquireDirectory(directory, "exclusive"), /is locked by process/);
    }
    const moving = FileLock.acquireDirectory(directory, "exclusive");
    assert.throws(
      () => announcePresence(systemFiles, directory),
      new RegExp(`Process ${Deno.pid} is moving ${directory}`),
    );
    moving?.release();
    using _again = announcePresence(systemFiles, directory);
  } finally {
    Deno.removeSync(directory);
  }
});
