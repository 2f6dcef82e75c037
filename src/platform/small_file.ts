/**
 * Small files that are there whole or not at all: keys, listings, configuration. Written under a hidden name,
 * synced, and then given their own; a crash leaves what was there before, and at most the hidden name.
 */
import { type Files, writeAll } from "./files.ts";
import { fileName, parentDirectory } from "./path_names.ts";
import { hiddenName } from "./publish_file.ts";
import { NotFound } from "./system_errors.ts";

export interface SmallFile {
  readonly files: Files;
  /** Its directory exists. */
  readonly path: string;
  readonly text: string;
  readonly permissions: number;
  /** Take the place of what has the name. A symbolic link would be replaced itself. */
  readonly replace: boolean;
}

/** Returns false, and changes nothing, when the name is taken and is not to be replaced. */
export async function writeSmallFile(
  { files, path, text, permissions, replace }: SmallFile,
): Promise<boolean> {
  const directory = parentDirectory(path);
  const hidden = `${directory}/${hiddenName(fileName(path), files)}`;
  try {
    await writeSynced(files, hidden, text, permissions);
    // Only link(2) refuses to replace a file that somebody makes at this very moment.
    const isWritten = replace || await files.link(hidden, path);
    if (replace) await files.rename(hidden, path);
    await files.syncDirectory(directory);
    return isWritten;
  } finally {
    await removeIfThere(files, hidden);
  }
}

async function writeSynced(files: Files, path: string, text: string, permissions: number): Promise<void> {
  using file = await files.openForWriting(path, "new", permissions);
  await writeAll(file, new TextEncoder().encode(text));
  await file.sync();
}

export async function removeIfThere(files: Pick<Files, "remove">, path: string): Promise<void> {
  try {
    await files.remove(path);
  } catch (error) {
    if (!(error instanceof NotFound)) throw error;
  }
}
