/**
 * The database's file before SQLite has it: whether it is ours at all, and who may read it.
 */
import { DatabaseSync } from "node:sqlite";
import { dirname } from "node:path";
import { pathToFileURL } from "node:url";
import { createPrivateFile, makePrivate, readHead } from "../../../platform/private_file.ts";

/** What every SQLite database begins with. */
const MAGIC = "SQLite format 3\0";

/** Whether there is something at the path that this program did not make. Changes nothing. */
export function isForeign(path: string, ownTables: readonly string[]): boolean {
  const head = readHead(path, MAGIC.length);
  // An empty one is as good as none.
  if (head === undefined || head.length === 0) return false;
  if (new TextDecoder().decode(head) !== MAGIC) return true;
  const tables = tablesOf(path);
  return tables.size > 0 && !ownTables.every((table) => tables.has(table));
}

/**
 * The names of its tables; none when they cannot be seen, as while another process writes: then opening it
 * says what is wrong. Read as a file that never changes, because otherwise SQLite would make files beside it,
 * or play back a journal.
 */
function tablesOf(path: string): Set<string> {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(`${pathToFileURL(path)}?immutable=1`, { readOnly: true });
    const rows = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all();
    return new Set(rows.map(({ name }) => String(name)));
  } catch {
    return new Set();
  } finally {
    database?.close();
  }
}

/**
 * Makes the file before SQLite does, because SQLite would make it readable for everybody; the journal gets
 * the mode of the file. The database holds environment values and the secret that signs task tokens.
 */
export function prepareFile(path: string): void {
  createPrivateFile(dirname(path), path);
  makePrivate(path);
}
