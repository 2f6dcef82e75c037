/**
 * Copies one file to another disk so that it is there whole or not at all: under a hidden name first, synced
 * and read back, then renamed. What a killed run left under the hidden name is written anew.
 */
import { Crc64 } from "../platform/checksum/crc64.ts";
import { type LogBytes, readLogFile } from "../wal/reader.ts";
import { type Files, isMissing, writeAll } from "../platform/files.ts";
import { fileName, parentDirectory } from "../platform/path_names.ts";

/** What was copied, so that it can be known again. */
export interface FileContent {
  bytes: number;
  crc64: bigint;
}

/**
 * Another file has the name already, and this one's bytes are not what it begins with. Nothing was changed.
 */
export class CopyConflictError extends Error {
  override readonly name = "CopyConflictError";
  constructor(readonly from: string, readonly to: string) {
    super(
      `Cannot copy ${from}: ${to} exists and holds something else. Both were left as they are; move one of them away`,
    );
  }
}

/** The hidden name that a file has while it is copied. */
function copyingName(name: string): string {
  return `.${name}.migrating`;
}

export function isCopyingName(name: string): boolean {
  return /^\..+\.migrating$/.test(name);
}

/**
 * Resolves when `to` holds the bytes of `from` and is synced; its directory is the caller's to sync. A copy
 * that is there is taken as it is, one that is only the beginning of `from`, which has grown since, is
 * replaced.
 * @throws {CopyConflictError} when something else has the name
 */
export async function copyFile(
  files: Files,
  from: string,
  to: string,
): Promise<FileContent & { isNew: boolean }> {
  const { size, mtime } = await files.stat(from);
  const existing = await comparePrefix(files, to, from);
  if (existing === "conflict") throw new CopyConflictError(from, to);
  if (existing !== undefined && existing.bytes === size) return { ...existing, isNew: false };
  const temporary = `${parentDirectory(to)}/${copyingName(fileName(to))}`;
  const content = await writeCopy(files, from, temporary, mtime);
  await files.rename(temporary, to);
  return { ...content, isNew: true };
}

async function writeCopy(
  files: Files,
  from: string,
  temporary: string,
  mtime: Date | null,
): Promise<FileContent> {
  await removeIfThere(files, temporary);
  using file = await files.openForWriting(temporary, "new", 0o600);
  const checksum = new Crc64();
  let bytes = 0;
  for await (const chunk of readLogFile(files, from)) {
    checksum.update(chunk);
    bytes += chunk.length;
    await writeAll(file, chunk);
  }
  // The age of an archive without a summary is that of its file; before the sync, so that it survives as the
  // bytes do.
  if (mtime !== null) await files.setModified(temporary, mtime);
  await file.sync();
  const crc64 = checksum.digest();
  const written = await contentOf(files, temporary);
  if (written.bytes !== bytes || written.crc64 !== crc64) {
    throw new Error(`what was written to ${temporary} does not read back as it was; the disk may be failing`);
  }
  return { bytes, crc64 };
}

export async function contentOf(files: Files, path: string): Promise<FileContent> {
  const checksum = new Crc64();
  let bytes = 0;
  for await (const chunk of readLogFile(files, path)) {
    checksum.update(chunk);
    bytes += chunk.length;
  }
  return { bytes, crc64: checksum.digest() };
}

/**
 * Whether `longer` begins with all the bytes of `path`; then what is in `path`. Undefined when there is no
 * such file.
 */
export async function comparePrefix(
  files: Files,
  path: string,
  longer: string,
): Promise<FileContent | "conflict" | undefined> {
  const ahead = new BlockReader(readLogFile(files, longer));
  const checksum = new Crc64();
  let bytes = 0;
  try {
    for await (const chunk of readLogFile(files, path)) {
      checksum.update(chunk);
      bytes += chunk.length;
      if (!await ahead.startsWith(chunk)) return "conflict";
    }
    return { bytes, crc64: checksum.digest() };
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  } finally {
    await ahead.close();
  }
}

/** Takes bytes off the front of a stream and compares them. */
class BlockReader {
  readonly #iterator: AsyncIterator<Uint8Array>;
  #rest: Uint8Array = new Uint8Array();

  constructor(bytes: LogBytes) {
    this.#iterator = bytes[Symbol.asyncIterator]();
  }

  async startsWith(expected: Uint8Array): Promise<boolean> {
    for (let at = 0; at < expected.length;) {
      if (this.#rest.length === 0) {
        const next = await this.#iterator.next();
        if (next.done) return false;
        this.#rest = next.value;
      }
      const count = Math.min(this.#rest.length, expected.length - at);
      for (let i = 0; i < count; i++) if (this.#rest[i] !== expected[at + i]) return false;
      this.#rest = this.#rest.subarray(count);
      at += count;
    }
    return true;
  }

  async close(): Promise<void> {
    await this.#iterator.return?.();
  }
}

async function removeIfThere(files: Files, path: string): Promise<void> {
  try {
    await files.remove(path);
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
}
