/**
 * Open files of the disk in memory.
 */
import type { FileInfo, LockedFile, ReadableFile, WritableFile } from "../../src/platform/files.ts";
import { IsADirectory } from "../../src/platform/system_errors.ts";
import { noSpaceError } from "./disk_errors.ts";
import { type DirectoryNode, FileNode } from "./memory_nodes.ts";

/** What is played. Each is asked before the disk does something; throwing makes it fail. */
export type Faults =
  & {
    /** Also awaited where the call itself is, to hold it. */
    [operation in Exclude<Operation, "write">]?: (path: string) => void | Promise<void>;
  }
  & {
    /** How many of these bytes are taken. */
    write?(path: string, bytes: number): number;
  };

/**
 * `sync`: of a file's data, of a file, or of a directory. `open`: in any way. `stat`: of a link itself as
 * well.
 */
export type Operation =
  | "create"
  | "open"
  | "read"
  | "write"
  | "truncate"
  | "sync"
  | "link"
  | "symlink"
  | "rename"
  | "remove"
  | "makeDirectory"
  | "setModified"
  | "setPermissions"
  | "list"
  | "stat"
  | "realPath"
  | "readLink"
  | "space";

/** What open files need of their disk. */
export interface HandleDisk {
  readonly faults: Faults;
  readonly calls: string[];
  nowMs(): number;
  /** Bytes that may still be written. */
  freeBytes(): number;
  infoOf(node: FileNode | DirectoryNode): FileInfo;
}

/** One way to an open file; nothing may be done with it once it is closed. */
class Handle {
  readonly disk: HandleDisk;
  #isOpen = true;
  #isChanging = false;

  constructor(disk: HandleDisk, readonly node: FileNode | DirectoryNode) {
    this.disk = disk;
  }

  get file(): FileNode {
    if (!this.#isOpen) throw new Deno.errors.BadResource("the file was closed");
    if (!(this.node instanceof FileNode)) throw new IsADirectory("Is a directory (os error 21)");
    return this.node;
  }

  /** Returns whether it was open. */
  close(): boolean {
    const wasOpen = this.#isOpen;
    this.#isOpen = false;
    return wasOpen;
  }

  async read(into: Uint8Array, offset: number): Promise<number> {
    await this.disk.faults.read?.(this.file.path);
    const bytes = this.file.content.subarray(offset, offset + into.length);
    into.set(bytes);
    return bytes.length;
  }

  async write(bytes: Uint8Array, offset: () => number): Promise<number> {
    return await this.#alone(() => {
      const { file, disk } = this;
      const count = disk.faults.write?.(file.path, bytes.length) ?? bytes.length;
      const taken = Math.min(count, disk.freeBytes());
      if (taken === 0 && count > 0) throw noSpaceError();
      file.change({ offset: offset(), bytes: bytes.slice(0, taken) }, disk.nowMs());
      disk.calls.push(`write ${file.path}`);
      return taken;
    });
  }

  async truncate(length: number): Promise<void> {
    await this.#alone(async () => {
      await this.disk.faults.truncate?.(this.file.path);
      this.file.change({ length }, this.disk.nowMs());
      this.disk.calls.push(`truncate ${this.file.path}`);
    });
  }

  async sync(withAttributes: boolean): Promise<void> {
    await this.#alone(async () => {
      const { file, disk } = this;
      try {
        await disk.faults.sync?.(file.path);
      } catch (error) {
        file.syncFailed();
        throw error;
      }
      disk.calls.push(`sync ${file.path}`);
      file.synced(withAttributes);
    });
  }

  /** The callers of `LockedFile` promise that only one change or sync is under way. */
  async #alone<T>(act: () => T | Promise<T>): Promise<T> {
    if (this.#isChanging) throw new Error(`${this.file.path} is changed twice at the same time`);
    this.#isChanging = true;
    try {
      await undefined;
      return await act();
    } finally {
      this.#isChanging = false;
    }
  }
}

export function lockedFile(disk: HandleDisk, node: FileNode, release: () => void): LockedFile {
  const handle = new Handle(disk, node);
  return {
    async read(into, offset) {
      await undefined;
      return await handle.read(into, offset);
    },
    write: (bytes) => handle.write(bytes, () => node.content.length),
    truncate: (length) => handle.truncate(length),
    syncData: () => handle.sync(false),
    sync: () => handle.sync(true),
    // deno-lint-ignore require-await -- callers handle a rejection, never a throw
    size: async () => handle.file.content.length,
    close: () => {
      if (handle.close()) release();
    },
  };
}

export function readableFile(disk: HandleDisk, node: FileNode | DirectoryNode): ReadableFile {
  const handle = new Handle(disk, node);
  let position = 0;
  const close = () => void handle.close();
  return {
    async read(into) {
      const count = await handle.read(into, position);
      position += count;
      return count;
    },
    async seek(offset) {
      await undefined;
      position = offset;
    },
    async stat() {
      await undefined;
      return disk.infoOf(node);
    },
    close,
    [Symbol.dispose]: close,
  };
}

export function writableFile(disk: HandleDisk, node: FileNode): WritableFile {
  const handle = new Handle(disk, node);
  let position = 0;
  const close = () => void handle.close();
  return {
    async write(bytes) {
      const count = await handle.write(bytes, () => position);
      position += count;
      return count;
    },
    syncData: () => handle.sync(false),
    sync: () => handle.sync(true),
    close,
    [Symbol.dispose]: close,
  };
}
