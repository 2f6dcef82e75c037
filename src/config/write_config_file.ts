/**
 * Writes a configuration file whole or not at all: to a temporary file, synced, then under its name.
 */
import { type Files, writeAll } from "../platform/files.ts";
import { parentDirectory } from "../platform/path_names.ts";
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
  const directory = parentDirectory(target);
  await files.makeDirectory(directory);
  const temporary = `${directory}/.config.yaml.tmp-${files.uniqueName()}`;
  try {
    await writeSynced(files, temporary, text);
    if (replace) await keep(files, target);
    // Only link(2) refuses to replace a file that somebody makes at this very moment.
    const isWritten = replace || await files.link(temporary, target);
    if (replace) await files.rename(temporary, target);
    await files.syncDirectory(directory);
    return isWritten;
  } finally {
    await removeIfThere(files, temporary);
  }
}

async function writeSynced(files: Files, path: string, text: string): Promise<void> {
  using file = await files.openForWriting(path, "new", 0o600);
  await writeAll(file, new TextEncoder().encode(text));
  await file.sync();
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

async function removeIfThere(files: Files, path: string): Promise<void> {
  try {
    await files.remove(path);
  } catch (error) {
    if (!(error instanceof NotFound)) throw error;
  }
}
