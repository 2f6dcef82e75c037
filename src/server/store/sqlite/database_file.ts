/**
 * The database's file before SQLite has it: whether it is ours at all, and who may read it.
 */
import { DatabaseSync } from "node:sqlite";
import { dirname } from "node:path";
import { pathToFileURL } from "node:url";
import { createPrivateFile, makePrivate, readHead } from "../../../platform/private_file.ts";

/**
 * How a new file is laid out. Free pages can be given back to the file system one by one. Pages of 16 KiB
 * hold seven events of 2 KB where two of 8 KiB hold six, and take 1.4 times as many a second; a commit of one
 * small event takes 0.09 ms longer. A file keeps the pages that it was made with.
 */
export const NEW_FILE_PRAGMAS = "PRAGMA page_size = 16384; PRAGMA auto_vacuum = INCREMENTAL";

/** What every SQLite database begins with. */
const MAGIC = "SQLite format 3\0";

/**
 * What is at a path. `new`: nothing, or an empty file. `foreign`: another program's. `unclear`: a database
 * whose tables cannot be seen; opening it says why.
 */
export type Origin = "new" | "ours" | "foreign" | "unclear";

/** Changes nothing. */
export function originOf(path: string, ownTables: readonly string[]): Origin {
  const head = readHead(path, MAGIC.length);
  if (head === undefined || head.length === 0) return "new";
  if (new TextDecoder().decode(head) !== MAGIC) return "foreign";
  const tables = tablesOf(path);
  if (tables === undefined) return "unclear";
  return tables.size === 0 || ownTables.every((table) => tables.has(table)) ? "ours" : "foreign";
}

/**
 * The names of its tables; undefined when they cannot be seen, because it is damaged or another process
 * writes. Read as a file that never changes, because otherwise SQLite would make files beside it,
 * or play back a journal.
 */
function tablesOf(path: string): Set<string> | undefined {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(`${pathToFileURL(path)}?immutable=1`, { readOnly: true });
    const rows = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all();
    return new Set(rows.map(({ name }) => String(name)));
  } catch {
    return undefined;
  } finally {
    database?.close();
  }
}

/**
 * Makes the file before SQLite does, because SQLite would make it readable for everybody; the journal gets
 * the mode of the file. The database holds environment values and the secret that signs task tokens.
 */
export function prepareFile(path: string, origin: Origin): void {
  createPrivateFile(dirname(path), path);
  // What may be somebody else's keeps the mode that it has.
  if (origin !== "unclear") makePrivate(path);
}
