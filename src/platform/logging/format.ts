/**
 * Entries as lines: text for people, `DBG WAL created job_id=0190…`, and JSON for programs, one object a
 * line.
 *
 * Either way an entry is one line without its newline, and nothing in it acts on a terminal: what a job or a
 * server sent is made visible instead. Functions of their arguments alone, which never throw.
 */
import type { EntryValue, LogEntry, LogLevel } from "./entry.ts";

export type LogFormat = "text" | "json";

export const LOG_FORMATS: readonly LogFormat[] = ["text", "json"];

export type FormatEntry = (entry: LogEntry) => string;

const LABELS: Record<LogLevel, string> = { debug: "DBG", info: "INF", warn: "WRN", error: "ERR" };

/** `WRN Cannot write path="/a b" attempts=2` */
export function formatText(entry: LogEntry): string {
  let line = `${LABELS[entry.level]} ${escapeControls(entry.message)}`;
  for (const [name, value] of entry.fields) line += ` ${formatName(name)}=${formatValue(value)}`;
  return line;
}

/** The same behind an RFC 3339 time, for where nobody else notes when a line came. */
export function formatTimedText(entry: LogEntry): string {
  return `${formatTime(entry.timeMs)} ${formatText(entry)}`;
}

/** `{"time":"…","level":"warn","message":"Cannot write","fields":{"path":"/a b","attempts":2}}` */
export function formatJson(entry: LogEntry): string {
  const { level, message } = entry;
  // Fields have an object of their own, so that none can be taken for the time or the level.
  const fields = Object.fromEntries(entry.fields);
  return escapeControls(JSON.stringify({ time: formatTime(entry.timeMs), level, message, fields }));
}

/** UTC with milliseconds: `2026-01-31T23:59:59.999Z`. A clock that is out of its mind gives the year 1970. */
export function formatTime(timeMs: number): string {
  const time = new Date(timeMs);
  const isInRange = time.getTime() >= 0 && time.getUTCFullYear() <= 9999;
  return (isInRange ? time : new Date(0)).toISOString();
}

function formatName(name: string): string {
  return /^[\w.-]+$/.test(name) ? name : JSON.stringify(escapeControls(name));
}

function formatValue(value: EntryValue): string {
  const text = String(value);
  const plain = text !== "" && !/[\s"=\\]/.test(text) && escapeControls(text) === text;
  // JSON leaves DEL and the C1 controls as they are; a terminal acts on some of them.
  return plain ? text : escapeControls(JSON.stringify(text));
}

// C0 and C1 controls, DEL, the line separators of Unicode, and the marks that reorder text on screen.
const UNPRINTABLE =
  // deno-lint-ignore no-control-regex -- finding control characters is the point
  /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

function escapeCharacter(character: string): string {
  return "\\u" + character.charCodeAt(0).toString(16).padStart(4, "0");
}

/** The text with everything that a terminal would act upon made visible. */
export function escapeControls(text: string): string {
  return text.replace(UNPRINTABLE, escapeCharacter);
}
