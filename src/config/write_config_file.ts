/**
 * Writes a configuration file whole or not at all: to a temporary file, synced, then under its name.
 */
import type { Files } from "../platform/files.ts";
import { parentDirectory } from "../platform/path_names.ts";
import { removeIfThere, writeSmallFile } from "../platform/small_file.ts";
import { NotFound } from "../platform/system_errors.ts";

/**
 * Writes `text` for its owner alone (0600). Returns false, and changes nothing, when the name is taken and
 * `replace` is not given. With it the file of before is kept as `PATH.bak`, and a symbolic link still leads
 * to the file.
 */
export async function writeConfigFile(
  files: Files,
  path: string,
  text: string,
  replace: boolean,
): Promise<boolean> {
  const target = replace ? await realPath(files, path) : path;
  await files.makeDirectory(parentDirectory(target));
  if (replace) await keep(files, target);
  return await writeSmallFile({ files, path: target, text, permissions: 0o600, replace });
}

/** A second name for what is about to lose its own. */
async function keep(files: Files, path: string): Promise<void> {
  await removeIfThere(files, `${path}.bak`);
  try {
    await files.link(path, `${path}.bak`);
  } catch (error) {
    if (!(error instanceof NotFound)) throw error;
  }
}

async function realPath(files: Files, path: string): Promise<string> {
  try {
    return await files.realPath(path);
  } catch (error) {
    if (error instanceof NotFound) return path;
    throw error;
  }
}
