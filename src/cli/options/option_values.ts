/**
 * Values of options that narrow down what a command shows: words out of a list, counts, ranges of sequences,
 * points in time. Pure; what is not understood is a UsageError that says what would be.
 */
import { nearest } from "../../config/nearest.ts";
import { parseDurationMs } from "../../config/value_type.ts";
import { SEQUENCE_MAX, SEQUENCE_MIN } from "../../wal/format.ts";
import { UsageError } from "../command_error.ts";

/** `pending` or `pending,failed`; whatever their case, `_` or `-`. Returns them as `known` has them. */
export function parseWords<const W extends string>(
  option: string,
  text: string,
  known: readonly W[],
): [W, ...W[]] {
  const words = text.split(",").map((word) => word.trim()).map((word) => {
    const found = known.find((candidate) => plain(candidate) === plain(word));
    if (found !== undefined) return found;
    const guess = nearest(word, known);
    const hint = guess === undefined ? `expected one of ${known.join(", ")}` : `did you mean ${guess}?`;
    throw new UsageError(`Cannot read ${option}: ${JSON.stringify(word)} is none; ${hint}`);
  });
  // Splitting gives one word at least.
  return words as [W, ...W[]];
}

function plain(word: string): string {
  return word.toLowerCase().replaceAll("-", "_");
}

/** A whole number from 0 on. */
export function parseCount(option: string, text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new UsageError(
    `Cannot read ${option}: expected a whole number from 0 on, found ${JSON.stringify(text)}`,
  );
}

/** Both ends included. */
export interface SequenceBounds {
  readonly first: bigint;
  readonly last: bigint;
}

/** `10..20`, `10..`, `..20` or `10`. */
export function parseSequences(option: string, text: string): SequenceBounds {
  const match = /^(?:(-?\d{1,19})|(-?\d{1,19})?\.\.(-?\d{1,19})?)$/.exec(text);
  if (match !== null && text !== "..") {
    const [, only, from, to] = match;
    const first = BigInt(only ?? from ?? SEQUENCE_MIN);
    const last = BigInt(only ?? to ?? SEQUENCE_MAX);
    if (first <= last) return { first, last };
  }
  throw new UsageError(
    `Cannot read ${option}: expected sequences such as 10..20, 10.., ..20 or 10, found ${
      JSON.stringify(text)
    }`,
  );
}

/**
 * Unix milliseconds of `2026-01-31`, `2026-01-31T23:59:59Z`, `2026-01-31 23:59:59 UTC` (as our screens have
 * it) or `2h`: so long ago.
 */
export function parseMoment(option: string, text: string, nowMs: number): number {
  const agoMs = parseDurationMs(text);
  if (agoMs !== undefined) return nowMs - agoMs;
  const match = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?) ?(Z|UTC|[+-]\d\d:\d\d)?)?$/
    .exec(text);
  if (match !== null) {
    const [, date, time = "00:00", zone = "Z"] = match;
    // Without a zone it is UTC, as every time that we show.
    const timeMs = Date.parse(`${date}T${time}${zone === "UTC" ? "Z" : zone}`);
    if (!Number.isNaN(timeMs)) return timeMs;
  }
  throw new UsageError(
    `Cannot read ${option}: expected a time such as 2026-01-31T23:59:59Z, or 2h for two hours ago, found ${
      JSON.stringify(text)
    }`,
  );
}
