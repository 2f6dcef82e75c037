/**
 * What was found out about each log, kept from one run to the next, so that ten thousand logs are listed in
 * under a second. It is only ever a shortcut: a file that is damaged, foreign or cannot be written is as good
 * as none, and deleting it loses nothing.
 */
import type { Files } from "../platform/files.ts";
import { parentDirectory } from "../platform/path_names.ts";
import { VERSION } from "../platform/version.ts";
import { FactsCache, type KnownFacts } from "./facts_cache.ts";

export async function loadFacts<Facts extends object>(
  files: Files,
  path: string,
): Promise<FactsCache<Facts>> {
  return new FactsCache(await readEntries<Facts>(files, path));
}

export async function saveFacts(files: Files, path: string, cache: FactsCache<object>): Promise<void> {
  const { known, isChanged } = cache.content;
  if (!isChanged) return;
  const text = JSON.stringify({ version: VERSION, files: Object.fromEntries(known) });
  const directory = parentDirectory(path);
  const temporaryPath = `${path}.tmp-${files.uniqueName()}`;
  try {
    // Whoever only looks at logs does not make a data directory.
    await files.stat(parentDirectory(directory));
    await files.makeDirectory(directory);
    await files.writeText(temporaryPath, text, "new", 0o600);
    await files.rename(temporaryPath, path);
  } catch {
    // A full or read-only disk, or somebody else's directory: the next run reads the logs again, and that is
    // all.
    await files.remove(temporaryPath).catch(() => {});
  }
}

async function readEntries<Facts>(files: Files, path: string): Promise<[string, KnownFacts<Facts>][]> {
  try {
    const { version, files: entries } = JSON.parse(await files.readText(path));
    // Another version may know other facts.
    if (version !== VERSION || typeof entries !== "object" || entries === null) return [];
    return Object.entries(entries as Record<string, unknown>).filter((
      entry,
    ): entry is [string, KnownFacts<Facts>] => isEntry(entry[1]));
  } catch {
    // None yet, or damaged, or not for us to read: every log is read, which is what it would have saved.
    return [];
  }
}

function isEntry(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  const { bytes, mtimeMs, facts } = value as Record<string, unknown>;
  return typeof bytes === "number" && typeof mtimeMs === "number" && typeof facts === "object" &&
    facts !== null;
}
