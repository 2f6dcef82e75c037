/**
 * Writes a log that appears whole or not at all, and is read back before it appears; what a crash leaves
 * behind is told in `publish_file.ts`.
 */
import { type Files, type LockedFile, writeAll } from "../platform/files.ts";
import { type Occupant, publishFile } from "../platform/publish_file.ts";
import { Crc64 } from "../platform/checksum/crc64.ts";
import { type LogBytes, readLocked } from "./reader.ts";

export interface WholeFileOptions {
  files: Files;
  directory: string;
  /** File names, tried in turn. */
  names: Iterable<string>;
  /** Read once at most. */
  bytes: LogBytes;
  /** What lies under a name; `same` when it holds all of `bytes`, so that nothing has to be written. */
  look(path: string): Promise<Occupant>;
}

export interface WholeFile {
  path: string;
  /** False when a file with the same bytes was there before. */
  isNew: boolean;
}

/** Rejects with what the disk or `bytes` threw; then nothing was left behind. */
export async function writeWholeFile(options: WholeFileOptions): Promise<WholeFile> {
  const { files, directory, names, bytes, look } = options;
  await files.makeDirectory(directory);
  const checksum = new Crc64();
  let length = 0;
  const published = await publishFile({
    files,
    directory,
    names,
    look,
    async write(file) {
      for await (const chunk of bytes) {
        checksum.update(chunk);
        length += chunk.length;
        await writeAll(file, chunk);
      }
    },
    check: (file) => compareWritten(file, length, checksum.digest()),
  });
  if (published.isNew) published.file.close();
  return { path: published.path, isNew: published.isNew };
}

async function compareWritten(file: LockedFile, length: number, expected: bigint): Promise<void> {
  const checksum = new Crc64();
  let bytes = 0;
  for await (const chunk of readLocked(file)) {
    checksum.update(chunk);
    bytes += chunk.length;
  }
  if (bytes !== length || checksum.digest() !== expected) {
    throw new Error("what was written does not read back as it was; the disk may be failing");
  }
}
