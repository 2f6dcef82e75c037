/**
 * Tells other programs that a worker works in a directory of logs, idle or not, for as long as it runs: a
 * kernel lock on the directory, shared by all workers of it. Whoever wants to move the directory takes it for
 * itself alone.
 */
import { DirectoryMovingError } from "../wal/errors.ts";
import { FileLockedError } from "../platform/file_lock.ts";
import type { Files, HeldLock } from "../platform/files.ts";

export interface Presence extends Disposable {
  /** Whether the directory is still the one that was locked, and not another one in its place. */
  isCurrent(): boolean;
}

/** @throws {DirectoryMovingError} when the directory is being moved */
export function announcePresence(files: Files, walDir: string): Presence {
  let lock: HeldLock | undefined;
  try {
    lock = files.lockDirectory(walDir, "shared");
  } catch (error) {
    if (!(error instanceof FileLockedError)) throw error;
    throw new DirectoryMovingError(walDir, error.ownerPid, { cause: error });
  }
  return {
    isCurrent: () => lock === undefined || lock.isOf(walDir),
    [Symbol.dispose]: () => lock?.release(),
  };
}
