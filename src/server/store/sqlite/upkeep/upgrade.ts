/**
 * Brings a database of an earlier schema up to date, without ever having less than the old one. In this
 * order, with what a crash just after each step leaves behind:
 *
 *     1  move the journal into the file        the old database
 *     2  copy all rows into a hidden file      the old database, and a hidden file for the next to remove
 *     3  bring it up to date, check, sync      the same
 *     4  link the old file to FILE.v1.bak      the old database, under two names
 *     5  rename the hidden file to FILE        the new database, and the old one as FILE.v1.bak
 *     6  sync the directory                    the same, after a power cut too
 *
 * So there is a backup of the old file, which is that file itself, and no moment at which FILE is not whole.
 * The copy also has the layout of a new file, whose free pages can be given back.
 */
import { DatabaseSync } from "node:sqlite";
import { type Files, isMissing, isNoSpaceError, type LockedFile } from "../../../../platform/files.ts";
import type { Logger } from "../../../../platform/logging/logger.ts";
import { fileName, parentDirectory } from "../../../../platform/path_names.ts";
import { hiddenName } from "../../../../platform/publish_file.ts";
import { formatBytes } from "../../../../platform/text.ts";
import { StoreError } from "../../store_error.ts";
import { originOf } from "../database_file.ts";
import { bringUpToDate } from "../migrate.ts";
import { MIGRATIONS, TABLES } from "../schema.ts";
import { converted, explained, isFullDiskError } from "../sqlite_errors.ts";
import { checkCopy, type CopyHost, type CopyOptions, copyRows } from "./backup.ts";
import { usedBytes } from "./read_only.ts";
import { removeStale } from "./target_file.ts";

/** A new version may have tables and indexes that the old one has not. */
const GROWTH = 1.2;

export interface UpgradeOptions {
  host: CopyHost;
  logger: Logger;
  /** Called every few milliseconds while it lasts. */
  onProgress?: CopyOptions["onProgress"];
}

/**
 * Does nothing to a file that is up to date, new or another program's. To be called with the database's lock
 * held.
 * @throws StoreError when it cannot be done; the old file is as it was then
 */
export async function upgradeDatabase(path: string, options: UpgradeOptions): Promise<void> {
  const { host: { files }, logger } = options;
  if (originOf(path, TABLES) !== "ours") return;
  const { version, bytes } = mergeJournal(path);
  if (version === 0 || version >= MIGRATIONS.length) return;
  // Through a link the file itself is replaced, and not the link.
  const file = await files.realPath(path);
  await refuseWithoutRoom(files, path, bytes * GROWTH);
  logger.info("Bringing the database up to date", { path, from: version, to: MIGRATIONS.length, bytes });
  const backup = await replace(file, version, bytes, options);
  logger.info("The database is up to date; the old one was kept", {
    path,
    version: MIGRATIONS.length,
    backup,
  });
}

/** Step 1. What it holds is the file alone afterwards. */
function mergeJournal(path: string): { version: number; bytes: number } {
  return converted("open", path, () => {
    const sql = new DatabaseSync(path);
    try {
      sql.exec("PRAGMA busy_timeout = 5000");
      const version = Number(sql.prepare("PRAGMA user_version").get()!.user_version);
      const bytes = usedBytes(sql);
      // A newer one is not touched.
      if (version < MIGRATIONS.length) sql.exec("PRAGMA wal_checkpoint(TRUNCATE)");
      return { version, bytes };
    } finally {
      sql.close();
    }
  });
}

async function refuseWithoutRoom(files: Files, path: string, bytes: number): Promise<void> {
  const { freeBytes } = await files.space(parentDirectory(path));
  if (freeBytes >= bytes) return;
  throw new StoreError(
    `Cannot bring ${path} up to date: a copy of it takes up to ${formatBytes(bytes)}, and there are ` +
      `${formatBytes(freeBytes)} free. Nothing was changed; make room and start again.`,
    path,
  );
}

/** Steps 2 to 6. Gives where the old file is. */
async function replace(
  path: string,
  version: number,
  bytes: number,
  options: UpgradeOptions,
): Promise<string> {
  const { files } = options.host;
  const directory = parentDirectory(path);
  await removeStale(files, directory, fileName(path));
  const hidden = `${directory}/${hiddenName(fileName(path), files)}`;
  const file = await files.create(hidden);
  let isInPlace = false;
  try {
    await makeCopy(path, hidden, file, bytes, options);
    const backup = await keepOld(files, path, version);
    await files.rename(hidden, path);
    isInPlace = true;
    await files.syncDirectory(directory);
    return backup;
  } catch (error) {
    if (!isInPlace) await files.remove(hidden);
    if (!isNoSpaceError(error) && !isFullDiskError(error)) throw error;
    throw new StoreError(
      `Cannot bring ${path} up to date: the disk is full. Nothing was changed; make room and start again.`,
      path,
      { cause: error },
    );
  } finally {
    file.close();
  }
}

/** Steps 2 and 3. */
async function makeCopy(
  path: string,
  hidden: string,
  file: LockedFile,
  bytes: number,
  { host, onProgress }: UpgradeOptions,
): Promise<void> {
  const copying = { host, onProgress, rateBytes: Infinity, isAlone: true };
  await copyRows(path, hidden, file, bytes, copying);
  await explained("bring up to date", path, () => {
    const sql = new DatabaseSync(hidden);
    try {
      // In memory, so that a step that fails can say why; a crash leaves the hidden file.
      sql.exec("PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF");
      bringUpToDate(sql, path);
    } finally {
      sql.close();
    }
    return Promise.resolve();
  });
  await checkCopy(hidden, path, copying);
  await file.sync();
}

/** Step 4: `FILE.v1.bak`, or the next such name that is free. */
async function keepOld(files: Files, path: string, version: number): Promise<string> {
  for (let number = 1;; number++) {
    const backup = `${path}.v${version}.bak${number === 1 ? "" : `-${number}`}`;
    if (await files.link(path, backup) || await isSame(files, path, backup)) return backup;
  }
}

/** A start that was killed after step 4 has left the name already. */
async function isSame(files: Files, path: string, backup: string): Promise<boolean> {
  try {
    const [a, b] = await Promise.all([files.lstat(path), files.lstat(backup)]);
    return a.dev === b.dev && a.ino === b.ino;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}
