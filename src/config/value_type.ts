/**
 * How a setting's text becomes a value and a value becomes text again: one small codec for each kind of
 * setting, so that a flag, an environment variable and a file are read in exactly the same way.
 */
import { DAY_MS } from "../platform/time_units.ts";

import { type AddressRange, parseRange } from "../platform/ip_address.ts";

export interface ValueType<T> {
  /** Stands for the value in help: `--retry-max-interval <DURATION>`. */
  readonly placeholder: string;
  /** Completes the sentence "expected …". */
  readonly expected: string;
  /** All texts that there are, or those worth offering, for completion in a shell. */
  readonly words?: readonly string[];
  /** The value, or undefined when the text is not one. What is wrong with a text is the caller's to say. */
  parse(text: string): T | undefined;
  /** Text that parses to the same value, in the form in which a person would have written it. */
  format(value: T): string;
}

const DURATION_UNITS_MS = new Map([["d", DAY_MS], ["h", 3_600_000], ["m", 60_000], ["s", 1000], [
  "ms",
  1,
]]);

/** Milliseconds in `500ms`, `5s`, `1h30m` or `30d`; undefined for any other text. */
export function parseDurationMs(text: string): number | undefined {
  if (text === "0") return 0;
  if (!/^(\d+(\.\d+)?(ms|[dhms]))+$/.test(text)) return undefined;
  let totalMs = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|[dhms])/g)) {
    totalMs += Number(amount) * DURATION_UNITS_MS.get(unit)!;
  }
  return Number.isSafeInteger(Math.round(totalMs)) ? Math.round(totalMs) : undefined;
}

/** The shortest exact text of a duration: `5s`, `1h30m`, `250ms`. */
export function formatDurationMs(durationMs: number): string {
  let restMs = durationMs;
  let text = "";
  for (const [unit, unitMs] of DURATION_UNITS_MS) {
    const amount = Math.floor(restMs / unitMs);
    if (amount > 0) text += `${amount}${unit}`;
    restMs -= amount * unitMs;
  }
  return text || "0";
}

// The runbook writes 5 GB as 5_000_000_000, so the plain units are decimal; the binary ones have their own
// names.
const SIZE_UNITS_BYTES = new Map([
  ["tib", 2 ** 40],
  ["tb", 1e12],
  ["gib", 2 ** 30],
  ["gb", 1e9],
  ["mib", 2 ** 20],
  ["mb", 1e6],
  ["kib", 2 ** 10],
  ["kb", 1e3],
  ["b", 1],
  ["", 1],
]);

/** Bytes in `5GB`, `64MiB`, `1.5 KB` or `4096`; undefined for any other text. */
export function parseSizeBytes(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text);
  const unitBytes = match && SIZE_UNITS_BYTES.get(match[2].toLowerCase());
  if (!unitBytes) return undefined;
  const bytes = Math.round(Number(match[1]) * unitBytes);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

export function formatSizeBytes(bytes: number): string {
  for (const [unit, name] of [["tb", "TB"], ["gb", "GB"], ["mb", "MB"], ["kb", "KB"]]) {
    const unitBytes = SIZE_UNITS_BYTES.get(unit)!;
    if (bytes >= unitBytes && bytes % unitBytes === 0) return `${bytes / unitBytes}${name}`;
  }
  return `${bytes}B`;
}

/**
 * Some that anybody understands; what is shown to somebody who mistyped one has to be right for the setting.
 */
const DURATION_EXAMPLES = ["5s", "1h30m", "500ms"];

/** A duration in milliseconds, from `minMs` to `maxMs`, both included. */
export function duration(minMs: number, maxMs: number): ValueType<number> {
  const examples = DURATION_EXAMPLES.filter((text) =>
    within(parseDurationMs(text), minMs, maxMs) !== undefined
  );
  const such = examples.length > 0 ? `, such as ${examples.slice(0, 2).join(" or ")}` : "";
  return {
    placeholder: "DURATION",
    expected: `a duration from ${formatDurationMs(minMs)} to ${formatDurationMs(maxMs)}${such}`,
    parse: (text) => within(parseDurationMs(text), minMs, maxMs),
    format: formatDurationMs,
  };
}

/** A size in bytes, from `minBytes` up. */
export function size(minBytes: number): ValueType<number> {
  return {
    placeholder: "SIZE",
    expected: `a size of at least ${formatSizeBytes(minBytes)}, such as 5GB or 64MiB`,
    parse: (text) => within(parseSizeBytes(text), minBytes, Number.MAX_SAFE_INTEGER),
    format: formatSizeBytes,
  };
}

export function integer(min: number, max: number): ValueType<number> {
  return {
    placeholder: "N",
    expected: `a whole number from ${min} to ${max}`,
    parse: (text) => /^-?\d+$/.test(text) ? within(Number(text), min, max) : undefined,
    format: String,
  };
}

export function decimal(min: number, max: number): ValueType<number> {
  return {
    placeholder: "N",
    expected: `a number from ${min} to ${max}`,
    parse: (text) => /^-?\d+(\.\d+)?$/.test(text) ? within(Number(text), min, max) : undefined,
    format: String,
  };
}

export const boolean: ValueType<boolean> = {
  placeholder: "true|false",
  expected: "true or false",
  words: ["true", "false"],
  parse(text) {
    if (/^(true|yes|on|1)$/i.test(text)) return true;
    if (/^(false|no|off|0)$/i.test(text)) return false;
    return undefined;
  },
  format: String,
};

/** One of a few words, whatever their case. */
export function oneOf<const W extends string>(
  words: readonly W[],
  placeholder = words.join("|"),
): ValueType<W> {
  return {
    placeholder,
    expected: `one of ${words.join(", ")}`,
    words,
    parse: (text) => words.find((word) => word.toLowerCase() === text.toLowerCase()),
    format: String,
  };
}

/** Text without control characters: names travel in log lines and requests. */
export const text: ValueType<string> = {
  placeholder: "NAME",
  expected: "text that is not empty and holds no control characters",
  // deno-lint-ignore no-control-regex -- refusing control characters is the point
  parse: (value) => value !== "" && !/[\u0000-\u001f\u007f-\u009f]/.test(value) ? value : undefined,
  format: String,
};

/** A path as typed. A leading `~` is the home directory, because no shell has replaced it in a file. */
export const path: ValueType<string> = {
  placeholder: "PATH",
  expected: "a path",
  parse: (value) => value !== "" && !value.includes("\0") ? value : undefined,
  format: String,
};

/** The address of a server, without a trailing slash. */
export const httpUrl: ValueType<string> = {
  placeholder: "URL",
  expected: "an http:// or https:// address, such as http://127.0.0.1:8080",
  parse(value) {
    const url = URL.parse(value);
    if (!url || !/^https?:$/.test(url.protocol) || url.username || url.search || url.hash) return undefined;
    return value.replace(/\/+$/, "");
  },
  format: String,
};

export interface ListenAddress {
  hostname: string;
  port: number;
}

/** `127.0.0.1:8080`, `[::1]:8080` or `:8080`; port 0 lets the system choose. */
export const listenAddress: ValueType<ListenAddress> = {
  placeholder: "HOST:PORT",
  expected: "a host and a port, such as 127.0.0.1:8080",
  parse(value) {
    const match = /^(?:\[([0-9a-f:.]+)\]|([^\s:[\]/]*)):(\d{1,5})$/i.exec(value);
    if (!match || Number(match[3]) > 65_535) return undefined;
    return { hostname: match[1] ?? (match[2] || "0.0.0.0"), port: Number(match[3]) };
  },
  format: ({ hostname, port }) => hostname.includes(":") ? `[${hostname}]:${port}` : `${hostname}:${port}`,
};

/** As `listenAddress`, or `off`. */
export const listenAddressOrOff: ValueType<ListenAddress | "off"> = {
  placeholder: "HOST:PORT|off",
  expected: "a host and a port, such as 127.0.0.1:9464, or off",
  words: ["off"],
  parse: (value) => /^off$/i.test(value) ? "off" : listenAddress.parse(value),
  format: (value) => value === "off" ? value : listenAddress.format(value),
};

/** Addresses and ranges of them, separated by commas. */
export const addressRanges: ValueType<readonly AddressRange[]> = {
  placeholder: "ADDRESSES",
  expected: "addresses or ranges separated by commas, such as 127.0.0.1,10.0.0.0/8",
  parse(value) {
    const ranges = value.split(",").map((text) => parseRange(text.trim()));
    return ranges.every((range) => range !== undefined) ? ranges : undefined;
  },
  format: (ranges) => ranges.map(({ text }) => text).join(","),
};

export interface QueueAge {
  queue: string;
  /** Infinity: for ever. */
  ageMs: number;
}

/** Queues, each with an age or `never`, separated by commas. */
export const queueAges: ValueType<readonly QueueAge[]> = {
  placeholder: "QUEUE=AGE,…",
  expected: "queues with ages separated by commas, such as nightly=7d,release=never",
  parse(value) {
    const ages = value.split(",").map(queueAge);
    if (!ages.every((age) => age !== undefined)) return undefined;
    return new Set(ages.map(({ queue }) => queue)).size === ages.length ? ages : undefined;
  },
  format: (ages) =>
    ages.map(({ queue, ageMs }) => `${queue}=${ageMs === Infinity ? "never" : formatDurationMs(ageMs)}`)
      .join(),
};

function queueAge(word: string): QueueAge | undefined {
  const end = word.lastIndexOf("=");
  const queue = text.parse(word.slice(0, Math.max(0, end)).trim());
  const age = word.slice(end + 1).trim();
  const ageMs = age === "never" ? Infinity : parseDurationMs(age);
  return queue === undefined || !ageMs ? undefined : { queue, ageMs };
}

function within(value: number | undefined, min: number, max: number): number | undefined {
  return value !== undefined && value >= min && value <= max ? value : undefined;
}
