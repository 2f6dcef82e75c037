/**
 * Tells other programs that a worker works in a directory of logs, idle or not, for as long as it runs: a kernel lock on the
 * directory, shared by all workers of it. Whoever wants to move the directory takes it for itself alone.
 */
import { FileLock, FileLockedError } from "../platform/file_lock.ts";

/** @throws {Error} for the user to read, when the directory is being moved */
export function announcePresence(walDir: string): Disposable {
  let lock: FileLock | undefined;
  try {
    lock = FileLock.acquireDirectory(walDir, "shared");
  } catch (error) {
    if (!(error instanceof FileLockedError)) throw error;
    const owner = error.ownerPid === undefined ? "Another process" : `Process ${error.ownerPid}`;
    throw new Error(
      `${owner} is moving ${walDir} to another disk, so the worker did not start. Nothing was changed; ` +
        "start it again when airunner wal migrate has ended",
      { cause: error },
    );
  }
  return { [Symbol.dispose]: () => lock?.release() };
}
