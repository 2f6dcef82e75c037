/**
 * The smallest pieces of every screen: numbers, sizes, times, tables and colour. Pure: data in, text out.
 */
import { escapeControls } from "./logging/format.ts";

/** Emphasis that a screen may use. Without colour each is the identity, so screens are written once. */
export interface Style {
  bold(text: string): string;
  dim(text: string): string;
  good(text: string): string;
  bad(text: string): string;
  warn(text: string): string;
}

const identity = (text: string) => text;
const sgr = (code: number) => (text: string) => `\u001b[${code}m${text}\u001b[0m`;

export const plainStyle: Style = {
  bold: identity,
  dim: identity,
  good: identity,
  bad: identity,
  warn: identity,
};
export const colorStyle: Style = { bold: sgr(1), dim: sgr(2), good: sgr(32), bad: sgr(31), warn: sgr(33) };

/** `1,234,567`. Not by locale: a screen looks the same on every host. */
export function formatCount(count: number | bigint): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** `1 record`, `2 records`. */
export function counted(count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${count === 1 ? "" : "s"}`;
}

/** `335 B`, `2.1 MB`: decimal units, as in the runbook. */
export function formatBytes(bytes: number): string {
  const units = ["B", "KB", "MB", "GB", "TB"];
  let value = bytes;
  let unit = 0;
  // 999.95 would be printed as 1000.0, so the next unit begins there.
  while (value >= 999.95 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return unit === 0 ? `${bytes} B` : `${value.toFixed(1)} ${units[unit]}`;
}

/** `850 ms`, `42 s`, `5 min 10 s`, `2 h 10 min`, `3 days`: two units at most. */
export function formatSpan(durationMs: number): string {
  if (durationMs < 1000) return `${Math.max(0, Math.round(durationMs))} ms`;
  const seconds = Math.floor(durationMs / 1000);
  if (seconds < 60) {
    return durationMs < 10_000 ? `${(Math.floor(durationMs / 100) / 10).toFixed(1)} s` : `${seconds} s`;
  }
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return pairOf(minutes, "min", seconds % 60, "s");
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return pairOf(hours, "h", minutes % 60, "min");
  return `${formatCount(Math.floor(hours / 24))} days`;
}

function pairOf(large: number, largeUnit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${large} ${largeUnit}` : `${large} ${largeUnit} ${small} ${smallUnit}`;
}

/**
 * `2026-01-01 00:00:00 UTC`; the number itself when it is no date, as damaged or foreign files may have it.
 */
export function formatTime(timestampMs: number | bigint): string {
  const date = new Date(Number(timestampMs));
  if (Number.isNaN(date.getTime())) return `${timestampMs} ms`;
  return date.toISOString().replace("T", " ").replace(/\.\d+Z$/, " UTC");
}

/** `2026-01-01 00:00:00.120 UTC`; the number itself when it is no date. */
export function exactTime(timestampMs: number | bigint): string {
  const date = new Date(Number(timestampMs));
  return Number.isNaN(date.getTime())
    ? String(timestampMs)
    : date.toISOString().replace("T", " ").replace("Z", " UTC");
}

/** `2 h 10 min ago`; says so when the time lies ahead, because then a clock is wrong. */
export function formatAge(timestampMs: number | bigint, nowMs: number): string {
  const ageMs = nowMs - Number(timestampMs);
  return ageMs < 0 ? `${formatSpan(-ageMs)} in the future` : `${formatSpan(ageMs)} ago`;
}

/** Labels in one column, values in the next; lines of a value after its first are indented under it. */
export function formatFields(
  fields: readonly (readonly [label: string, value: string] | undefined)[],
): string {
  const present = fields.filter((field) => field !== undefined);
  const width = Math.max(0, ...present.map(([label]) => label.length)) + 2;
  const lines = present.map(([label, value]) => {
    return label.padEnd(width) + value.replaceAll("\n", "\n" + " ".repeat(width)) + "\n";
  });
  return lines.join("");
}

export interface Column {
  readonly title: string;
  readonly align?: "left" | "right";
}

/** A table with a header line. The last column is not padded, so no line ends in blanks. */
export function formatTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  style: Style,
): string {
  // Not by spreading all rows into one call: a directory can have more logs than a call can have arguments.
  const widths = columns.map((column, at) =>
    rows.reduce((width, row) => Math.max(width, row[at].length), column.title.length)
  );
  const line = (cells: readonly string[]) =>
    cells.map((cell, at) => {
      if (columns[at].align === "right") return cell.padStart(widths[at]);
      return at === cells.length - 1 ? cell : cell.padEnd(widths[at]);
    }).join("  ");
  const header = style.dim(line(columns.map((column) => column.title)));
  return [header, ...rows.map(line)].map((text) => text + "\n").join("");
}

/** Text of unknown origin, on one line and without anything that a terminal would act upon. */
export function shown(text: string): string {
  return escapeControls(text);
}

/** The same in so many characters; `…` stands for the rest. */
export function cut(text: string, charactersMax: number): string {
  const line = shown(text);
  return line.length > charactersMax ? `${line.slice(0, charactersMax - 1)}…` : line;
}

/** A word as the shell has to be given it, so that the commands we suggest can be pasted. */
export function shellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/**
 * Commands to type next, each with what it does below it: paths are long, and a command must not be broken.
 */
export function formatNext(
  commands: readonly (readonly [command: string, effect: string])[],
  style: Style,
): string {
  if (commands.length === 0) return "";
  const lines = commands.map(([command, effect]) => `  ${command}\n      ${style.dim(effect)}\n`);
  return `\n${style.bold("Next")}\n${lines.join("")}`;
}
