/**
 * Files that fail on purpose, for the tests of this directory: they die at a chosen operation, as a killed
 * process does, or answer that the disk is full. Every operation is recorded.
 */
import { fileName, type LockedFile, type LogFiles } from "../../src/platform/files.ts";
import { systemFiles } from "../../src/platform/system_files.ts";

/** The process is dead: nothing is done any more, and the kernel gives its locks back. */
export class Crash extends Error {}

export interface Faults {
  /** Dies instead of doing the operation of this number, counted from 0. */
  crashAt?: number;
  /** The disk takes so many bytes more. */
  diskBytes?: number;
  /** Runs before the operation whose trace line begins so. */
  before?: { line: string; run(): Promise<void> | void };
}

export class FaultFiles implements LogFiles {
  /** `link`, `remove a.wal` and so on, in order. Reads are left out, and so are names' random parts. */
  readonly trace: string[] = [];
  #operations = 0;

  constructor(readonly faults: Faults = {}) {}

  async step(line: string): Promise<void> {
    if (this.#operations++ >= (this.faults.crashAt ?? Infinity)) throw new Crash(line);
    if (!line.startsWith("read")) this.trace.push(line);
    if (this.faults.before !== undefined && line.startsWith(this.faults.before.line)) {
      await this.faults.before.run();
    }
  }

  async create(path: string): Promise<LockedFile> {
    await this.step(`create ${nameOf(path)}`);
    return new FaultFile(await systemFiles.create(path), nameOf(path), this);
  }

  async open(path: string): Promise<LockedFile> {
    await this.step(`open ${nameOf(path)}`);
    return new FaultFile(await systemFiles.open(path), nameOf(path), this);
  }

  async link(existingPath: string, newPath: string): Promise<boolean> {
    await this.step(`link ${nameOf(existingPath)} ${nameOf(newPath)}`);
    return systemFiles.link(existingPath, newPath);
  }

  async remove(path: string): Promise<void> {
    await this.step(`remove ${nameOf(path)}`);
    await systemFiles.remove(path);
  }

  async syncDirectory(path: string): Promise<void> {
    await this.step(`syncDirectory ${nameOf(path)}`);
    await systemFiles.syncDirectory(path);
  }

  async makeDirectory(path: string): Promise<void> {
    await this.step(`makeDirectory ${nameOf(path)}`);
    await systemFiles.makeDirectory(path);
  }
}

class FaultFile implements LockedFile {
  constructor(readonly file: LockedFile, readonly name: string, readonly files: FaultFiles) {}

  async read(into: Uint8Array, offset: number): Promise<number> {
    await this.files.step(`read ${this.name}`);
    return this.file.read(into, offset);
  }

  async write(bytes: Uint8Array): Promise<number> {
    await this.files.step(`write ${this.name}`);
    const { faults } = this.files;
    if (faults.diskBytes === undefined) return this.file.write(bytes);
    if (faults.diskBytes === 0) {
      throw Object.assign(new Error("No space left on device (os error 28)"), { code: "ENOSPC" });
    }
    const taken = Math.min(bytes.length, faults.diskBytes);
    faults.diskBytes -= taken;
    return this.file.write(bytes.subarray(0, taken));
  }

  async truncate(length: number): Promise<void> {
    await this.files.step(`truncate ${this.name}`);
    await this.file.truncate(length);
  }

  async syncData(): Promise<void> {
    await this.files.step(`syncData ${this.name}`);
    await this.file.syncData();
  }

  async sync(): Promise<void> {
    await this.files.step(`sync ${this.name}`);
    await this.file.sync();
  }

  size(): Promise<number> {
    return this.file.size();
  }

  close(): void {
    this.file.close();
  }
}

function nameOf(path: string): string {
  return fileName(path).replace(/\.tmp-.*/, ".tmp");
}
