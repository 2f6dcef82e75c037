/**
 * Which events of a log were asked for. Pure.
 */
import { decodeEvent, EventType, outputOf, StreamType } from "../../events/event.ts";
import { eventToJson } from "../../events/event_json.ts";
import { UsageError } from "../command_error.ts";
import type { EventRow } from "../../survey/summary.ts";
import { UNDECODABLE } from "../../survey/log_tally.ts";
import { parseCount, parseMoment, parseSequences, parseWords } from "./option_values.ts";

export interface FilterOptions {
  readonly status?: string;
  readonly type?: string;
  readonly seq?: string;
  readonly since?: string;
  readonly until?: string;
  readonly grep?: string;
  readonly limit?: string;
}

export interface RecordFilter {
  matches(row: EventRow): boolean;
  /** Events to show at most; Infinity when all. */
  readonly countMax: number;
}

const NAMED_TYPES: readonly string[] = [
  ...Object.values(EventType).filter((name): name is string => typeof name === "string"),
  UNDECODABLE,
];

/** Undefined when no option narrows anything down. */
export function parseFilter(options: FilterOptions, nowMs: number): RecordFilter | undefined {
  const { status, type, seq, since, until, grep, limit } = options;
  const tests: ((row: EventRow) => boolean)[] = [];
  // The cheap tests first: `--grep` decodes, and only what the others let through.
  if (status !== undefined) {
    const statuses: readonly string[] = parseWords("--status", status, ["pending", "sent", "failed"]);
    tests.push((row) => statuses.includes(row.status));
  }
  if (type !== undefined) {
    const types = parseTypes(type);
    tests.push((row) => types.includes(row.eventType));
  }
  if (seq !== undefined) {
    const { first, last } = parseSequences("--seq", seq);
    tests.push(({ sequence }) => sequence >= first && sequence <= last);
  }
  if (since !== undefined) {
    const sinceMs = BigInt(parseMoment("--since", since, nowMs));
    tests.push(({ timestampMs }) => timestampMs >= sinceMs);
  }
  if (until !== undefined) {
    const untilMs = BigInt(parseMoment("--until", until, nowMs));
    tests.push(({ timestampMs }) => timestampMs <= untilMs);
  }
  if (grep !== undefined) {
    const pattern = parsePattern(grep);
    tests.push(({ payload }) => searchableTexts(payload).some((text) => pattern.test(text)));
  }
  const countMax = limit === undefined ? Infinity : parseCount("--limit", limit);
  if (tests.length === 0 && limit === undefined) return undefined;
  return { matches: (row) => tests.every((test) => test(row)), countMax };
}

/** A type that only a newer writer knows is named by its number, as the table shows it. */
function parseTypes(text: string): readonly string[] {
  return text.split(",").flatMap((word) =>
    /^UNKNOWN_-?\d+$/i.test(word.trim())
      ? [word.trim().toUpperCase()]
      : parseWords("--type", word, NAMED_TYPES)
  );
}

function parsePattern(text: string): RegExp {
  try {
    return new RegExp(text, "mu");
  } catch (error) {
    const why = error instanceof Error ? error.message.replace(/^Invalid regular expression: /, "") : "";
    throw new UsageError(`Cannot read --grep: no regular expression: ${why}`, undefined, { cause: error });
  }
}

/**
 * The output of each stream by itself, so that a line in two pieces is found, or all that an event of another
 * kind says.
 */
function searchableTexts(payload: Uint8Array): string[] {
  const event = decodeEvent(payload);
  if (event === undefined) return [new TextDecoder().decode(payload)];
  const decoders = new Map<StreamType, { decoder: TextDecoder; text: string }>();
  for (const { stream, bytes } of outputOf(event)) {
    const at = decoders.get(stream) ?? { decoder: new TextDecoder(), text: "" };
    at.text += at.decoder.decode(bytes, { stream: true });
    decoders.set(stream, at);
  }
  if (decoders.size > 0) return [...decoders.values()].map(({ text }) => text);
  return Object.values(eventToJson(event) ?? {}).map((value) =>
    typeof value === "string" ? value : JSON.stringify(value)
  );
}
