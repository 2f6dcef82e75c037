/**
 * Writes a log that appears whole or not at all: under a hidden name first, locked, synced and read back, then linked to the first
 * name that is free. No file is ever replaced, and a crash leaves at worst a hidden temporary file behind.
 */
import { type LockedFile, type LogFiles, parentDirectory, writeAll } from "../platform/files.ts";
import { Crc64 } from "./crc64.ts";
import { type LogBytes, READ_BLOCK_BYTES } from "./reader.ts";

export interface WholeFileOptions {
  files: LogFiles;
  directory: string;
  /** File names, tried in turn. */
  names: Iterable<string>;
  bytes: LogBytes;
  /**
   * Asked about each file that has one of the names already; true when it holds just these bytes, so that nothing has to be written.
   */
  isSame(path: string): Promise<boolean>;
}

export interface WholeFile {
  path: string;
  /** False when a file with the same bytes was there before. */
  isNew: boolean;
}

/** Rejects with what the disk or `bytes` threw; then nothing was left behind. */
export async function writeWholeFile(options: WholeFileOptions): Promise<WholeFile> {
  const { files, directory, isSame } = options;
  let temporary: { path: string; file: LockedFile } | undefined;
  try {
    await files.makeDirectory(directory);
    for (const name of options.names) {
      if (!/^[^./][^/]*$/.test(name)) throw new RangeError(`Cannot name a log ${JSON.stringify(name)}`);
      const path = `${directory}/${name}`;
      if (await exists(path)) {
        if (await isSame(path)) return { path, isNew: false };
        continue;
      }
      temporary ??= await writeTemporary(options, `${directory}/.${name}.tmp-${crypto.randomUUID()}`);
      if (!await files.link(temporary.path, path)) continue;
      await files.remove(temporary.path);
      temporary.file.close();
      temporary = undefined;
      await files.syncDirectory(directory);
      return { path, isNew: true };
    }
    throw new Deno.errors.AlreadyExists("every name that it may have is taken");
  } finally {
    if (temporary !== undefined) {
      temporary.file.close();
      await files.remove(temporary.path);
    }
  }
}

async function writeTemporary(
  { files, bytes }: WholeFileOptions,
  path: string,
): Promise<{ path: string; file: LockedFile }> {
  const file = await files.create(path);
  try {
    const checksum = new Crc64();
    let length = 0;
    for await (const chunk of bytes) {
      checksum.update(chunk);
      length += chunk.length;
      await writeAll(file, chunk);
    }
    await file.sync();
    await files.syncDirectory(parentDirectory(path));
    await compareWritten(file, length, checksum.digest());
    return { path, file };
  } catch (error) {
    file.close();
    await files.remove(path);
    throw error;
  }
}

async function compareWritten(file: LockedFile, length: number, expected: bigint): Promise<void> {
  const checksum = new Crc64();
  const block = new Uint8Array(READ_BLOCK_BYTES);
  let offset = 0;
  for (let count; (count = await file.read(block, offset)) > 0; offset += count) {
    checksum.update(block.subarray(0, count));
  }
  if (offset !== length || checksum.digest() !== expected) {
    throw new Error("what was written does not read back as it was; the disk may be failing");
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.lstat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
