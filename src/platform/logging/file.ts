/**
 * A file of log lines that several processes append to at the same time, and that is rotated when it is full:
 * `worker.log` becomes `worker.log.1`, that `worker.log.2`, and the oldest goes.
 *
 * A line is one write(2) in append mode before the call returns. So it survives whatever happens to its
 * process, and lines of two processes never mix. Nothing is synced: what a power cut takes away here is only
 * talk about the write-ahead log, which is synced itself.
 *
 * Who rotates: whoever holds the kernel's lock on the very file that the name leads to. The others keep
 * writing into it meanwhile, wherever it is renamed to, and look at the name again before each line:
 *
 *     one process                            another one
 *     locks worker.log
 *     .1 -> .2, worker.log -> .1             writes a line into what is now .1
 *     makes worker.log, writes on            sees another file under the name, opens it, writes on
 *
 * A crash between two renames leaves a number out, which the next rotation closes again.
 */
import { FileLock, FileLockedError, isSameFile } from "../file_lock.ts";
import type { FileIdentity } from "../lock_table.ts";
import { parentDirectory } from "../path_names.ts";

export interface LineFileOptions {
  path: string;
  /** A line that would make the file longer goes into a new one. */
  bytesMax: number;
  /**
   * Files that are kept, the one that is written included: at least 2, or a rotation would drop the newest
   * lines.
   */
  countMax: number;
}

/**
 * How often the name may lead to yet another file between looking and opening; more than that is not chance.
 */
const OPEN_ATTEMPTS_MAX = 16;

const NEWLINE = 0x0a;

export class LineFile {
  readonly path: string;
  readonly #bytesMax: number;
  readonly #countMax: number;
  #file: { file: Deno.FsFile; identity: FileIdentity } | undefined;
  /** Whether a line before this one lacks its end, because the disk was full or its writer was killed. */
  #isTorn = false;

  /** Touches nothing yet. */
  constructor({ path, bytesMax, countMax }: LineFileOptions) {
    if (countMax < 2) throw new RangeError(`Cannot rotate among ${countMax} files: at least 2 are needed`);
    this.path = path;
    this.#bytesMax = bytesMax;
    this.#countMax = countMax;
  }

  /**
   * Appends a line, given without its newline; the directory and the file are made when they are missing, for
   * their owner alone. Throws what kept it from that; the line, or the rest of it, is not in the file then,
   * and the next call starts anew.
   */
  append(line: string): void {
    const text = new TextEncoder().encode(line + "\n");
    const file = this.#fileFor(text.length);
    const bytes = this.#isTorn ? new Uint8Array([NEWLINE, ...text]) : text;
    const count = file.writeSync(bytes);
    if (count > 0) this.#isTorn = count < bytes.length;
    if (count < bytes.length) throw new Error("no space left on device");
  }

  close(): void {
    this.#file?.file.close();
    this.#file = undefined;
  }

  /** The file that the name leads to, with room for a line of this length. */
  #fileFor(lineBytes: number): Deno.FsFile {
    const { file, size } = this.#current();
    if (size === 0 || size + lineBytes <= this.#bytesMax) return file;
    this.#rotate();
    return this.#current().file;
  }

  /** What the name leads to, opened again when that is another file than before, or none. */
  #current(): { file: Deno.FsFile; size: number } {
    for (let attempt = 1; attempt <= OPEN_ATTEMPTS_MAX; attempt++) {
      const info = statOf(this.path);
      if (this.#file !== undefined && info !== undefined && isSameFile(this.#file.identity, info)) {
        return { file: this.#file.file, size: info.size };
      }
      this.close();
      // A named pipe would keep us waiting for its reader, and a symbolic link cannot be rotated.
      if (info !== undefined && !info.isFile) {
        throw new Error(
          `${this.path} is not a regular file; remove it, or make its directory a link instead`,
        );
      }
      if (info === undefined) makeDirectory(parentDirectory(this.path));
      const file = Deno.openSync(this.path, { append: true, create: true, read: true, mode: 0o600 });
      const { dev, ino, size } = file.statSync();
      this.#file = { file, identity: { dev, ino: Number(ino) } };
      this.#isTorn = isTorn(file, size);
    }
    throw new Error(`${this.path} is replaced again and again`);
  }

  #rotate(): void {
    let lock: FileLock;
    try {
      lock = FileLock.acquire(this.path, { create: false });
    } catch (error) {
      // Somebody else is rotating this very file, or has just done so.
      if (error instanceof FileLockedError || error instanceof Deno.errors.NotFound) return;
      throw error;
    }
    try {
      const info = statOf(this.path);
      // Renamed between opening and locking: then the file is not the one that is full.
      const isOurs = info !== undefined && isSameFile(lock.identity, info) && this.#file !== undefined &&
        isSameFile(lock.identity, this.#file.identity);
      if (isOurs) this.#shift();
    } finally {
      lock.release();
    }
  }

  /**
   * Under the lock. The file that is written moves last, so that nobody makes a new one while others still
   * move.
   */
  #shift(): void {
    for (let number = this.#countMax; removeIfThere(`${this.path}.${number}`); number++) {
      // Left from a time when more were kept.
    }
    for (let number = this.#countMax - 1; number > 1; number--) {
      renameIfThere(`${this.path}.${number - 1}`, `${this.path}.${number}`);
    }
    Deno.renameSync(this.path, `${this.path}.1`);
  }
}

/** Undefined when there is none. Links among the directories above are followed. */
function statOf(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.lstatSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

function isTorn(file: Deno.FsFile, size: number): boolean {
  if (size === 0) return false;
  const last = new Uint8Array(1);
  file.seekSync(size - 1, Deno.SeekMode.Start);
  return file.readSync(last) === 1 && last[0] !== NEWLINE;
}

/**
 * Makes a directory and those above it, where there is nothing yet. Each name is synced, because job logs may
 * come to lie beside this directory, and whoever makes theirs later sees no name left to sync.
 */
function makeDirectory(path: string): void {
  // What is there may also be a file, or a link to nowhere: opening a file in it says so.
  if (statOf(path) !== undefined) return;
  const parent = parentDirectory(path);
  if (parent !== path) makeDirectory(parent);
  try {
    Deno.mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    // Another process that starts at the same time was faster.
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
  }
  using directory = Deno.openSync(parent, { read: true });
  directory.syncSync();
}

function renameIfThere(from: string, to: string): void {
  try {
    Deno.renameSync(from, to);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

function removeIfThere(path: string): boolean {
  try {
    Deno.removeSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
