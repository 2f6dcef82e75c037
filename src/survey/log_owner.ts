/**
 * Whether some process is writing to a log right now: a torn record at its end is normal then.
 */
import type { Files } from "../platform/files.ts";
import type { LockOwner } from "../platform/lock_table.ts";

/** Who holds the log's lock; undefined when nobody does, or where that is not to be had. */
export async function ownerOf(files: Files, path: string): Promise<LockOwner | undefined> {
  try {
    const { dev, ino } = await files.stat(path);
    return files.lockTable()?.ownerOf({ dev, ino: ino ?? 0 });
  } catch {
    // Knowing the owner makes a message better; whoever reads the file next says why it cannot be had.
    return undefined;
  }
}

/** The process that holds the kernel lock of the file; undefined when none does, or where it is not shown. */
export async function writerOf(files: Files, path: string): Promise<number | undefined> {
  return (await ownerOf(files, path))?.pid;
}
