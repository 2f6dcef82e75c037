/**
 * Writes a configuration file whole or not at all: to a temporary file, synced, then under its name.
 */
import { parentDirectory } from "../platform/files.ts";
import { systemFiles } from "../platform/system_files.ts";

/**
 * Writes `text` for its owner alone (0600). Returns false, and changes nothing, when the name is taken and `replace` is
 * not given. With it the file of before is kept as `PATH.bak`, and a symbolic link still leads to the file.
 */
export async function writeConfigFile(path: string, text: string, replace: boolean): Promise<boolean> {
  const target = replace ? await realPath(path) : path;
  const directory = parentDirectory(target);
  await systemFiles.makeDirectory(directory);
  const temporary = `${directory}/.config.yaml.tmp-${crypto.randomUUID()}`;
  try {
    await writeSynced(temporary, text);
    if (replace) await keep(target);
    // Only link(2) refuses to replace a file that somebody makes at this very moment.
    const isWritten = replace || await systemFiles.link(temporary, target);
    if (replace) await Deno.rename(temporary, target);
    await systemFiles.syncDirectory(directory);
    return isWritten;
  } finally {
    await removeIfThere(temporary);
  }
}

async function writeSynced(path: string, text: string): Promise<void> {
  using file = await Deno.open(path, { write: true, createNew: true, mode: 0o600 });
  const bytes = new TextEncoder().encode(text);
  for (let written = 0; written < bytes.length;) written += await file.write(bytes.subarray(written));
  await file.sync();
}

/** A second name for what is about to lose its own. */
async function keep(path: string): Promise<void> {
  await removeIfThere(`${path}.bak`);
  try {
    await systemFiles.link(path, `${path}.bak`);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

async function realPath(path: string): Promise<string> {
  try {
    return await Deno.realPath(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return path;
    throw error;
  }
}

async function removeIfThere(path: string): Promise<void> {
  try {
    await Deno.remove(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
