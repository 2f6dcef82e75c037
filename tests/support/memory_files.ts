/**
 * A disk in memory, with all that `Files` promises and nothing more: it tells what was written from what is
 * on stable storage, fills up, fails on purpose, and loses its power. The suite in `files_contract.ts` holds
 * for it and for the real disk.
 *
 * - Everything that was done is seen by everybody at once, as with one kernel: names, bytes, lengths, times,
 *   locks.
 * - `crash(keeps)` is the disk after a power cut. Synced bytes are there, and so are synced names. Of what
 *   was not synced any part may be there: of writes page by page and in any combination, which is more than
 *   real disks do to us; of names each change for itself, but a rename is whole or not there at all, as
 *   journals have it. What a failed sync was to save counts as unsynced for ever. Permissions and times that
 *   were set are lost unless `sync` came after them. No lock is held.
 * - `restart()` is the disk as the next process finds it after this one was killed: everything is as it was,
 *   synced or not, and no lock is held. What was open belongs to the dead process and to its own, old disk.
 * - Permissions and owners are remembered and not enforced. Times are those of files' bytes, by the clock.
 *   There is one file system.
 */
import {
  type FileEntry,
  type FileInfo,
  type Files,
  type FileSystemSpace,
  type HeldLock,
  type LockedFile,
  type OpenMode,
  type ReadableFile,
  type WritableFile,
  writeAll,
} from "../../src/platform/files.ts";
import { parentDirectory } from "../../src/platform/path_names.ts";
import type { LockTable } from "../../src/platform/lock_table.ts";
import {
  FilesystemLoop,
  IsADirectory,
  NotFound,
  PermissionDenied,
} from "../../src/platform/system_errors.ts";
import { invalidArgumentError } from "./disk_errors.ts";
import { DEFAULT_TOTAL_BYTES, type DiskOptions, MemoryDisk } from "./memory_disk.ts";
import { type Faults, lockedFile, readableFile, writableFile } from "./memory_handles.ts";
import { type Attributes, DirectoryNode, FileNode, type Keeps, LinkNode } from "./memory_nodes.ts";

export type { Faults };

/** ext4, by the number that statfs(2) has for it. */
const EXT4 = 0xef53;
const INODES = 1_000_000;

export class MemoryFiles implements Files {
  readonly #disk: MemoryDisk;

  constructor(options: DiskOptions = {}, disk = new MemoryDisk(options)) {
    this.#disk = disk;
  }

  /** The disk after a power cut. `keeps` decides of each unsynced piece whether it is there. */
  crash(keeps: Keeps): MemoryFiles {
    return new MemoryFiles({}, this.#disk.next(this.#disk.tree.crashed(keeps)));
  }

  /** The disk as the next process finds it after this one was killed. */
  restart(): MemoryFiles {
    return new MemoryFiles({}, this.#disk.next(this.#disk.tree.copy()));
  }

  /** What goes wrong from now on. */
  get faults(): Faults {
    return this.#disk.faults;
  }

  set faults(faults: Faults) {
    this.#disk.faults = faults;
  }

  /** Every change and every sync, in order, with the path that it was about in the end: `rename /new`. */
  get calls(): string[] {
    return this.#disk.calls;
  }

  /** All that is no directory, sorted. */
  paths(): string[] {
    return [...this.#disk.tree.files()].map(({ path }) => path).sort();
  }

  content(path: string): Uint8Array<ArrayBuffer> {
    return this.#disk.file(path).content.slice();
  }

  /** Puts a file there, stable, as if it always had been; and the directories above it. */
  put(path: string, content: Uint8Array | string, attributes: Partial<Attributes> = {}): void {
    const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
    const all = { ...this.#disk.attributes(0o600), ...attributes };
    this.#disk.put(path, (number) => new FileNode(number, all, bytes));
  }

  putLink(target: string, path: string): void {
    this.#disk.put(path, (number) => new LinkNode(number, target, this.#disk.attributes(0o777)));
  }

  putDirectory(path: string): void {
    this.#disk.putDirectory(path);
  }

  async create(path: string): Promise<LockedFile> {
    await this.#disk.asked("create", path);
    const node = this.#disk.makeFile(path, 0o600, { follow: false });
    return lockedFile(this.#disk, node, this.#disk.lock(path, node, "exclusive"));
  }

  async open(path: string): Promise<LockedFile> {
    await this.#disk.asked("open", path);
    const { node } = this.#disk.find(path, { follow: false });
    if (node instanceof LinkNode) throw new FilesystemLoop(`${path} is a symbolic link (os error 40)`);
    if (node instanceof DirectoryNode) throw new IsADirectory(`${path} is a directory (os error 21)`);
    return lockedFile(this.#disk, node, this.#disk.lock(path, node, "exclusive"));
  }

  async openForReading(path: string): Promise<ReadableFile> {
    await this.#disk.asked("open", path);
    return readableFile(this.#disk, this.#disk.target(path));
  }

  async openForWriting(path: string, mode: OpenMode, permissions = 0o600): Promise<WritableFile> {
    const disk = this.#disk;
    await disk.asked("open", path);
    if (mode === "new") return writableFile(disk, disk.makeFile(path, permissions, { follow: false }));
    const isThere = disk.tree.find(path, { follow: true }).node !== undefined;
    if (mode === "replaced" && !isThere) {
      return writableFile(disk, disk.makeFile(path, permissions, { follow: true }));
    }
    const file = disk.file(path);
    if (mode === "replaced") file.change({ length: 0 }, disk.nowMs());
    return writableFile(disk, file);
  }

  async readText(path: string): Promise<string> {
    await this.#disk.asked("open", path);
    await this.#disk.asked("read", path);
    return new TextDecoder().decode(this.#disk.file(path).content);
  }

  readNow(path: string): Uint8Array {
    this.#disk.askedNow("open", path);
    this.#disk.askedNow("read", path);
    return this.content(path);
  }

  async writeText(path: string, text: string, mode: OpenMode, permissions?: number): Promise<void> {
    using file = await this.openForWriting(path, mode, permissions);
    await writeAll(file, new TextEncoder().encode(text));
  }

  async link(existingPath: string, newPath: string): Promise<boolean> {
    await this.#disk.asked("link", newPath);
    const { node } = this.#disk.find(existingPath, { follow: false });
    if (node instanceof DirectoryNode) {
      throw new PermissionDenied(`${existingPath} is a directory (os error 1)`);
    }
    const place = this.#disk.tree.find(newPath, { follow: false });
    if (place.node !== undefined) return false;
    if (node instanceof FileNode) node.path = place.path;
    this.#disk.tree.change({ directory: place.directory, name: place.name, to: node });
    this.calls.push(`link ${place.path}`);
    return true;
  }

  async symlink(target: string, path: string): Promise<void> {
    await this.#disk.asked("symlink", path);
    const place = this.#disk.free(path, { follow: false });
    const to = new LinkNode(this.#disk.nextNumber(), target, this.#disk.attributes(0o777));
    this.#disk.tree.change({ directory: place.directory, name: place.name, to });
    this.calls.push(`symlink ${place.path}`);
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#disk.asked("rename", to);
    const old = this.#disk.find(from, { follow: false });
    const { node } = old;
    const place = this.#disk.tree.find(to, { follow: false });
    if (place.node === node) return;
    if (node instanceof DirectoryNode) {
      if (`${place.path}/`.startsWith(`${old.path}/`)) throw invalidArgumentError();
      if (place.node !== undefined) this.#disk.checkIsEmptyDirectory(place.node, to);
    } else if (place.node instanceof DirectoryNode) {
      throw new IsADirectory(`${to} is a directory (os error 21)`);
    }
    if (node instanceof FileNode) node.path = place.path;
    this.#disk.tree.change(
      { directory: place.directory, name: place.name, to: node },
      { directory: old.directory, name: old.name, to: undefined },
    );
    this.calls.push(`rename ${place.path}`);
  }

  async remove(path: string): Promise<void> {
    await this.#disk.asked("remove", path);
    this.#remove(path);
  }

  removeNow(path: string): void {
    this.#disk.askedNow("remove", path);
    this.#remove(path);
  }

  removeTreeNow(path: string): void {
    const { node } = this.#disk.find(path, { follow: false });
    if (node instanceof DirectoryNode) {
      for (const name of [...node.entries.keys()]) this.removeTreeNow(`${path}/${name}`);
    }
    this.removeNow(path);
  }

  #remove(path: string): void {
    const { node, directory, name, path: its } = this.#disk.find(path, { follow: false });
    if (node instanceof DirectoryNode) this.#disk.checkIsEmptyDirectory(node, path);
    this.#disk.tree.change({ directory, name, to: undefined });
    this.calls.push(`remove ${its}`);
  }

  async syncDirectory(path: string): Promise<void> {
    await this.#disk.asked("sync", path);
    this.#disk.tree.syncDirectory(this.#disk.directory(path));
    this.calls.push(`sync ${this.#disk.find(path, { follow: true }).path}`);
  }

  async makeDirectory(path: string): Promise<void> {
    await this.#disk.asked("makeDirectory", path);
    const missing: string[] = [];
    for (let at = path; !this.#isDirectory(at); at = parentDirectory(at)) missing.push(at);
    for (const at of missing.reverse()) {
      this.#disk.makeDirectory(at);
      await this.syncDirectory(parentDirectory(at));
    }
  }

  #isDirectory(path: string): boolean {
    try {
      return this.#disk.isDirectory(path);
    } catch (error) {
      if (error instanceof NotFound) return false;
      throw error;
    }
  }

  async setModified(path: string, mtime: Date): Promise<void> {
    await this.#disk.asked("setModified", path);
    this.#setAttributes(path, { mtimeMs: mtime.getTime() });
    this.calls.push(`setModified ${path}`);
  }

  async setPermissions(path: string, permissions: number): Promise<void> {
    await this.#disk.asked("setPermissions", path);
    this.#setAttributes(path, { permissions });
    this.calls.push(`setPermissions ${path}`);
  }

  #setAttributes(path: string, attributes: Partial<Attributes>): void {
    const node = this.#disk.target(path);
    node.attributes = { ...node.attributes, ...attributes };
  }

  /** The newest first: nobody may rely on an order. */
  async list(directory: string): Promise<FileEntry[]> {
    await this.#disk.asked("list", directory);
    return [...this.#disk.directory(directory).entries].reverse().map(([name, node]) => ({
      name,
      isFile: node instanceof FileNode,
      isDirectory: node instanceof DirectoryNode,
      isSymlink: node instanceof LinkNode,
    }));
  }

  async stat(path: string): Promise<FileInfo> {
    await this.#disk.asked("stat", path);
    return this.#disk.infoOf(this.#disk.target(path));
  }

  async lstat(path: string): Promise<FileInfo> {
    await this.#disk.asked("stat", path);
    return this.#disk.infoOf(this.#disk.find(path, { follow: false }).node);
  }

  lstatNow(path: string): FileInfo {
    this.#disk.askedNow("stat", path);
    return this.#disk.infoOf(this.#disk.find(path, { follow: false }).node);
  }

  async realPath(path: string): Promise<string> {
    await this.#disk.asked("realPath", path);
    return this.#disk.find(path, { follow: true }).path;
  }

  async readLink(path: string): Promise<string> {
    await this.#disk.asked("readLink", path);
    const { node } = this.#disk.find(path, { follow: false });
    if (!(node instanceof LinkNode)) throw invalidArgumentError();
    return node.target;
  }

  async space(path: string): Promise<FileSystemSpace> {
    await this.#disk.asked("space", path);
    this.#disk.target(path);
    const totalBytes = this.#disk.options.totalBytes ?? DEFAULT_TOTAL_BYTES;
    const used = this.#disk.used();
    return {
      type: EXT4,
      totalBytes,
      freeBytes: Math.max(0, totalBytes - used.bytes),
      totalInodes: INODES,
      freeInodes: INODES - used.nodes,
    };
  }

  // deno-lint-ignore require-await -- callers handle a rejection, never a throw
  async makeTemporaryDirectory(prefix: string): Promise<string> {
    this.#disk.putDirectory("/tmp");
    const path = `/tmp/${prefix}${this.#disk.nextNumber()}`;
    this.#disk.makeDirectory(path);
    return path;
  }

  makeTemporaryFileNow(prefix: string): string {
    this.#disk.putDirectory("/tmp");
    const path = `/tmp/${prefix}${this.#disk.nextNumber()}`;
    this.#disk.makeFile(path, 0o600, { follow: false });
    return path;
  }

  lockDirectory(path: string, mode: "shared" | "exclusive"): HeldLock {
    const node = this.#disk.directory(path);
    return {
      isOf: (other) => this.#disk.tree.find(other, { follow: true }).node === node,
      release: this.#disk.lock(path, node, mode),
    };
  }

  lockTable(): LockTable {
    return this.#disk.lockTable();
  }

  /** Made like the system's, because names that have one in them are known by its look. */
  uniqueName(): string {
    return `00000000-0000-4000-8000-${this.#disk.nextNumber().toString(16).padStart(12, "0")}`;
  }
}
