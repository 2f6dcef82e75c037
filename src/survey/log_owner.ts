/**
 * Whether some process is writing to a log right now: a torn record at its end is normal then.
 */
import { type FileIdentity, lockFinder, parseOwner, readLockTable } from "../platform/file_lock.ts";

/** Somebody holds the kernel lock of a log. The kernel does not show the process when it lives in another container. */
export interface Owner {
  readonly pid: number | undefined;
}

/** Reads all locks once, and then tells of any file who holds its lock; undefined where the kernel shows no locks. */
export function readOwners(): ((file: FileIdentity) => Owner | undefined) | undefined {
  const table = readLockTable();
  return table === undefined ? undefined : ownerFinder(table);
}

export function ownerFinder(table: string): (file: FileIdentity) => Owner | undefined {
  const isLocked = lockFinder(table);
  return (file) => {
    if (!isLocked(file)) return undefined;
    const { major, minor } = splitDevice(file.dev);
    return { pid: parseOwner(table, major, minor, BigInt(file.ino)) };
  };
}

/** Who holds the log's lock; undefined when nobody does, or where that is not to be had. */
export async function ownerOf(path: string): Promise<Owner | undefined> {
  let identity: FileIdentity;
  try {
    const { dev, ino } = await Deno.stat(path);
    identity = { dev, ino: ino ?? 0 };
  } catch {
    // Knowing the owner makes a message better; whoever reads the file next says why it cannot be had.
    return undefined;
  }
  return readOwners()?.(identity);
}

/** The process that holds the kernel lock of the file; undefined when none does, or where it is not shown. */
export async function writerOf(path: string): Promise<number | undefined> {
  return (await ownerOf(path))?.pid;
}

/** The C library packs a device into one number: twelve bits of major above eight of minor, and the rest above both. */
function splitDevice(dev: number): { major: number; minor: number } {
  const bits = BigInt(dev);
  const major = (bits >> 8n & 0xfffn) | (bits >> 44n << 12n);
  const minor = (bits & 0xffn) | (bits >> 20n & 0xffffffn) << 8n;
  return { major: Number(major), minor: Number(minor) };
}
