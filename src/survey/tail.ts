/**
 * A log that is being written, read as it grows. The file is held open, so that it can be read to its end
 * even after it was archived.
 */
import { type Files, isMissing, type ReadableFile } from "../platform/files.ts";
import type { FileIdentity } from "../platform/lock_table.ts";
import { openRegularFile } from "../platform/regular_file.ts";
import type { WalRecord } from "../wal/format.ts";
import { type LogBytes, READ_BLOCK_BYTES, readBlocks } from "../wal/reader.ts";
import { type Damage, Scanner } from "../wal/scanner.ts";

export class LogTail implements Disposable {
  readonly identity: FileIdentity;
  readonly #files: Files;
  readonly #file: ReadableFile;
  readonly #block = new Uint8Array(READ_BLOCK_BYTES);
  /** Everything in front of it was told. */
  #goodBytes = 0;

  private constructor(files: Files, file: ReadableFile, identity: FileIdentity) {
    this.#files = files;
    this.#file = file;
    this.identity = identity;
  }

  static async open(files: Files, path: string): Promise<LogTail> {
    const file = await openRegularFile(files, path);
    const { dev, ino } = await file.stat();
    return new LogTail(files, file, { dev, ino: ino ?? 0 });
  }

  /** The bytes from the beginning, each chunk valid until the next is asked for. */
  async *bytes(): LogBytes {
    await this.#file.seek(0);
    yield* readBlocks((into) => this.#file.read(into));
  }

  /** Leaves out what was read by other means. `offset` is where a record starts. */
  skipTo(offset: number): void {
    this.#goodBytes = offset;
  }

  /**
   * Tells of each record since the last call, until `onRecord` says that it has enough. Always starts where a
   * record does: what looked torn may be whole by now, and a new owner may have cut it off and written
   * something else in its place.
   */
  async read(
    onRecord: (record: WalRecord) => Promise<void | "enough">,
  ): Promise<{ damage: Damage | undefined; isEnough: boolean }> {
    const scanner = new Scanner(this.#goodBytes);
    await this.#file.seek(this.#goodBytes);
    for (let count; (count = await this.#file.read(this.#block)) > 0 && scanner.damage === undefined;) {
      for (const record of scanner.push(this.#block.subarray(0, count))) {
        this.#goodBytes = record.offset + record.length;
        if (await onRecord(record) === "enough") return { damage: undefined, isEnough: true };
      }
    }
    // A file that is still empty has no header to be wrong.
    return { damage: scanner.finish().damage, isEnough: false };
  }

  /** Whether `path` still leads to the file. */
  async isAt(path: string): Promise<boolean> {
    try {
      const { dev, ino } = await this.#files.stat(path);
      return dev === this.identity.dev && ino === this.identity.ino;
    } catch (error) {
      if (isMissing(error)) return false;
      throw error;
    }
  }

  [Symbol.dispose](): void {
    this.#file.close();
  }
}
