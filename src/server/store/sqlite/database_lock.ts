/**
 * One server at a time on a database: a lock on a file of its own beside it, `FILE.lock`.
 *
 * SQLite itself lets several processes write in turn, and a server must not: wake-ups between its readers and
 * writers live in its memory. The lock cannot be on the database itself, because SQLite's own locks on that
 * file (fcntl) are all dropped when this process closes any descriptor of it. A reader takes no lock, so
 * another process can read while a server writes.
 *
 * The kernel lets go of the lock with its holder. What a crash leaves is an empty file, which the next server
 * takes over; one that stops removes it, while it still holds the lock, so that nobody else can have taken
 * it.
 */
import type { Clock } from "../../../platform/clock.ts";
import { FileLockedError } from "../../../platform/file_lock.ts";
import { type Files, isMissing, type LockedFile } from "../../../platform/files.ts";
import { AlreadyExists } from "../../../platform/system_errors.ts";
import { StoreError } from "../store_error.ts";

/** How long opening waits for another process to let go, as when one server takes over from another. */
const WAIT_MS = 5_000;
const EVERY_MS = 50;

export interface DatabaseLock {
  release(): Promise<void>;
}

/** @throws StoreError when another process has it, or it cannot be made */
export async function lockDatabase(
  files: Files,
  clock: Clock,
  path: string,
  { waitMs = WAIT_MS } = {},
): Promise<DatabaseLock> {
  const lockPath = `${await realPath(files, path)}.lock`;
  const startMs = clock.elapsedMs();
  for (;;) {
    try {
      const file = await openOrCreate(files, lockPath);
      return { release: () => letGo(files, lockPath, file) };
    } catch (error) {
      if (!(error instanceof FileLockedError)) throw cannotLock(path, lockPath, error);
      if (clock.elapsedMs() - startMs >= waitMs) throw held(path, error);
    }
    await clock.sleep(EVERY_MS);
  }
}

/** Whether a server, or a command that changes the database, has it at the moment. */
export async function isLocked(files: Files, path: string): Promise<boolean> {
  const lockPath = `${await realPath(files, path)}.lock`;
  try {
    (await files.open(lockPath)).close();
    return false;
  } catch (error) {
    if (error instanceof FileLockedError) return true;
    if (isMissing(error)) return false;
    throw cannotLock(path, lockPath, error);
  }
}

/** The same database has one lock, by whichever link it is named. */
async function realPath(files: Files, path: string): Promise<string> {
  try {
    return await files.realPath(path);
  } catch (error) {
    if (isMissing(error)) return path;
    throw error;
  }
}

async function openOrCreate(files: Files, path: string): Promise<LockedFile> {
  for (;;) {
    try {
      return await files.open(path);
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
    try {
      return await files.create(path);
    } catch (error) {
      if (!(error instanceof AlreadyExists)) throw error;
    }
  }
}

async function letGo(files: Files, path: string, file: LockedFile): Promise<void> {
  try {
    await files.remove(path);
  } catch (error) {
    if (!isMissing(error)) throw error;
  } finally {
    file.close();
  }
}

function held(path: string, cause: FileLockedError): StoreError {
  const who = cause.ownerPid === undefined ? "another process" : `process ${cause.ownerPid}`;
  return new StoreError(
    `Cannot open ${path}: another process holds it${cause.ownerPid === undefined ? "" : ` (${who})`}. ` +
      "Stop the other server first, or name another file",
    path,
    { cause },
  );
}

function cannotLock(path: string, lockPath: string, cause: unknown): StoreError {
  return new StoreError(
    `Cannot open ${path}: ${(cause as Error).message}. Nothing was changed. ` +
      `Whoever changes the database needs ${lockPath} beside it, to be the only one.`,
    path,
    { cause },
  );
}
