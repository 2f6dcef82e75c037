/**
 * What a migration has done so far, in a file at the new place, so that a run that was killed is gone on with
 * and originals are removed only on the word that their copies were verified.
 */
import { type Files, isMissing, writeAll } from "../platform/files.ts";
import type { FileContent } from "./copy_file.ts";

export type DirectoryName = "wal" | "archive";

export interface MigrationState {
  /** For each directory, where originals are, or will be once the directory was set aside. */
  originals: Record<DirectoryName, string[]>;
  /** Files that were copied and read back, by directory and name. */
  verified: Map<string, FileContent>;
}

export function verifiedKey(directory: DirectoryName, name: string): string {
  return `${directory}/${name}`;
}

function pathIn(to: string): string {
  return `${to}/.airunner-migration.json`;
}

export async function readState(files: Files, to: string): Promise<MigrationState> {
  const state: MigrationState = { originals: { wal: [], archive: [] }, verified: new Map() };
  let text: string;
  try {
    text = await files.readText(pathIn(to));
  } catch (error) {
    if (isMissing(error)) return state;
    throw error;
  }
  // It was renamed into place whole, so what is not as expected was not written by us.
  const { schema_version, originals, verified } = JSON.parse(text);
  if (schema_version !== 1) throw new Error(`${pathIn(to)} is of another version of airunner`);
  state.originals = { wal: [...originals.wal], archive: [...originals.archive] };
  for (const [key, bytes, crc64] of verified) state.verified.set(key, { bytes, crc64: BigInt(`0x${crc64}`) });
  return state;
}

export async function writeState(
  files: Files,
  to: string,
  { originals, verified }: MigrationState,
): Promise<void> {
  const entries = [...verified].map((
    [key, { bytes, crc64 }],
  ) => [key, bytes, crc64.toString(16).padStart(16, "0")]);
  const text = JSON.stringify({ schema_version: 1, originals, verified: entries }) + "\n";
  const temporary = `${pathIn(to)}.tmp`;
  using file = await files.openForWriting(temporary, "replaced", 0o600);
  await writeAll(file, new TextEncoder().encode(text));
  await file.sync();
  await files.rename(temporary, pathIn(to));
  await files.syncDirectory(to);
}

/** Everything is where it belongs. */
export async function removeState(files: Files, to: string): Promise<void> {
  try {
    await files.remove(pathIn(to));
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
  await files.syncDirectory(to);
}
