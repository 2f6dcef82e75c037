/**
 * SQLite's errors in the words of an operator: what happened, whether data is safe, and what to do.
 */
import { StoreError } from "../store_error.ts";

// Deno's node:sqlite carries no result code, so SQLite's own fixed texts (sqlite3ErrStr) tell the cases
// apart.
const ADVICE: readonly (readonly [text: string, advice: string])[] = [
  ["database is locked", "another process holds it. Stop the other server first, or name another file"],
  ["attempt to write a readonly database", "it is read-only. Correct its permissions"],
  ["disk I/O error", "the disk reported an error. Nothing was acknowledged; look at the kernel log"],
  ["database disk image is malformed", "it is damaged. It was not changed; restore it from a copy"],
  [
    "database or disk is full",
    "the disk is full. Nothing was acknowledged; make room and clients will try again",
  ],
  ["file is not a database", "it is not a database of this program. It was not changed; name another file"],
];

export function isSqliteError(error: unknown): error is Error {
  return error instanceof Error && (error as { code?: unknown }).code === "ERR_SQLITE_ERROR";
}

/** Whether a disk had no room for what SQLite wrote, whoever has wrapped its error. */
export function isFullDiskError(error: unknown): boolean {
  const origin = error instanceof StoreError ? error.cause : error;
  return isSqliteError(origin) && origin.message.includes("database or disk is full");
}

/** Runs `work`. @throws StoreError in place of SQLite's own error */
export function converted<T>(action: string, path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw convert(action, path, error);
  }
}

/** As `converted`, for work that takes its time. */
export async function explained<T>(action: string, path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw convert(action, path, error);
  }
}

function convert(action: string, path: string, error: unknown): unknown {
  if (!isSqliteError(error)) return error;
  return new StoreError(`Cannot ${action} ${path}: ${explain(error)}`, path, { cause: error });
}

function explain(error: Error): string {
  const known = ADVICE.find(([text]) => error.message.includes(text));
  return known ? `${known[1]} (SQLite: ${error.message})` : error.message;
}
