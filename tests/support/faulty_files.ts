/**
 * A disk in memory that tells what was written from what is on stable storage, fills up, fails, and loses its power.
 *
 * Every write, truncation and change of a name is remembered until a sync of its file or directory makes it stable. `crash` gives
 * the disk that is found afterwards: of what was not stable, any part may be there, page by page and in any combination, which is
 * more than real disks do to us.
 */
import { FileLockedError } from "../../src/platform/file_lock.ts";
import { type LockedFile, type LogFiles, parentDirectory } from "../../src/platform/files.ts";

/** What is played. Each is asked before the disk does something; throwing makes it fail. */
export interface Faults {
  /** How many of these bytes are taken. */
  write?(path: string, bytes: number): number;
  /** May also be awaited, to hold a sync. */
  sync?(path: string): void | Promise<void>;
  truncate?(path: string, length: number): void;
  read?(path: string): void;
  link?(path: string): void;
}

type Change = { offset: number; bytes: Uint8Array } | { length: number };

interface Inode {
  /** The name it was given last. */
  path: string;
  content: Uint8Array;
  stable: Uint8Array;
  /** Not synced yet. */
  changes: Change[];
  /** Were to be synced when that failed: as on Linux, no later sync will try again. */
  abandoned: Change[];
  locked: boolean;
}

interface NameChange {
  path: string;
  inode: Inode | undefined;
}

const PAGE_BYTES = 4096;

function apply(content: Uint8Array, change: Change): Uint8Array {
  if ("length" in change) {
    const cut = new Uint8Array(change.length);
    cut.set(content.subarray(0, change.length));
    return cut;
  }
  const end = change.offset + change.bytes.length;
  const grown = end > content.length ? apply(content, { length: end }) : content.slice();
  grown.set(change.bytes, change.offset);
  return grown;
}

function* pages(change: Change): Generator<Change> {
  if ("length" in change) return yield change;
  for (let at = 0; at < change.bytes.length;) {
    const end = at + PAGE_BYTES - (change.offset + at) % PAGE_BYTES;
    yield { offset: change.offset + at, bytes: change.bytes.subarray(at, end) };
    at = end;
  }
}

export class FaultyFiles implements LogFiles {
  faults: Faults = {};
  /** Every system call that matters for durability, in order. */
  readonly calls: string[] = [];
  #names = new Map<string, Inode>();
  #stableNames = new Map<string, Inode>();
  #nameChanges: NameChange[] = [];

  /** The disk after a power cut. `keeps` decides of each unsynced piece whether it is there. */
  crash(keeps: () => boolean): FaultyFiles {
    const found = new FaultyFiles();
    const names = new Map(this.#stableNames);
    for (const { path, inode } of this.#nameChanges) {
      if (!keeps()) continue;
      if (inode === undefined) names.delete(path);
      else names.set(path, inode);
    }
    const copies = new Map<Inode, Inode>();
    for (const [path, inode] of names) {
      let copy = copies.get(inode);
      if (copy === undefined) {
        let content = inode.stable;
        for (const change of [...inode.abandoned, ...inode.changes]) {
          for (const page of pages(change)) if (keeps()) content = apply(content, page);
        }
        copy = { path, content, stable: content, changes: [], abandoned: [], locked: false };
        copies.set(inode, copy);
      }
      found.#names.set(path, copy);
      found.#stableNames.set(path, copy);
    }
    return found;
  }

  /** The disk as the next process finds it after this one was killed: everything written is there, and no lock. */
  restart(): FaultyFiles {
    return this.crash(() => true);
  }

  paths(): string[] {
    return [...this.#names.keys()].sort();
  }

  content(path: string): Uint8Array {
    return this.#find(path).content.slice();
  }

  /** Puts a file there, stable, as if it always had been. */
  put(path: string, content: Uint8Array): void {
    const inode: Inode = {
      path,
      content: content.slice(),
      stable: content.slice(),
      changes: [],
      abandoned: [],
      locked: false,
    };
    this.#names.set(path, inode);
    this.#stableNames.set(path, inode);
  }

  // deno-lint-ignore require-await -- callers handle a rejection, never a throw
  async create(path: string): Promise<LockedFile> {
    if (this.#names.has(path)) throw new Deno.errors.AlreadyExists(path);
    const inode: Inode = {
      path,
      content: new Uint8Array(),
      stable: new Uint8Array(),
      changes: [],
      abandoned: [],
      locked: false,
    };
    this.#rename(path, inode);
    return this.#lock(path, inode);
  }

  // deno-lint-ignore require-await -- callers handle a rejection, never a throw
  async open(path: string): Promise<LockedFile> {
    return this.#lock(path, this.#find(path));
  }

  // deno-lint-ignore require-await -- callers handle a rejection, never a throw
  async link(existingPath: string, newPath: string): Promise<boolean> {
    this.faults.link?.(newPath);
    if (this.#names.has(newPath)) return false;
    this.#rename(newPath, this.#find(existingPath));
    this.calls.push(`link ${newPath}`);
    return true;
  }

  // deno-lint-ignore require-await -- callers handle a rejection, never a throw
  async remove(path: string): Promise<void> {
    this.#find(path);
    this.#rename(path, undefined);
  }

  async syncDirectory(path: string): Promise<void> {
    await this.faults.sync?.(path);
    this.calls.push(`sync ${path}`);
    this.#nameChanges = this.#nameChanges.filter((change) => {
      if (parentDirectory(change.path) !== path) return true;
      if (change.inode === undefined) this.#stableNames.delete(change.path);
      else this.#stableNames.set(change.path, change.inode);
      return false;
    });
  }

  makeDirectory(): Promise<void> {
    return Promise.resolve();
  }

  #find(path: string): Inode {
    const inode = this.#names.get(path);
    if (inode === undefined) throw new Deno.errors.NotFound(path);
    return inode;
  }

  #rename(path: string, inode: Inode | undefined): void {
    if (inode === undefined) this.#names.delete(path);
    else this.#names.set(path, inode);
    if (inode !== undefined) inode.path = path;
    this.#nameChanges.push({ path, inode });
  }

  #lock(path: string, inode: Inode): LockedFile {
    if (inode.locked) throw new FileLockedError(path, Deno.pid);
    inode.locked = true;
    let open = true;
    const change = (made: Change) => {
      if (!open) throw new Deno.errors.BadResource(path);
      inode.content = apply(inode.content, made);
      inode.changes.push(made);
    };
    const sync = async () => {
      try {
        await this.faults.sync?.(inode.path);
      } catch (error) {
        inode.abandoned.push(...inode.changes.splice(0));
        throw error;
      }
      this.calls.push(`sync ${inode.path}`);
      for (const one of inode.changes.splice(0)) inode.stable = apply(inode.stable, one);
    };
    return {
      read: async (into, offset) => {
        await undefined;
        if (!open) throw new Deno.errors.BadResource(path);
        this.faults.read?.(inode.path);
        const bytes = inode.content.subarray(offset, offset + into.length);
        into.set(bytes);
        return bytes.length;
      },
      write: async (bytes) => {
        await undefined;
        const count = this.faults.write?.(inode.path, bytes.length) ?? bytes.length;
        change({ offset: inode.content.length, bytes: bytes.slice(0, count) });
        this.calls.push(`write ${inode.path}`);
        return count;
      },
      truncate: async (length) => {
        await undefined;
        this.faults.truncate?.(inode.path, length);
        change({ length });
      },
      syncData: sync,
      sync,
      size: () => Promise.resolve(inode.content.length),
      close: () => {
        if (open) inode.locked = false;
        open = false;
      },
    };
  }
}

/** What the system reports when a disk is full. */
export function noSpaceError(): Error {
  return Object.assign(new Error("No space left on device (os error 28)"), { code: "ENOSPC" });
}

/** What the system reports when a disk fails. */
export function inputOutputError(): Error {
  return Object.assign(new Error("Input/output error (os error 5)"), { code: "EIO" });
}
