/**
 * Reads a damaged archive past its damage: what can be had of each damaged frame, and all frames behind it.
 * Frames are independent of each other and hold at most a mebibyte, so a damaged one costs that much and not
 * the rest of the log.
 *
 * The bytes may have holes and, at the end of a damaged frame, garbage. They are good for salvage, which
 * believes checksums only, and for nothing else.
 */
import { openRegularFile } from "../platform/regular_file.ts";
import type { Files } from "../platform/files.ts";
import type { LogBytes } from "../wal/reader.ts";
import { ArchiveDamagedError } from "./archive_errors.ts";
import { decompressStream } from "./decompress.ts";
import { parseFrameHeader } from "./frames.ts";

/** Of a zstd frame, RFC 8878, in the order in which it lies in the file. */
const FRAME_MAGIC = [0x28, 0xb5, 0x2f, 0xfd] as const;

const READ_BYTES = 256 * 1024;

/**
 * What the archive at `path` decompresses to, as far as it can be had; `onDamage` is told of each damage,
 * with offsets in the archive.
 * @throws {ArchiveUnsupportedError} as from `decompressStream`
 */
export async function* salvageArchive(
  files: Files,
  path: string,
  onDamage: (error: ArchiveDamagedError) => void,
): LogBytes {
  for (let from: number | undefined = 0; from !== undefined;) {
    const start: number = from;
    try {
      yield* decompressStream(readFrom(files, path, start), path);
      return;
    } catch (error) {
      if (!(error instanceof ArchiveDamagedError)) throw error;
      const { reason } = error;
      const offset = start + error.offset;
      onDamage(new ArchiveDamagedError(path, offset, reason, { cause: error }));
      // Reported when everything was read: the summary is not what the log is made of.
      if (reason.startsWith("its summary")) return;
      from = await findFrame(files, path, offset + 1);
    }
  }
}

async function* readFrom(files: Files, path: string, offset: number): AsyncGenerator<Uint8Array> {
  using file = await openRegularFile(files, path);
  await file.seek(offset);
  const block = new Uint8Array(READ_BYTES);
  for (let count; (count = await file.read(block)) > 0;) yield block.subarray(0, count);
}

/** Where the next frame may begin, from `offset` on. */
async function findFrame(files: Files, path: string, offset: number): Promise<number | undefined> {
  let position = offset;
  let matched = 0;
  for await (const block of readFrom(files, path, offset)) {
    for (let i = 0; i < block.length; i++) {
      if (block[i] === FRAME_MAGIC[matched]) matched++;
      else matched = block[i] === FRAME_MAGIC[0] ? 1 : 0;
      if (matched < FRAME_MAGIC.length) continue;
      matched = 0;
      const at = position + i + 1 - FRAME_MAGIC.length;
      if (await isFrameHeader(files, path, at)) return at;
    }
    position += block.length;
  }
  return undefined;
}

async function isFrameHeader(files: Files, path: string, offset: number): Promise<boolean> {
  for await (const block of readFrom(files, path, offset)) return typeof parseFrameHeader(block) !== "string";
  return false;
}
