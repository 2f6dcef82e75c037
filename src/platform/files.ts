/**
 * Files as the rest of the program sees them: a seam with stated behaviour, so that full disks, failing disks
 * and power cuts can be played in tests. The real disk is in `system_files.ts`; one in memory is in
 * `tests/support`, and both pass the same suite.
 *
 * What is promised, and what is not: written bytes are readable at once but survive a power cut only after
 * `syncData`; a name survives only after `syncDirectory` of its directory. What a method is refused with is
 * one of `system_errors.ts`.
 */
import { NotFound } from "./system_errors.ts";
import type { LockTable } from "./lock_table.ts";

/**
 * A regular file, open and locked. Only one of `write`, `truncate`, `syncData` and `sync` is ever under way;
 * `read` may be beside it.
 */
export interface LockedFile {
  /** Reads at `offset` and returns how many bytes there were: 0 at the end, else at least one. */
  read(into: Uint8Array, offset: number): Promise<number>;
  /** Appends, and returns how many bytes were taken: a full disk may take a part without an error. */
  write(bytes: Uint8Array): Promise<number>;
  /** Makes the file this long; new bytes are zeros. */
  truncate(length: number): Promise<void>;
  /**
   * The file's bytes and length are on stable storage. After an error nothing is known about any of them,
   * ever.
   */
  syncData(): Promise<void>;
  /** As `syncData`, and everything else about the file as well. */
  sync(): Promise<void>;
  size(): Promise<number>;
  /** Releases the lock. Once closed, it stays closed. */
  close(): void;
  /**
   * As `close`, for a file that was removed: the system frees what such a file had when the last one closes
   * it, which takes 0.1 ms a megabyte, so that is done on another thread, where there is one.
   */
  closeAside?(): Promise<void>;
}

/** What the system says of a name. `mode`, `uid` and `ino` are null where it does not have them. */
export interface FileInfo {
  readonly isFile: boolean;
  readonly isDirectory: boolean;
  readonly isSymlink: boolean;
  /** A named pipe. */
  readonly isFifo?: boolean | null;
  readonly isSocket?: boolean | null;
  readonly size: number;
  readonly mtime: Date | null;
  readonly mode: number | null;
  readonly uid: number | null;
  readonly gid: number | null;
  readonly dev: number;
  readonly ino: number | null;
}

export interface FileEntry {
  readonly name: string;
  readonly isFile: boolean;
  readonly isDirectory: boolean;
  readonly isSymlink: boolean;
}

/** A file that is read from a position: its beginning, until it is told otherwise. */
export interface ReadableFile extends Disposable {
  /** Reads on, and returns how many bytes there were: 0 at the end, else at least one. */
  read(into: Uint8Array): Promise<number>;
  seek(offset: number): Promise<void>;
  stat(): Promise<FileInfo>;
  close(): void;
}

/** A file that is written without a lock: for what is no log. */
export interface WritableFile extends Disposable {
  /** Writes on from the file's beginning, and returns how many bytes were taken. */
  write(bytes: Uint8Array): Promise<number>;
  syncData(): Promise<void>;
  sync(): Promise<void>;
  close(): void;
}

/**
 * `new`: there must be none, not even a link that leads nowhere. `existing`: there must be one. `replaced`:
 * either.
 */
export type OpenMode = "new" | "existing" | "replaced";

/** A file system's room. Bytes and inodes that the system keeps for root do not count as free. */
export interface FileSystemSpace {
  /** Its kind, by the number that statfs(2) has for it. */
  readonly type: number;
  readonly totalBytes: number;
  readonly freeBytes: number;
  /** Files that there can be; 0 where there is no such limit, as on Btrfs. */
  readonly totalInodes: number;
  readonly freeInodes: number;
}

/**
 * All that the program does with files. Methods whose names end in `Now` do it before they return: for exits,
 * and where a thread a call would cost more than the call.
 */
export interface Files {
  /** Makes a file that did not exist (else AlreadyExists), for its owner alone, and locks it. */
  create(path: string): Promise<LockedFile>;
  /**
   * Opens and locks a file, and makes sure that `path` still leads to it. A symbolic link is not followed.
   * @throws {FileLockedError} when somebody else has it, {NotFound} when there is none
   */
  open(path: string): Promise<LockedFile>;
  /** Gives a file a second name and returns true; false when that name is taken. It never replaces a file. */
  link(existingPath: string, newPath: string): Promise<boolean>;
  remove(path: string): Promise<void>;
  syncDirectory(path: string): Promise<void>;
  /**
   * Makes a directory, for its owner alone, and those above it, so that they survive a power cut. An existing
   * one is left as it is.
   */
  makeDirectory(path: string): Promise<void>;

  /** Follows symbolic links. */
  openForReading(path: string): Promise<ReadableFile>;
  /** `permissions` are for a file that is made. */
  openForWriting(path: string, mode: OpenMode, permissions?: number): Promise<WritableFile>;
  readText(path: string): Promise<string>;
  readNow(path: string): Uint8Array;
  /** Writes a whole small file, without a sync. */
  writeText(path: string, text: string, mode: OpenMode, permissions?: number): Promise<void>;

  /** In no order. */
  list(directory: string): Promise<FileEntry[]>;
  stat(path: string): Promise<FileInfo>;
  /** As `stat`, of a symbolic link itself. */
  lstat(path: string): Promise<FileInfo>;
  lstatNow(path: string): FileInfo;
  realPath(path: string): Promise<string>;
  readLink(path: string): Promise<string>;
  /** How much room the file system has that `path` lies on. */
  space(path: string): Promise<FileSystemSpace>;

  /** Takes the place of whatever has the new name. */
  rename(from: string, to: string): Promise<void>;
  symlink(target: string, path: string): Promise<void>;
  setModified(path: string, mtime: Date): Promise<void>;
  setPermissions(path: string, permissions: number): Promise<void>;
  removeNow(path: string): void;
  /** A directory with all that is in it. */
  removeTreeNow(path: string): void;
  makeTemporaryDirectory(prefix: string): Promise<string>;
  makeTemporaryFileNow(prefix: string): string;

  /**
   * Locks a directory: `shared` for everybody who works in it, `exclusive` for one who takes it away from
   * them. The lock stays with the directory when that is renamed. Undefined where directories cannot be
   * locked.
   * @throws {FileLockedError} at once when somebody holds a lock that excludes this one
   */
  lockDirectory(path: string, mode: "shared" | "exclusive"): HeldLock | undefined;
  /** Who holds locks now; undefined where the system does not tell. */
  lockTable(): LockTable | undefined;
  /** A name that no other file has had, for one that is to be renamed or removed. */
  uniqueName(): string;
}

export interface HeldLock {
  /** Whether `path` leads to what is locked. */
  isOf(path: string): boolean;
  release(): void;
}

/** Appends all of `bytes`, however few the file takes at a time. After an error some of them may be there. */
export async function writeAll(file: Pick<LockedFile, "write">, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const count = await file.write(done === 0 ? bytes : bytes.subarray(done));
    if (count <= 0) throw new Error("the disk took no more bytes");
    done += count;
  }
}

/** What a file holds from its position on, `bytesMax` bytes at most: a pipe or a device may have no end. */
export async function readUpTo(file: Pick<ReadableFile, "read">, bytesMax: number): Promise<Uint8Array> {
  const buffer = new Uint8Array(bytesMax);
  let length = 0;
  while (length < bytesMax) {
    const count = await file.read(buffer.subarray(length));
    if (count === 0) break;
    length += count;
  }
  return buffer.subarray(0, length);
}

/** Whether an error says that there is no such file. */
export function isMissing(error: unknown): boolean {
  return error instanceof NotFound;
}

/** Whether an error says that a disk or a quota is full. */
export function isNoSpaceError(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = "code" in error ? error.code : undefined;
  return code === "ENOSPC" || code === "EDQUOT" || /\(os error (28|122)\)/.test(error.message);
}
