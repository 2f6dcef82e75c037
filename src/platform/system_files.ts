/**
 * Files on the real disk.
 */
import { statfs } from "node:fs";
import { promisify } from "node:util";
import { FileLock, isSameFile, readLockTable, readMountTable } from "./file_lock.ts";
import {
  type FileInfo,
  type Files,
  type LockedFile,
  type OpenMode,
  type ReadableFile,
  writeAll,
} from "./files.ts";
import { parentDirectory } from "./path_names.ts";
import { parseLockTable, parseMountedDevices } from "./lock_table.ts";
import { AlreadyExists, NotADirectory, NotFound } from "./system_errors.ts";

/**
 * Up to this size a write is done at once: handing it to another thread would take longer than copying it to
 * the page cache.
 */
const SYNCHRONOUS_WRITE_BYTES_MAX = 64 * 1024;

/** A file may be renamed or removed between opening and locking; this often in a row is not chance. */
const OPEN_ATTEMPTS_MAX = 16;

class SystemLockedFile implements LockedFile {
  #lock: FileLock;
  #writer: Deno.FsFile;
  /** Its own descriptor, because reading moves the position and would have to wait for a sync under way. */
  #reader: Deno.FsFile;
  #isOpen = true;

  constructor(lock: FileLock, writer: Deno.FsFile, reader: Deno.FsFile) {
    this.#lock = lock;
    this.#writer = writer;
    this.#reader = reader;
  }

  async read(into: Uint8Array, offset: number): Promise<number> {
    this.#reader.seekSync(offset, Deno.SeekMode.Start);
    return await this.#reader.read(into) ?? 0;
  }

  async write(bytes: Uint8Array): Promise<number> {
    return bytes.length <= SYNCHRONOUS_WRITE_BYTES_MAX
      ? this.#writer.writeSync(bytes)
      : await this.#writer.write(bytes);
  }

  truncate(length: number): Promise<void> {
    return this.#writer.truncate(length);
  }

  syncData(): Promise<void> {
    return this.#writer.syncData();
  }

  sync(): Promise<void> {
    return this.#writer.sync();
  }

  async size(): Promise<number> {
    return (await this.#writer.stat()).size;
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#reader.close();
    this.#writer.close();
    this.#lock.release();
  }

  async closeAside(): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#reader.close();
    this.#writer.close();
    // Its descriptor is the last one.
    await this.#lock.releaseAside();
  }
}

class SystemReadableFile implements ReadableFile {
  readonly #file: Deno.FsFile;

  constructor(file: Deno.FsFile) {
    this.#file = file;
  }

  async read(into: Uint8Array): Promise<number> {
    return await this.#file.read(into) ?? 0;
  }

  async seek(offset: number): Promise<void> {
    await this.#file.seek(offset, Deno.SeekMode.Start);
  }

  stat(): Promise<FileInfo> {
    return this.#file.stat();
  }

  close(): void {
    this.#file.close();
  }

  [Symbol.dispose](): void {
    this.#file.close();
  }
}

function openOptions(mode: OpenMode, permissions = 0o600): Deno.OpenOptions {
  if (mode === "existing") return { write: true };
  const how = mode === "new" ? { createNew: true } : { create: true, truncate: true };
  return { write: true, mode: permissions, ...how };
}

/**
 * Opens what was just locked; undefined, and the lock released, when the path leads to another file by now,
 * or to none.
 */
export function openLocked(path: string, lock: FileLock): LockedFile | undefined {
  const opened: Deno.FsFile[] = [];
  try {
    for (const options of [{ append: true }, { read: true }]) {
      const file = Deno.openSync(path, options);
      opened.push(file);
      if (!isSameFile(lock.identity, file.statSync())) throw new NotFound(path);
    }
    return new SystemLockedFile(lock, opened[0], opened[1]);
  } catch (error) {
    for (const file of opened) file.close();
    lock.release();
    if (error instanceof NotFound) return undefined;
    throw error;
  }
}

export const systemFiles: Files = {
  // deno-lint-ignore require-await -- callers handle a rejection, never a throw
  async create(path) {
    const file = openLocked(path, FileLock.acquire(path, { create: true }));
    if (file === undefined) {
      throw new NotFound(`Cannot create ${path}: it was taken away at once`);
    }
    return file;
  },

  // deno-lint-ignore require-await -- callers handle a rejection, never a throw
  async open(path) {
    for (let attempt = 1; attempt <= OPEN_ATTEMPTS_MAX; attempt++) {
      const file = openLocked(path, FileLock.acquire(path, { create: false }));
      if (file !== undefined) return file;
    }
    throw new NotFound(`Cannot open ${path}: it is replaced again and again`);
  },

  async link(existingPath, newPath) {
    try {
      await Deno.link(existingPath, newPath);
      return true;
    } catch (error) {
      if (error instanceof AlreadyExists) return false;
      throw error;
    }
  },

  remove: (path) => Deno.remove(path),

  async syncDirectory(path) {
    using directory = await Deno.open(path, { read: true });
    await directory.sync();
  },

  async makeDirectory(path) {
    const missing = [];
    for (let at = path; !await isDirectory(at); at = parentDirectory(at)) missing.push(at);
    for (const directory of missing.reverse()) {
      try {
        await Deno.mkdir(directory, { mode: 0o700 });
      } catch (error) {
        // Somebody else made it in the meantime; its name may still have to be synced. A link that leads
        // nowhere is no directory.
        if (!(error instanceof AlreadyExists) || !await isDirectory(directory)) throw error;
      }
      await this.syncDirectory(parentDirectory(directory));
    }
  },

  async openForReading(path) {
    return new SystemReadableFile(await Deno.open(path, { read: true }));
  },

  openForWriting: (path, mode, permissions) => Deno.open(path, openOptions(mode, permissions)),
  readText: (path) => Deno.readTextFile(path),
  readNow: (path) => Deno.readFileSync(path),

  async writeText(path, text, mode, permissions) {
    using file = await this.openForWriting(path, mode, permissions);
    await writeAll(file, new TextEncoder().encode(text));
  },

  list: (directory) => Array.fromAsync(Deno.readDir(directory)),
  stat: (path) => Deno.stat(path),
  lstat: (path) => Deno.lstat(path),
  lstatNow: (path) => Deno.lstatSync(path),
  realPath: (path) => Deno.realPath(path),
  readLink: (path) => Deno.readLink(path),

  async space(path) {
    const { type, bsize, blocks, bavail, files, ffree } = await promisify(statfs)(path);
    return {
      type,
      totalBytes: blocks * bsize,
      freeBytes: bavail * bsize,
      totalInodes: files,
      freeInodes: ffree,
    };
  },

  rename: (from, to) => Deno.rename(from, to),
  symlink: (target, path) => Deno.symlink(target, path),
  setModified: (path, mtime) => Deno.utime(path, mtime, mtime),
  setPermissions: (path, permissions) => Deno.chmod(path, permissions),
  removeNow: (path) => Deno.removeSync(path),
  removeTreeNow: (path) => Deno.removeSync(path, { recursive: true }),
  makeTemporaryDirectory: (prefix) => Deno.makeTempDir({ prefix }),
  makeTemporaryFileNow: (prefix) => Deno.makeTempFileSync({ prefix }),

  lockDirectory: (path, mode) => FileLock.acquireDirectory(path, mode),

  lockTable() {
    const text = readLockTable();
    return text === undefined ? undefined : parseLockTable(text, isMountedDevice);
  },

  uniqueName: () => crypto.randomUUID(),
};

async function isDirectory(path: string): Promise<boolean> {
  try {
    const info = await Deno.stat(path);
    if (!info.isDirectory) {
      throw new NotADirectory(`Cannot use ${path} as a directory: it is a file`);
    }
    return true;
  } catch (error) {
    if (error instanceof NotFound) return false;
    throw error;
  }
}

/** Read when it is asked for, which is rarely: there may be thousands of mounts. */
function isMountedDevice(dev: number): boolean {
  return parseMountedDevices(readMountTable() ?? "").has(dev);
}
