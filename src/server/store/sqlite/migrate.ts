/**
 * Brings a schema up to date, step by step, each in a transaction of its own.
 */
import type { DatabaseSync } from "node:sqlite";
import { StoreError } from "../store_error.ts";
import { type Migration, MIGRATIONS } from "./schema.ts";

/**
 * A file without tables gets them all. On a file that somebody needs it is called only through
 * `upkeep/upgrade.ts`, on a copy.
 * @param path as the user knows it, for messages
 */
export function bringUpToDate(sql: DatabaseSync, path: string): void {
  const version = Number(sql.prepare("PRAGMA user_version").get()!.user_version);
  for (let next = version; next < MIGRATIONS.length; next++) step(sql, path, next + 1, MIGRATIONS[next]!);
}

/**
 * Foreign keys are looked at only when the whole step is done: a table that is replaced is gone for a
 * moment, and its rows must not take those with them that refer to them. (SQLite ignores this pragma within
 * a transaction.)
 */
function step(
  database: DatabaseSync,
  path: string,
  version: number,
  { sql, fill, replaced = [] }: Migration,
): void {
  const { foreign_keys: before } = database.prepare("PRAGMA foreign_keys").get()!;
  database.exec("PRAGMA foreign_keys = OFF; BEGIN IMMEDIATE");
  try {
    database.exec(sql);
    fill?.(database);
    for (const table of replaced) refuseBroken(database, path, table);
    database.exec(`PRAGMA user_version = ${version}; COMMIT`);
  } catch (error) {
    rollback(database);
    throw error;
  } finally {
    database.exec(`PRAGMA foreign_keys = ${Number(before)}`);
  }
}

function refuseBroken(database: DatabaseSync, path: string, table: string): void {
  if (database.prepare(`PRAGMA foreign_key_check(${table})`).get() === undefined) return;
  throw new StoreError(
    `Cannot bring ${path} up to date: rows of ${table} refer to rows that are not there. ` +
      "The file was not changed. It is damaged; restore it from a copy.",
    path,
  );
}

function rollback(database: DatabaseSync): void {
  try {
    database.exec("ROLLBACK");
  } catch {
    // SQLite has done it already, or the file has no journal to do it with and is thrown away: the first
    // error is the one to tell.
  }
}

export function newerSchema(path: string, version: number): StoreError {
  return new StoreError(
    `Cannot use ${path}: its schema has version ${version}, and this program knows versions up to ` +
      `${MIGRATIONS.length}. The file was not changed. Run the newer airunner that made it, or name another file.`,
    path,
  );
}
