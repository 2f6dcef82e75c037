/**
 * JSON in which 64-bit numbers are exact. Sequences and timestamps are int64 in the log; a reader that keeps
 * them as doubles loses digits in its own house, not in ours.
 */

/** `JSON.rawJSON` is in V8 but not yet in TypeScript's library. */
const { rawJSON } = JSON as typeof JSON & { rawJSON(text: string): unknown };

/** One line, keys in the order in which the value has them; a bigint becomes a number literal. */
export function toJson(value: unknown): string {
  return JSON.stringify(value, (_key, item) => typeof item === "bigint" ? rawJSON(item.toString()) : item);
}
