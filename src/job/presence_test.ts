import assert from "node:assert/strict";
import { FileLock } from "../platform/file_lock.ts";
import { announcePresence } from "./presence.ts";

Deno.test("workers share a directory, and do not start in one that is being moved", () => {
  const directory = Deno.makeTempDirSync();
  try {
    {
      using _one = announcePresence(directory);
      using _other = announcePresence(directory);
      assert.throws(() => FileLock.acquireDirectory(directory, "exclusive"), /is locked by process/);
    }
    const moving = FileLock.acquireDirectory(directory, "exclusive");
    assert.throws(
      () => announcePresence(directory),
      new RegExp(`Process ${Deno.pid} is moving ${directory}`),
    );
    moving?.release();
    using _again = announcePresence(directory);
  } finally {
    Deno.removeSync(directory);
  }
});
