/**
 * Gives a directory a new file that is there whole or not at all, and never in place of another. In this
 * order, with what a crash just after each step leaves behind:
 *
 *     1  write a hidden file, `.NAME.tmp-UUID`, locked       a hidden file, of any part of the bytes
 *     2  sync it, and let the caller check it                a hidden file
 *     3  link it to the first name that is free              both names (after a power cut, as after 2)
 *     4  remove the hidden name                              the file under one name or both
 *     5  sync the directory                                  the file
 *
 * The lock is held from 1 to 5, so whoever finds a hidden name whose lock is free knows that its maker is
 * gone, and may remove it: what it leads to either has its own name as well, or was never finished.
 */
import type { Files, LockedFile } from "./files.ts";
import { AlreadyExists } from "./system_errors.ts";

/** What lies under a name that the new file might take. */
export type Occupant =
  | "nothing"
  /** The same content: nothing has to be written. */
  | "same"
  | "different";

export interface Publication {
  files: Files;
  /** Exists. */
  directory: string;
  /** File names, tried in turn. */
  names: Iterable<string>;
  /**
   * The whole content, written with `writeAll` or, by a library that wants a name, to `hiddenPath`; what is
   * there in the end is synced. Called at most once.
   */
  write(file: LockedFile, hiddenPath: string): Promise<void>;
  /** Throws when the file, synced by now, is not what was to be written. */
  check?(file: LockedFile, hiddenPath: string): Promise<void>;
  /** Without it, a name that is taken is passed over. */
  look?(path: string): Promise<Occupant>;
  /** Told when the hidden name could not be removed after the file had its own; a later run takes it away. */
  onLeftover?(path: string, error: unknown): void;
}

export type Published =
  /** Locked still: it is the caller's to close. */
  | { isNew: true; path: string; file: LockedFile }
  | { isNew: false; path: string };

const HIDDEN_NAME = /^\.([^./][^/]*)\.tmp-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** The hidden name that a file has until it is whole. */
export function hiddenName(name: string, files: Pick<Files, "uniqueName">): string {
  return `.${name}.tmp-${files.uniqueName()}`;
}

/** The name that a file with this hidden name was to get; undefined for every other name. */
export function nameToBe(hidden: string): string | undefined {
  return HIDDEN_NAME.exec(hidden)?.[1];
}

/**
 * Resolves when the file is on stable storage under its name. Rejects with what the disk or a callback threw;
 * then nothing was left behind but, where the disk fails that too, the hidden name.
 * @throws {RangeError} for a name that is hidden or none
 * @throws {AlreadyExists} when `names` come to an end
 */
export async function publishFile(publication: Publication): Promise<Published> {
  const { files, directory, look } = publication;
  let hidden: Hidden | undefined;
  try {
    for (const name of publication.names) {
      if (!/^[^./][^/]*$/.test(name)) throw new RangeError(`Cannot name a file ${JSON.stringify(name)}`);
      const path = `${directory}/${name}`;
      let found = await look?.(path) ?? "nothing";
      if (found === "nothing") {
        hidden ??= await writeHidden(publication, `${directory}/${hiddenName(name, files)}`);
        if (await files.link(hidden.path, path)) {
          const linked = hidden;
          // The file is there now, and what goes wrong from here on must not take it away again.
          hidden = undefined;
          return await finish(publication, linked, path);
        }
        // Somebody took the name in the meantime, or what has it cannot be looked at.
        found = await look?.(path) ?? "different";
      }
      if (found === "same") return { isNew: false, path };
    }
    throw new AlreadyExists("every name that it may have is taken");
  } finally {
    if (hidden !== undefined) await discard(publication, hidden);
  }
}

interface Hidden {
  path: string;
  file: LockedFile;
}

async function writeHidden(publication: Publication, path: string): Promise<Hidden> {
  const file = await publication.files.create(path);
  try {
    await publication.write(file, path);
    await file.sync();
    await publication.check?.(file, path);
    return { path, file };
  } catch (error) {
    await discard(publication, { path, file });
    throw error;
  }
}

/** Steps 4 and 5. */
async function finish(
  publication: Publication,
  { path: hiddenPath, file }: Hidden,
  path: string,
): Promise<Published> {
  try {
    await removeName(publication, hiddenPath);
    await publication.files.syncDirectory(publication.directory);
    return { isNew: true, path, file };
  } catch (error) {
    file.close();
    throw error;
  }
}

/** The name first and then the lock, so that nobody ever sees it unlocked. */
async function discard(publication: Publication, { path, file }: Hidden): Promise<void> {
  try {
    await removeName(publication, path);
  } finally {
    file.close();
  }
}

/**
 * That a hidden name is left over is no reason to fail: it is found later, and what it leads to is right or
 * nobody's.
 */
async function removeName({ files, onLeftover }: Publication, path: string): Promise<void> {
  try {
    await files.remove(path);
  } catch (error) {
    onLeftover?.(path, error);
  }
}
