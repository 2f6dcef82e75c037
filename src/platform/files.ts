/**
 * Files as the write-ahead log sees them: a seam of few methods with stated behaviour, so that full disks, failing disks and
 * power cuts can be played in tests, and the one implementation for real disks.
 *
 * What is promised, and what is not: written bytes are readable at once but survive a power cut only after `syncData`; a
 * name survives only after `syncDirectory` of its directory.
 */
import { FileLock, isSameFile } from "./file_lock.ts";

/** A regular file, open and locked. Only one of `write`, `truncate`, `syncData` and `sync` is ever under way; `read` may be beside it. */
export interface LockedFile {
  /** Reads at `offset` and returns how many bytes there were: 0 at the end, else at least one. */
  read(into: Uint8Array, offset: number): Promise<number>;
  /** Appends, and returns how many bytes were taken: a full disk may take a part without an error. */
  write(bytes: Uint8Array): Promise<number>;
  /** Makes the file this long; new bytes are zeros. */
  truncate(length: number): Promise<void>;
  /** The file's bytes and length are on stable storage. After an error nothing is known about any of them, ever. */
  syncData(): Promise<void>;
  /** As `syncData`, and everything else about the file as well. */
  sync(): Promise<void>;
  size(): Promise<number>;
  /** Releases the lock. */
  close(): void;
}

export interface LogFiles {
  /** Makes a file that did not exist (else Deno.errors.AlreadyExists), for its owner alone, and locks it. */
  create(path: string): Promise<LockedFile>;
  /**
   * Opens and locks a file, and makes sure that `path` still leads to it. A symbolic link is not followed.
   * @throws {FileLockedError} when somebody else has it, {Deno.errors.NotFound} when there is none
   */
  open(path: string): Promise<LockedFile>;
  /** Gives a file a second name and returns true; false when that name is taken. It never replaces a file. */
  link(existingPath: string, newPath: string): Promise<boolean>;
  remove(path: string): Promise<void>;
  syncDirectory(path: string): Promise<void>;
  /** Makes a directory, for its owner alone, and those above it, so that they survive a power cut. An existing one is left as it is. */
  makeDirectory(path: string): Promise<void>;
}

/** Up to this size a write is done at once: handing it to another thread would take longer than copying it to the page cache. */
const SYNCHRONOUS_WRITE_BYTES_MAX = 64 * 1024;

/** A file may be renamed or removed between opening and locking; this often in a row is not chance. */
const OPEN_ATTEMPTS_MAX = 16;

class SystemLockedFile implements LockedFile {
  #lock: FileLock;
  #writer: Deno.FsFile;
  /** Its own descriptor, because reading moves the position and would have to wait for a sync under way. */
  #reader: Deno.FsFile;

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
    this.#reader.close();
    this.#writer.close();
    this.#lock.release();
  }
}

/** Opens what was just locked; undefined, and the lock released, when the path leads to another file by now, or to none. */
export function openLocked(path: string, lock: FileLock): LockedFile | undefined {
  const opened: Deno.FsFile[] = [];
  try {
    for (const options of [{ append: true }, { read: true }]) {
      const file = Deno.openSync(path, options);
      opened.push(file);
      if (!isSameFile(lock.identity, file.statSync())) throw new Deno.errors.NotFound(path);
    }
    return new SystemLockedFile(lock, opened[0], opened[1]);
  } catch (error) {
    for (const file of opened) file.close();
    lock.release();
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

export const systemFiles: LogFiles = {
  // deno-lint-ignore require-await -- callers handle a rejection, never a throw
  async create(path) {
    const file = openLocked(path, FileLock.acquire(path, { create: true }));
    if (file === undefined) {
      throw new Deno.errors.NotFound(`Cannot create ${path}: it was taken away at once`);
    }
    return file;
  },

  // deno-lint-ignore require-await -- callers handle a rejection, never a throw
  async open(path) {
    for (let attempt = 1; attempt <= OPEN_ATTEMPTS_MAX; attempt++) {
      const file = openLocked(path, FileLock.acquire(path, { create: false }));
      if (file !== undefined) return file;
    }
    throw new Deno.errors.NotFound(`Cannot open ${path}: it is replaced again and again`);
  },

  async link(existingPath, newPath) {
    try {
      await Deno.link(existingPath, newPath);
      return true;
    } catch (error) {
      if (error instanceof Deno.errors.AlreadyExists) return false;
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
        // Somebody else made it in the meantime; its name may still have to be synced.
        if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
      }
      await this.syncDirectory(parentDirectory(directory));
    }
  },
};

async function isDirectory(path: string): Promise<boolean> {
  try {
    const info = await Deno.stat(path);
    if (!info.isDirectory) {
      throw new Deno.errors.NotADirectory(`Cannot use ${path} as a directory: it is a file`);
    }
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** The directory that a path's last name lies in. */
export function parentDirectory(path: string): string {
  const end = path.replace(/\/+$/, "");
  const slash = end.lastIndexOf("/");
  return slash < 0 ? "." : end.slice(0, slash).replace(/\/+$/, "") || "/";
}

/** The last name in a path. */
export function fileName(path: string): string {
  const end = path.replace(/\/+$/, "");
  return end.slice(end.lastIndexOf("/") + 1);
}

/** Appends all of `bytes`, however few the file takes at a time. After an error some of them may be there. */
export async function writeAll(file: Pick<LockedFile, "write">, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const count = await file.write(done === 0 ? bytes : bytes.subarray(done));
    if (count <= 0) throw new Error("the disk took no more bytes");
    done += count;
  }
}

/** Whether an error says that there is no such file. */
export function isMissing(error: unknown): boolean {
  return error instanceof Deno.errors.NotFound;
}

/** Whether an error says that a disk or a quota is full. */
export function isNoSpaceError(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = "code" in error ? error.code : undefined;
  return code === "ENOSPC" || code === "EDQUOT" || /\(os error (28|122)\)/.test(error.message);
}
