/**
 * Files that fail on purpose, over any others: they die at a chosen operation, as a killed process does, or
 * answer that the disk is full, or let something happen in between. Every operation is recorded.
 */
import type { Files, LockedFile, OpenMode, ReadableFile, WritableFile } from "../../src/platform/files.ts";
import { fileName } from "../../src/platform/path_names.ts";
import { noSpaceError } from "./disk_errors.ts";

/** The process is dead: nothing is done any more. Its locks go when what it had open is closed. */
export class Crash extends Error {}

export interface Failures {
  /** Dies instead of doing the operation of this number, counted from 0. */
  crashAt?: number;
  /** The disk takes so many bytes more. */
  diskBytes?: number;
  /** Runs before the operation whose line begins so, as often as there is one. */
  before?: { line: string; run(): Promise<void> | void };
}

/** Operations that change nothing; they count, and are left out of the trace. */
const LOOKING = /^(read|seek|size|list|stat|lstat|realPath|space|openForReading)/;

export class FailingFiles implements Files {
  /**
   * `link`, `remove a.wal` and so on, in order. What only looks is left out, and so are names' random parts.
   */
  readonly trace: string[] = [];
  /** The operation that came last, or that it died at. */
  lastLine = "";
  #operations = 0;
  #isDead = false;

  constructor(readonly files: Files, readonly failures: Failures = {}) {}

  get isDead(): boolean {
    return this.#isDead;
  }

  async step(line: string): Promise<void> {
    this.#count(line);
    if (this.failures.before !== undefined && line.startsWith(this.failures.before.line)) {
      await this.failures.before.run();
    }
  }

  #count(line: string): void {
    if (this.#isDead) throw new Crash(line);
    this.lastLine = line;
    if (this.#operations++ >= (this.failures.crashAt ?? Infinity)) {
      this.#isDead = true;
      throw new Crash(line);
    }
    if (!LOOKING.test(line)) this.trace.push(line);
  }

  async create(path: string): Promise<LockedFile> {
    await this.step(`create ${nameOf(path)}`);
    return this.#lockedFile(await this.files.create(path), nameOf(path));
  }

  async open(path: string): Promise<LockedFile> {
    await this.step(`open ${nameOf(path)}`);
    return this.#lockedFile(await this.files.open(path), nameOf(path));
  }

  async openForReading(path: string): Promise<ReadableFile> {
    const name = nameOf(path);
    await this.step(`openForReading ${name}`);
    const file = await this.files.openForReading(path);
    const step = (line: string) => this.step(`${line} ${name}`);
    return {
      read: async (into) => (await step("read"), file.read(into)),
      seek: async (offset) => (await step("seek"), file.seek(offset)),
      stat: async () => (await step("stat"), file.stat()),
      close: () => file.close(),
      [Symbol.dispose]: () => file.close(),
    };
  }

  async openForWriting(path: string, mode: OpenMode, permissions?: number): Promise<WritableFile> {
    const name = nameOf(path);
    await this.step(`openForWriting ${name}`);
    const file = await this.files.openForWriting(path, mode, permissions);
    return {
      write: (bytes) => this.#write(file, name, bytes),
      syncData: async () => (await this.step(`syncData ${name}`), file.syncData()),
      sync: async () => (await this.step(`sync ${name}`), file.sync()),
      close: () => file.close(),
      [Symbol.dispose]: () => file.close(),
    };
  }

  readText = async (path: string) => (await this.step(`readText ${nameOf(path)}`), this.files.readText(path));
  readNow = (path: string) => (this.#count(`readNow ${nameOf(path)}`), this.files.readNow(path));

  async writeText(path: string, text: string, mode: OpenMode, permissions?: number): Promise<void> {
    await this.step(`writeText ${nameOf(path)}`);
    await this.files.writeText(path, text, mode, permissions);
  }

  async link(existingPath: string, newPath: string): Promise<boolean> {
    await this.step(`link ${nameOf(existingPath)} ${nameOf(newPath)}`);
    return this.files.link(existingPath, newPath);
  }

  async symlink(target: string, path: string): Promise<void> {
    await this.step(`symlink ${nameOf(path)}`);
    await this.files.symlink(target, path);
  }

  async rename(from: string, to: string): Promise<void> {
    await this.step(`rename ${nameOf(from)} ${nameOf(to)}`);
    await this.files.rename(from, to);
  }

  async remove(path: string): Promise<void> {
    await this.step(`remove ${nameOf(path)}`);
    await this.files.remove(path);
  }

  removeNow = (path: string) => (this.#count(`remove ${nameOf(path)}`), this.files.removeNow(path));
  removeTreeNow = (path: string) => (this.#count(`remove ${nameOf(path)}`), this.files.removeTreeNow(path));

  async syncDirectory(path: string): Promise<void> {
    await this.step(`syncDirectory ${nameOf(path)}`);
    await this.files.syncDirectory(path);
  }

  async makeDirectory(path: string): Promise<void> {
    await this.step(`makeDirectory ${nameOf(path)}`);
    await this.files.makeDirectory(path);
  }

  async setModified(path: string, mtime: Date): Promise<void> {
    await this.step(`setModified ${nameOf(path)}`);
    await this.files.setModified(path, mtime);
  }

  async setPermissions(path: string, permissions: number): Promise<void> {
    await this.step(`setPermissions ${nameOf(path)}`);
    await this.files.setPermissions(path, permissions);
  }

  list = async (path: string) => (await this.step(`list ${nameOf(path)}`), this.files.list(path));
  stat = async (path: string) => (await this.step(`stat ${nameOf(path)}`), this.files.stat(path));
  lstat = async (path: string) => (await this.step(`lstat ${nameOf(path)}`), this.files.lstat(path));
  lstatNow = (path: string) => (this.#count(`lstat ${nameOf(path)}`), this.files.lstatNow(path));
  realPath = async (path: string) => (await this.step(`realPath ${nameOf(path)}`), this.files.realPath(path));
  readLink = async (path: string) => (await this.step(`readLink ${nameOf(path)}`), this.files.readLink(path));
  space = async (path: string) => (await this.step(`space ${nameOf(path)}`), this.files.space(path));

  makeTemporaryDirectory = (prefix: string) => this.files.makeTemporaryDirectory(prefix);
  makeTemporaryFileNow = (prefix: string) => this.files.makeTemporaryFileNow(prefix);

  lockDirectory(path: string, mode: "shared" | "exclusive") {
    this.#count(`lockDirectory ${nameOf(path)}`);
    return this.files.lockDirectory(path, mode);
  }

  lockTable = () => this.files.lockTable();
  uniqueName = () => this.files.uniqueName();

  async #write(file: Pick<LockedFile, "write">, name: string, bytes: Uint8Array): Promise<number> {
    await this.step(`write ${name}`);
    const { failures } = this;
    if (failures.diskBytes === undefined) return file.write(bytes);
    if (failures.diskBytes === 0) throw noSpaceError();
    const taken = Math.min(bytes.length, failures.diskBytes);
    failures.diskBytes -= taken;
    return file.write(bytes.subarray(0, taken));
  }

  #lockedFile(file: LockedFile, name: string): LockedFile {
    const step = (line: string) => this.step(`${line} ${name}`);
    return {
      read: async (into, offset) => (await step("read"), file.read(into, offset)),
      write: (bytes) => this.#write(file, name, bytes),
      truncate: async (length) => (await step("truncate"), file.truncate(length)),
      syncData: async () => (await step("syncData"), file.syncData()),
      sync: async () => (await step("sync"), file.sync()),
      size: async () => (await step("size"), file.size()),
      close: () => file.close(),
    };
  }
}

function nameOf(path: string): string {
  return fileName(path).replace(/\.tmp-.*/, ".tmp");
}
