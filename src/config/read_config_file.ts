/**
 * Finds the configuration file and reads it, whatever lies under its name: everything that is no text a
 * person could have written is refused with what it is instead.
 */
import { messageOf } from "../platform/error_text.ts";
import { type Files, readUpTo } from "../platform/files.ts";
import { FilesystemLoop, NotADirectory, NotFound, PermissionDenied } from "../platform/system_errors.ts";
import type { ConfigFile } from "./config_file.ts";
import { ConfigFileError } from "./config_file_error.ts";
import type { ConfigLocations } from "./config_location.ts";

/** A file with every setting and a page of comments for each has a twentieth of this. */
export const CONFIG_BYTES_MAX = 1024 * 1024;

/** The file, if there is one. Throws ConfigFileError or YamlError. */
export async function readConfigFile(
  files: Files,
  locations: ConfigLocations,
): Promise<ConfigFile | undefined> {
  const path = await findConfigFile(files, locations);
  if (path === undefined) return undefined;
  const text = await readConfigText(files, path, locations.named?.where);
  // Loaded when there is a file: without one nobody has to wait for a YAML parser.
  const { parseConfigFile } = await import("./config_file.ts");
  return parseConfigFile(text, path);
}

/** The path to read; undefined when there is no file. Throws ConfigFileError. */
export async function findConfigFile(
  files: Files,
  { named, candidates }: ConfigLocations,
): Promise<string | undefined> {
  if (named !== undefined) return named.path;
  for (const path of candidates) if (await isThere(files, path)) return path;
  return undefined;
}

async function isThere(files: Files, path: string): Promise<boolean> {
  try {
    // A symbolic link that leads to nothing is a mistake to be told, not a file that is not there.
    await files.lstat(path);
    return true;
  } catch (error) {
    if (error instanceof NotFound || error instanceof NotADirectory) return false;
    throw new ConfigFileError(path, reasonOf(error), { cause: error });
  }
}

/** The file's text. Throws ConfigFileError. `where` says who asked for the file, if anybody did. */
export async function readConfigText(files: Files, path: string, where?: string): Promise<string> {
  let bytes: Uint8Array;
  try {
    using file = await files.openForReading(path);
    const info = await file.stat();
    if (info.isDirectory) throw new ConfigFileError(path, "it is a directory");
    if (info.isFile && info.size > CONFIG_BYTES_MAX) throw tooLong(path);
    bytes = await readUpTo(file, CONFIG_BYTES_MAX + 1);
  } catch (error) {
    if (error instanceof ConfigFileError) throw error;
    const named = where === undefined ? "" : ` (named by ${where})`;
    throw new ConfigFileError(path, reasonOf(error) + named, { cause: error });
  }
  // A pipe or a device does not tell its size before.
  if (bytes.length > CONFIG_BYTES_MAX) throw tooLong(path);
  return decode(bytes, path);
}

function tooLong(path: string): ConfigFileError {
  return new ConfigFileError(path, "it is longer than 1 MiB, so it is no configuration file");
}

/** The text of bytes from any source. Throws ConfigFileError. */
export function decode(bytes: Uint8Array, path: string): string {
  if ((bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff)) {
    throw new ConfigFileError(path, "it is UTF-16; save it as UTF-8");
  }
  const nul = bytes.indexOf(0);
  if (nul >= 0) {
    throw new ConfigFileError(
      path,
      `it is no text: line ${lineOf(bytes, nul)} has a NUL byte (offset ${nul})`,
    );
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    const offset = firstInvalid(bytes);
    const reason = `it is not UTF-8: line ${
      lineOf(bytes, offset)
    } has a byte that no character has (offset ${offset})`;
    throw new ConfigFileError(path, reason, { cause: error });
  }
}

/** Where the replacement characters of a lenient decoder begin: all before them is the same in both forms. */
function firstInvalid(bytes: Uint8Array): number {
  const again = new TextEncoder().encode(new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes));
  const at = again.findIndex((byte, offset) => byte !== bytes[offset]);
  return at < 0 ? bytes.length : at;
}

function lineOf(bytes: Uint8Array, offset: number): number {
  let line = 1;
  for (let at = 0; at < offset; at++) if (bytes[at] === 0x0a) line++;
  return line;
}

function reasonOf(error: unknown): string {
  if (error instanceof NotFound) return "no such file";
  if (error instanceof PermissionDenied) return "it may not be read by this user";
  if (error instanceof FilesystemLoop) return "its symbolic links lead in a circle";
  if (error instanceof NotADirectory) return "a part of its path is a file, not a directory";
  return messageOf(error);
}
