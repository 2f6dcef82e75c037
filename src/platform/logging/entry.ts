/**
 * One thing that happened, before it becomes a line: made so that every form of it can be written down
 * without a second thought, whatever a caller or a server put into it.
 *
 * Entries hold texts, numbers and booleans alone, of bounded length, and none of the secrets that the logger
 * was told of. Making one never throws: a program must not end because it described itself.
 */

export type LogLevel = "debug" | "info" | "warn" | "error";

/** From the least to the most important. */
export const LOG_LEVELS: readonly LogLevel[] = ["debug", "info", "warn", "error"];

export type FieldValue = string | number | bigint | boolean | undefined;

/** What an entry is about. Undefined values are left out. */
export type Fields = Readonly<Record<string, FieldValue>>;

export type EntryValue = string | number | boolean;

export interface LogEntry {
  /** Unix milliseconds. */
  readonly timeMs: number;
  readonly level: LogLevel;
  readonly message: string;
  /** In the order in which they are written; no name comes twice. */
  readonly fields: ReadonlyMap<string, EntryValue>;
}

/**
 * Longer texts are cut. A stack of Deno's ten frames fits; a page of HTML that a proxy answers with must not
 * fill the log file.
 */
const TEXT_CHARACTERS_MAX = 4096;

const WITHHELD = "[withheld]";

/** A signed token (header, claims, signature), wherever it was repeated: it is valid for whoever reads it. */
const SIGNED_TOKEN = /\beyJ[\w-]{4,}\.[\w-]+\.[\w-]*/g;

/**
 * Where a name is in several of `fieldSets` the first counts. `secrets` are replaced wherever they occur,
 * also in the message of a server that repeats them.
 */
export function createEntry(
  timeMs: number,
  level: LogLevel,
  message: string,
  fieldSets: readonly Fields[],
  secrets: readonly string[] = [],
): LogEntry {
  const values = new Map<string, unknown>();
  for (const fields of fieldSets) {
    for (const [name, value] of readFields(fields)) if (!values.has(name)) values.set(name, value);
  }
  const fields = new Map<string, EntryValue>();
  for (const [name, value] of values) {
    if (value !== undefined) fields.set(cut(withhold(name, secrets)), toEntryValue(value, secrets));
  }
  return { timeMs, level, message: cut(withhold(textOf(message), secrets)), fields };
}

/** An object whose properties cannot be read says so in a field of its own. */
function readFields(fields: unknown): [string, unknown][] {
  try {
    return Object.entries(fields ?? {});
  } catch (error) {
    return [["unreadable_fields", textOf(error)]];
  }
}

function toEntryValue(value: unknown, secrets: readonly string[]): EntryValue {
  if (typeof value === "boolean") return value;
  if (typeof value === "number" && Number.isFinite(value)) return value;
  // Readers of JSON round numbers beyond 2^53, so that those are texts.
  if (
    typeof value === "bigint" && BigInt(Number.MIN_SAFE_INTEGER) <= value && value <= Number.MAX_SAFE_INTEGER
  ) {
    return Number(value);
  }
  return cut(withhold(textOf(value), secrets));
}

/** Types do not hold for what comes from a catch or from another library. */
function textOf(value: unknown): string {
  try {
    return String(value);
  } catch {
    // An object without a prototype, or one whose `toString` throws: nothing can be said about it.
    return "[unprintable]";
  }
}

/** Before anything is cut, so that no half of a secret stays. */
function withhold(text: string, secrets: readonly string[]): string {
  let rest = text;
  // An empty secret is none; it would be found between any two characters.
  for (const secret of secrets) if (secret !== "") rest = rest.replaceAll(secret, () => WITHHELD);
  return rest.replace(SIGNED_TOKEN, WITHHELD);
}

function cut(text: string): string {
  const excess = text.length - TEXT_CHARACTERS_MAX;
  return excess <= 0 ? text : `${text.slice(0, TEXT_CHARACTERS_MAX)}… (${excess} more characters)`;
}
