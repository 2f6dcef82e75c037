/**
 * The directory of authorized keys, read: each `NAME.pub` in it is somebody who may call. Hidden files are
 * being written, and are nobody yet.
 */
import { join } from "node:path";
import { messageOf } from "../platform/error_text.ts";
import { type Files, readUpTo } from "../platform/files.ts";
import { type AuthorizedFile, readAuthorizedFile } from "./authorized_file.ts";

/** A public key of a few hundred bytes; anything much larger in the directory is something else. */
const FILE_BYTES_MAX = 16 * 1024;

export interface AuthorizedEntry extends AuthorizedFile {
  readonly name: string;
  readonly path: string;
}

/** A file that looks like a key and is none. `reason` completes "PATH cannot be used: …". */
export interface UnusableFile {
  readonly path: string;
  readonly reason: string;
}

export interface AuthorizedDirectory {
  /** By their names. */
  readonly keys: readonly AuthorizedEntry[];
  readonly unusable: readonly UnusableFile[];
}

/** @throws the system's error when the directory itself cannot be read */
export async function readAuthorizedDirectory(files: Files, directory: string): Promise<AuthorizedDirectory> {
  const keys: AuthorizedEntry[] = [];
  const unusable: UnusableFile[] = [];
  const names = (await files.list(directory))
    .filter(({ name, isDirectory }) => /^[^.].*\.pub$/.test(name) && !isDirectory)
    .map(({ name }) => name.slice(0, -".pub".length));
  for (const name of names.sort()) {
    const path = join(directory, `${name}.pub`);
    try {
      const file = await readAuthorizedFile(await readKeyText(files, path));
      keys.push({ ...file, name, path });
    } catch (error) {
      unusable.push({ path, reason: messageOf(error) });
    }
  }
  return { keys, unusable };
}

/** @throws {TypeError} for a file that is too large for a key, or the system's error */
export async function readKeyText(files: Files, path: string): Promise<string> {
  using file = await files.openForReading(path);
  const bytes = await readUpTo(file, FILE_BYTES_MAX + 1);
  if (bytes.length > FILE_BYTES_MAX) throw new TypeError(`it has more than ${FILE_BYTES_MAX} bytes`);
  return new TextDecoder().decode(bytes);
}
