/**
 * What the disk in memory is made of, below the calls of `MemoryFiles`: nodes by path, their attributes,
 * locks and the room that they take.
 */
import { FileLockedError } from "../../src/platform/file_lock.ts";
import type { FileInfo } from "../../src/platform/files.ts";
import { parentDirectory } from "../../src/platform/path_names.ts";
import type { LockTable } from "../../src/platform/lock_table.ts";
import { AlreadyExists, IsADirectory, NotADirectory, NotFound } from "../../src/platform/system_errors.ts";
import { notEmptyError } from "./disk_errors.ts";
import type { Faults, HandleDisk, Operation } from "./memory_handles.ts";
import { type Attributes, DirectoryNode, FileNode, LinkNode, type Node } from "./memory_nodes.ts";
import { MemoryTree, type Place } from "./memory_tree.ts";

export interface DiskOptions {
  /** For the times of files; without it, it is always the same moment. */
  clock?: { nowMs(): number };
  /** How much the disk takes; without it, it is never full. */
  totalBytes?: number;
  /** Of the process that makes all this, as errors and the lock table name it. */
  pid?: number;
}

type Lock = { mode: "shared" | "exclusive"; holders: number };

const DEFAULT_NOW_MS = 1_700_000_000_000;
export const DEFAULT_TOTAL_BYTES = 1e12;
const DEFAULT_PID = 4711;
const OWNER = 1000;
const DEVICE = 1;

const FILE_TYPE = 0o100000;
const DIRECTORY_TYPE = 0o40000;
const LINK_TYPE = 0o120000;

export class MemoryDisk implements HandleDisk {
  faults: Faults = {};
  readonly calls: string[] = [];
  readonly tree: MemoryTree;
  readonly #locks = new Map<Node, Lock>();
  #lastNumber: number;

  constructor(readonly options: DiskOptions, tree?: MemoryTree, lastNumber = 1) {
    this.tree = tree ?? new MemoryTree(new DirectoryNode(1, this.attributes(0o755)));
    this.#lastNumber = lastNumber;
  }

  /** What the next process has of this disk. */
  next(tree: MemoryTree): MemoryDisk {
    return new MemoryDisk(this.options, tree, this.#lastNumber);
  }

  nowMs(): number {
    return this.options.clock?.nowMs() ?? DEFAULT_NOW_MS;
  }

  /** One that nothing else here has had. */
  nextNumber(): number {
    return ++this.#lastNumber;
  }

  attributes(permissions: number): Attributes {
    return { permissions, uid: OWNER, gid: OWNER, mtimeMs: this.nowMs() };
  }

  async asked(operation: Exclude<Operation, "write">, path: string): Promise<void> {
    await this.faults[operation]?.(path);
  }

  /** For calls that are done when they return. */
  askedNow(operation: Exclude<Operation, "write">, path: string): void {
    if (this.faults[operation]?.(path) !== undefined) throw new Error(`${operation} cannot be held here`);
  }

  /** @throws {NotFound} and the like */
  find(path: string, { follow }: { follow: boolean }): Place & { node: Node } {
    const { node, ...place } = this.tree.find(path, { follow });
    if (node === undefined) throw new NotFound(`${path}: no such file or directory (os error 2)`);
    return { ...place, node };
  }

  /** What a path leads to over all links. */
  target(path: string): FileNode | DirectoryNode {
    const { node } = this.find(path, { follow: true });
    if (node instanceof LinkNode) throw new Error("a link was followed, and a link was found");
    return node;
  }

  file(path: string): FileNode {
    const node = this.target(path);
    if (node instanceof DirectoryNode) throw new IsADirectory(`${path} is a directory (os error 21)`);
    return node;
  }

  directory(path: string): DirectoryNode {
    const node = this.target(path);
    if (node instanceof FileNode) throw new NotADirectory(`${path} is a file (os error 20)`);
    return node;
  }

  /** @throws {AlreadyExists} */
  free(path: string, { follow }: { follow: boolean }): Place {
    const place = this.tree.find(path, { follow });
    if (place.node !== undefined) throw new AlreadyExists(`${path} exists (os error 17)`);
    return place;
  }

  makeFile(path: string, permissions: number, { follow }: { follow: boolean }): FileNode {
    const place = this.free(path, { follow });
    const file = new FileNode(this.nextNumber(), this.attributes(permissions));
    file.path = place.path;
    this.tree.change({ directory: place.directory, name: place.name, to: file });
    this.calls.push(`create ${place.path}`);
    return file;
  }

  makeDirectory(path: string): void {
    const place = this.free(path.replace(/\/+$/, ""), { follow: false });
    const to = new DirectoryNode(this.nextNumber(), this.attributes(0o700));
    this.tree.change({ directory: place.directory, name: place.name, to });
    this.calls.push(`makeDirectory ${place.path}`);
  }

  /** Whether there is a directory; anything else in its place is an error. */
  isDirectory(path: string): boolean {
    const { node } = this.tree.find(path, { follow: true });
    if (node === undefined) return false;
    this.directory(path);
    return true;
  }

  checkIsEmptyDirectory(node: Node, path: string): void {
    if (!(node instanceof DirectoryNode)) throw new NotADirectory(`${path} is a file (os error 20)`);
    if (node.entries.size > 0) throw notEmptyError();
  }

  /** Puts a node there, stable, as if it always had been, and directories above it. */
  put(path: string, makeNode: (number: number) => FileNode | LinkNode): void {
    this.putDirectory(parentDirectory(path));
    const { directory, name, path: its } = this.tree.find(path, { follow: false });
    const node = makeNode(this.nextNumber());
    if (node instanceof FileNode) node.path = its;
    this.tree.put(directory, name, node);
  }

  putDirectory(path: string): void {
    let at = "";
    for (const name of path.split("/").filter((name) => name !== "")) {
      at += `/${name}`;
      const { directory, node } = this.tree.find(at, { follow: true });
      if (node !== undefined) continue;
      this.tree.put(directory, name, new DirectoryNode(this.nextNumber(), this.attributes(0o700)));
    }
  }

  /** Returns how to let go of the lock. */
  lock(path: string, node: Node, mode: Lock["mode"]): () => void {
    const held = this.#locks.get(node);
    if (held !== undefined && (held.mode === "exclusive" || mode === "exclusive")) {
      throw new FileLockedError(path, this.#pid, true);
    }
    const lock = held ?? { mode, holders: 0 };
    lock.holders++;
    this.#locks.set(node, lock);
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      if (--lock.holders === 0) this.#locks.delete(node);
    };
  }

  get #pid(): number {
    return this.options.pid ?? DEFAULT_PID;
  }

  lockTable(): LockTable {
    // As the kernel's list, it says how things were when it was read.
    const locked = new Set<number>();
    for (const [{ ino }, { mode }] of this.#locks) if (mode === "exclusive") locked.add(ino);
    const isLocked = ({ dev, ino }: { dev: number; ino: number }) => dev === DEVICE && locked.has(ino);
    return { isLocked, ownerOf: (file) => isLocked(file) ? { pid: this.#pid } : undefined };
  }

  /** How many files and links there are, and the bytes in them. */
  used(): { nodes: number; bytes: number } {
    const nodes = new Set([...this.tree.files()].map(({ node }) => node));
    let bytes = 0;
    for (const node of nodes) if (node instanceof FileNode) bytes += node.content.length;
    return { nodes: nodes.size, bytes };
  }

  freeBytes(): number {
    const { totalBytes } = this.options;
    return totalBytes === undefined ? Infinity : Math.max(0, totalBytes - this.used().bytes);
  }

  infoOf(node: Node): FileInfo {
    const { permissions, uid, gid, mtimeMs } = node.attributes;
    const [isFile, isDirectory] = [node instanceof FileNode, node instanceof DirectoryNode];
    const type = isFile ? FILE_TYPE : isDirectory ? DIRECTORY_TYPE : LINK_TYPE;
    return {
      isFile,
      isDirectory,
      isSymlink: node instanceof LinkNode,
      size: node instanceof FileNode
        ? node.content.length
        : node instanceof LinkNode
        ? node.target.length
        : 0,
      mtime: new Date(mtimeMs),
      mode: type | permissions,
      uid,
      gid,
      dev: DEVICE,
      ino: node.ino,
    };
  }
}
