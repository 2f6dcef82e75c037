/**
 * Opens a log or an archive, whatever its name says it is.
 */
import { startsLikeZstd } from "../archive/frames.ts";
import type { Files } from "../platform/files.ts";
import { openRegularFile } from "../platform/regular_file.ts";
import type { LogBytes } from "../wal/reader.ts";
import { readLogFile } from "../wal/reader.ts";
import { LogUnreadableError } from "./errors.ts";

export interface OpenedLog {
  bytes: LogBytes;
  archived: boolean;
}

/** A log or an archive, told apart by their first bytes and not by their names. Never writes. */
export async function openLog(files: Files, path: string): Promise<OpenedLog> {
  const archived = startsLikeZstd(await readStart(files, path));
  // The decompressor is loaded by those who need it: verifying a plain log starts without it.
  if (archived) {
    const { readLogBytes } = await import("../archive/log_bytes.ts");
    return { bytes: await readLogBytes(files, path), archived };
  }
  return { bytes: readLogFile(files, path), archived };
}

/**
 * The bytes of a log, or of an archive also those behind its damage: good for salvage, which believes
 * checksums only.
 */
export async function openPastDamage(files: Files, path: string): Promise<LogBytes> {
  const { bytes, archived } = await openLog(files, path);
  if (!archived) return bytes;
  const { salvageArchive } = await import("../archive/salvage_archive.ts");
  return salvageArchive(files, path, () => {});
}

async function readStart(files: Files, path: string): Promise<Uint8Array> {
  try {
    using file = await openRegularFile(files, path);
    const buffer = new Uint8Array(4);
    return buffer.subarray(0, await file.read(buffer));
  } catch (error) {
    throw LogUnreadableError.because(path, error);
  }
}
