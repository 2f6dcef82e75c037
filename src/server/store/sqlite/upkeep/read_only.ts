/**
 * Opens a database only to read it, also beside the server that writes to it.
 *
 * A reader never writes and never empties the journal: in SQLite before 3.51.3 two processes that do so at
 * the same instant can lose what was committed (its "WAL-reset bug"), and the runtime has 3.49.1. So the
 * server alone does both, and whoever wants something changed asks it.
 */
import { DatabaseSync } from "node:sqlite";
import { pathToFileURL } from "node:url";
import { StoreError } from "../../store_error.ts";
import { originOf } from "../database_file.ts";
import { newerSchema } from "../migrate.ts";
import { MIGRATIONS, TABLES } from "../schema.ts";
import { converted } from "../sqlite_errors.ts";

/** A reader waits for nobody but a server that is just reading its journal after a crash. */
const BUSY_TIMEOUT_MS = 10_000;

/**
 * A file's address as SQLite takes it where it is attached to another. `isAlone`: nobody writes to the file,
 * and no journal lies beside it, so that SQLite need not make files beside it either.
 */
export function readOnlyUri(path: string, isAlone: boolean): string {
  return `${pathToFileURL(path)}?${isAlone ? "immutable=1" : "mode=ro"}`;
}

/**
 * `isAlone` as with `readOnlyUri`.
 * @throws StoreError when it cannot be read, is another program's, or has a newer schema
 */
export function openReadOnly(
  path: string,
  { isAlone = false } = {},
): { sql: DatabaseSync; version: number } & Disposable {
  refuseOthers(path);
  return converted("open", path, () => {
    const sql = new DatabaseSync(readOnlyUri(path, isAlone), { readOnly: true });
    try {
      sql.exec(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`);
      const version = Number(sql.prepare("PRAGMA user_version").get()!.user_version);
      if (version > MIGRATIONS.length) throw newerSchema(path, version);
      return { sql, version, [Symbol.dispose]: () => sql.close() };
    } catch (error) {
      sql.close();
      throw error;
    }
  });
}

/** @throws StoreError */
function refuseOthers(path: string): void {
  const origin = originOf(path, TABLES);
  if (origin === "ours" || origin === "unclear") return;
  const why = origin === "new" ? "there is no database" : "it is not a database of this program";
  throw new StoreError(`Cannot open ${path}: ${why}. Name another file.`, path);
}

/** What a copy of it takes: all its pages but those that are free. */
export function usedBytes(sql: DatabaseSync): number {
  const pragma = (name: string) => Number(Object.values(sql.prepare(`PRAGMA ${name}`).get()!)[0]);
  return (pragma("page_count") - pragma("freelist_count")) * pragma("page_size");
}
