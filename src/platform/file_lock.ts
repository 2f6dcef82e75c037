/**
 * The kernel's lock on a file: one holder at a time, across processes and within one, and gone with its
 * holder however that ends. Deno's own lock waits, so flock(2) is called directly.
 *
 * The file is opened here with O_NOFOLLOW, so that a symbolic link is never locked in place of a log, and
 * with O_CLOEXEC, so that no job inherits the lock and keeps it.
 */
import { deviceNumber, type FileIdentity, parseOwner } from "./lock_table.ts";
import {
  AlreadyExists,
  FilesystemLoop,
  InvalidData,
  IsADirectory,
  NotADirectory,
  NotFound,
  NotSupported,
  PermissionDenied,
} from "./system_errors.ts";

/**
 * The lock is held already, by another process or by this one (`isOwn`). `ownerPid` is undefined when the
 * kernel does not show it.
 */
export class FileLockedError extends Error {
  override name = "FileLockedError";
  constructor(readonly path: string, readonly ownerPid: number | undefined, readonly isOwn: boolean) {
    super(`${path} is locked by ${ownerPid === undefined ? "another process" : `process ${ownerPid}`}`);
  }
}

const SYMBOLS = {
  open: { parameters: ["buffer", "i32", "u32"], result: "i32" },
  close: { parameters: ["i32"], result: "i32" },
  closeAside: { name: "close", parameters: ["i32"], result: "i32", nonblocking: true },
  read: { parameters: ["i32", "buffer", "usize"], result: "isize" },
  flock: { parameters: ["i32", "i32"], result: "i32" },
  statx: { parameters: ["i32", "buffer", "i32", "u32", "buffer"], result: "i32" },
  __errno_location: { parameters: [], result: "pointer" },
} as const;

// From Linux's asm/fcntl.h, sys/file.h and linux/stat.h.
const O_RDWR = 0o2;
const O_CREAT = 0o100;
const O_EXCL = 0o200;
/** A named pipe in a log's place is refused instead of waited for. */
const O_NONBLOCK = 0o4000;
const O_CLOEXEC = 0o2000000;
const O_NOFOLLOW = Deno.build.arch === "aarch64" ? 0o100000 : 0o400000;
const O_DIRECTORY = Deno.build.arch === "aarch64" ? 0o40000 : 0o200000;
const LOCK_SH = 1;
const LOCK_EX = 2;
const LOCK_NB = 4;
const LOCK_UN = 8;
const AT_EMPTY_PATH = 0x1000;
const STATX_TYPE_INO = 0x101;
const S_IFMT = 0o170000;
const S_IFREG = 0o100000;
const ENOENT = 2;
const EACCES = 13;
const EEXIST = 17;
const EWOULDBLOCK = 11;
const ENOTDIR = 20;
const EISDIR = 21;
const ELOOP = 40;

type Library = Deno.DynamicLibrary<typeof SYMBOLS>;

let library: Library | undefined;
let users = 0;

/** The C library is loaded for the first lock and let go with the last: most commands take none. */
function useLibrary(): Library["symbols"] {
  if (Deno.build.os !== "linux") {
    throw new NotSupported("Cannot lock a file: this is implemented for Linux only");
  }
  library ??= Deno.dlopen("libc.so.6", SYMBOLS);
  users++;
  return library.symbols;
}

function leaveLibrary(): void {
  if (--users > 0) return;
  library?.close();
  library = undefined;
}

export class FileLock {
  readonly identity: FileIdentity;
  #libc: Library["symbols"];
  #fd: number;

  private constructor(libc: Library["symbols"], fd: number, identity: FileIdentity) {
    this.#libc = libc;
    this.#fd = fd;
    this.identity = identity;
  }

  /**
   * Opens and locks a file, which is made first, for its owner alone, when `create` is set. The lock lasts
   * until `release`.
   * @throws {FileLockedError} at once when somebody else holds the lock
   * @throws {NotFound} and the like when the file cannot be opened, or is not a regular file
   */
  static acquire(path: string, { create }: { create: boolean }): FileLock {
    const libc = useLibrary();
    let fd = -1;
    try {
      const flags = O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW | (create ? O_CREAT | O_EXCL : 0);
      fd = libc.open(new TextEncoder().encode(path + "\0"), flags, 0o600);
      if (fd < 0) throw openError(path, errno(libc));
      const { major, minor, ino, mode } = identify(libc, fd, path);
      if ((mode & S_IFMT) !== S_IFREG) {
        throw new InvalidData(`Cannot open ${path}: it is not a regular file`);
      }
      if (libc.flock(fd, LOCK_EX | LOCK_NB) !== 0) {
        const code = errno(libc);
        if (code !== EWOULDBLOCK) throw new Error(`Cannot lock ${path}: flock failed (os error ${code})`);
        throw lockedError(path, findOwner(major, minor, ino));
      }
      return new FileLock(libc, fd, { dev: deviceNumber(major, minor), ino: Number(ino) });
    } catch (error) {
      if (fd >= 0) libc.close(fd);
      leaveLibrary();
      throw error;
    }
  }

  /**
   * Locks a directory: `shared` for everybody who works in it, `exclusive` for one who takes it away from
   * them. No file is needed for it, and the lock stays with the directory when that is renamed. Undefined
   * where directories cannot be locked.
   * @throws {FileLockedError} at once when somebody holds a lock that excludes this one
   * @throws {NotFound} and the like when it cannot be opened
   */
  static acquireDirectory(path: string, mode: "shared" | "exclusive"): FileLock | undefined {
    const libc = useLibrary();
    let fd = -1;
    try {
      fd = libc.open(new TextEncoder().encode(path + "\0"), O_DIRECTORY | O_CLOEXEC, 0);
      if (fd < 0) throw openError(path, errno(libc));
      const { major, minor, ino } = identify(libc, fd, path);
      if (libc.flock(fd, (mode === "shared" ? LOCK_SH : LOCK_EX) | LOCK_NB) === 0) {
        return new FileLock(libc, fd, { dev: deviceNumber(major, minor), ino: Number(ino) });
      }
      if (errno(libc) === EWOULDBLOCK) throw lockedError(path, findOwner(major, minor, ino));
      libc.close(fd);
      leaveLibrary();
      return undefined;
    } catch (error) {
      if (fd >= 0) libc.close(fd);
      leaveLibrary();
      throw error;
    }
  }

  /** Whether `path` leads to the very file or directory that is locked; false when it leads nowhere. */
  isOf(path: string): boolean {
    try {
      return isSameFile(this.identity, Deno.statSync(path));
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return false;
      throw error;
    }
  }

  release(): void {
    if (this.#fd < 0) return;
    // Closing alone would not do: a child process that is just being started has a copy until it runs its
    // program.
    this.#libc.flock(this.#fd, LOCK_UN);
    this.#libc.close(this.#fd);
    this.#fd = -1;
    leaveLibrary();
  }

  /** As `release`, at once, but the file is closed on another thread. */
  async releaseAside(): Promise<void> {
    if (this.#fd < 0) return;
    const fd = this.#fd;
    this.#fd = -1;
    this.#libc.flock(fd, LOCK_UN);
    await this.#libc.closeAside(fd);
    leaveLibrary();
  }
}

export function isSameFile(a: FileIdentity, b: { dev: number; ino: number | null }): boolean {
  return a.dev === b.dev && a.ino === b.ino;
}

/** struct statx has the same layout on every architecture, which struct stat has not. */
function identify(
  libc: Library["symbols"],
  fd: number,
  path: string,
): { major: number; minor: number; ino: bigint; mode: number } {
  const result = new Uint8Array(256);
  if (libc.statx(fd, new Uint8Array(1), AT_EMPTY_PATH, STATX_TYPE_INO, result) !== 0) {
    throw new Error(`Cannot look at ${path}: statx failed (os error ${errno(libc)})`);
  }
  const view = new DataView(result.buffer);
  return {
    mode: view.getUint16(28, true),
    ino: view.getBigUint64(32, true),
    major: view.getUint32(136, true),
    minor: view.getUint32(140, true),
  };
}

function errno(libc: Library["symbols"]): number {
  const location = libc.__errno_location();
  return location === null ? 0 : new Deno.UnsafePointerView(location).getInt32();
}

function openError(path: string, code: number): Error {
  switch (code) {
    case ENOENT:
      return new NotFound(`Cannot open ${path}: there is no such file or directory`);
    case EACCES:
      return new PermissionDenied(`Cannot open ${path}: permission denied`);
    case EEXIST:
      return new AlreadyExists(`Cannot create ${path}: it exists`);
    case ENOTDIR:
      return new NotADirectory(`Cannot open ${path}: it is not a directory, or does not lie in one`);
    case EISDIR:
      return new IsADirectory(`Cannot open ${path}: it is a directory`);
    case ELOOP:
      return new FilesystemLoop(
        `Cannot open ${path}: it is a symbolic link, and a log is never one`,
      );
    default:
      return new Error(`Cannot open ${path}: open failed (os error ${code})`);
  }
}

function lockedError(path: string, ownerPid: number | undefined): FileLockedError {
  return new FileLockedError(path, ownerPid, ownerPid === Deno.pid);
}

/** Who owns a lock is a courtesy: it may stay unknown. */
function findOwner(major: number, minor: number, ino: bigint): number | undefined {
  const text = readLockTable();
  return text === undefined ? undefined : parseOwner(text, major, minor, ino);
}

/** The kernel's list of all locks, /proc/locks; undefined where there is none. */
export function readLockTable(): string | undefined {
  return readBelowProc("/proc/locks");
}

/** The file systems that this process sees, /proc/self/mountinfo; undefined where there is none. */
export function readMountTable(): string | undefined {
  return readBelowProc("/proc/self/mountinfo");
}

/**
 * Through the C library: the runtime lets nobody read below /proc but programs that may do everything, which
 * those of our tests and tools that run from source need not be.
 */
function readBelowProc(path: string): string | undefined {
  const libc = useLibrary();
  try {
    const fd = libc.open(new TextEncoder().encode(path + "\0"), O_CLOEXEC, 0);
    if (fd < 0) return undefined;
    const decoder = new TextDecoder();
    const block = new Uint8Array(64 * 1024);
    let text = "";
    for (let count; (count = Number(libc.read(fd, block, BigInt(block.length)))) > 0;) {
      text += decoder.decode(block.subarray(0, count), { stream: true });
    }
    libc.close(fd);
    return text;
  } finally {
    leaveLibrary();
  }
}
