/**
 * Opens what the user named, whatever it is: a log, an archive, or standard input.
 */
import { startsLikeZstd } from "../archive/frames.ts";
import type { LogBytes } from "../wal/reader.ts";
import { readLogFile } from "../wal/reader.ts";
import { CommandError } from "./command_error.ts";
import type { Context } from "./context.ts";
import { OutputClosedError } from "./output.ts";

export interface OpenedLog {
  bytes: LogBytes;
  archived: boolean;
}

/** A log or an archive, told apart by their first bytes and not by their names. Never writes. */
export async function openLog(path: string): Promise<OpenedLog> {
  const archived = startsLikeZstd(await readStart(path));
  // The decompressor is loaded by those who need it: verifying a plain log starts without it.
  if (archived) {
    const { readLogBytes } = await import("../archive/log_bytes.ts");
    return { bytes: await readLogBytes(path), archived };
  }
  return { bytes: readLogFile(path), archived };
}

/** The bytes of a log, or of an archive also those behind its damage: good for salvage, which believes checksums only. */
export async function openPastDamage(path: string): Promise<LogBytes> {
  const { bytes, archived } = await openLog(path);
  if (!archived) return bytes;
  const { salvageArchive } = await import("../archive/salvage_archive.ts");
  return salvageArchive(path, () => {});
}

async function readStart(path: string): Promise<Uint8Array> {
  try {
    using file = await Deno.open(path, { read: true });
    if ((await file.stat()).isDirectory) throw new Deno.errors.IsADirectory("it is a directory");
    const buffer = new Uint8Array(4);
    return buffer.subarray(0, await file.read(buffer) ?? 0);
  } catch (error) {
    throw cannotRead(path, error);
  }
}

/** Errors on the way to a log's bytes, for the user. What is no such error passes unchanged. */
export function cannotRead(path: string, error: unknown): Error {
  if (error instanceof CommandError || error instanceof OutputClosedError) return error;
  return new CommandError(`Cannot read ${path}: ${readFailure(error)}`, undefined, undefined, {
    cause: error,
  });
}

function readFailure(error: unknown): string {
  if (error instanceof Deno.errors.NotFound) return "no such file";
  if (error instanceof Deno.errors.PermissionDenied) {
    return "permission denied; run it as the owner of the file";
  }
  if (error instanceof Deno.errors.IsADirectory) return "it is a directory; name the files in it";
  return error instanceof Error ? error.message : String(error);
}

/**
 * Standard input as a file. Statuses are known only at a log's end and the records are printed with them, so
 * the log is read twice, which a pipe cannot be. Kept in the temporary directory until the program ends.
 */
export async function spoolStdin(context: Context): Promise<string> {
  // At once: a signal between making the file and promising to remove it would leave it behind.
  const path = Deno.makeTempFileSync({ prefix: "airunner-stdin-" });
  const ended = new AbortController();
  context.atExit(() => {
    ended.abort();
    try {
      Deno.removeSync(path);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  });
  using file = await Deno.open(path, { write: true });
  await context.stdin.pipeTo(file.writable, { preventClose: true, signal: ended.signal });
  return path;
}
