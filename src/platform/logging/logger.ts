/**
 * Log lines about what the program does, for the person who runs it. Not to be confused with the
 * write-ahead log in `wal/`.
 *
 * Lines look like `DBG WAL created job_id=0190…`: a level, a sentence, then fields. A line is written
 * with one synchronous write, so that none is lost when the process exits or is killed. Nothing that
 * a job or a server sent reaches the terminal unescaped, and no payload, token or environment value
 * is ever passed in here.
 */
import { createEntry, type Fields, LOG_LEVELS, type LogEntry, type LogLevel } from "./entry.ts";

export { type Fields, type FieldValue, LOG_LEVELS, type LogLevel } from "./entry.ts";
export { escapeControls } from "./format.ts";

export interface Logger {
  debug(message: string, fields?: Fields): void;
  info(message: string, fields?: Fields): void;
  warn(message: string, fields?: Fields): void;
  error(message: string, fields?: Fields): void;
  /**
   * A logger that adds `fields` to each of its lines, behind the line's own, and keeps `secrets` out of
   * them: the message of a server may repeat the token that it was sent.
   */
  with(fields: Fields, secrets?: readonly string[]): Logger;
}

/** Takes finished lines, without their newline. */
export type LineSink = (line: string) => void;

/** Takes entries, and gives them the form that its readers want. Never throws. */
export type EntrySink = (entry: LogEntry) => void;

/**
 * Hands entries from `level` up to a sink of any form; a function gives a level that may change. `nowMs` is
 * the wall clock.
 */
export function createEntryLogger(
  level: LogLevel | (() => LogLevel),
  sink: EntrySink,
  nowMs: () => number,
): Logger {
  const levelNow = typeof level === "function" ? level : () => level;
  const bind = (bound: readonly Fields[], secrets: readonly string[]): Logger => {
    const emit = (at: LogLevel) => (message: string, fields: Fields = {}) => {
      if (LOG_LEVELS.indexOf(at) < LOG_LEVELS.indexOf(levelNow())) return;
      sink(createEntry(nowMs(), at, message, [fields, ...bound], secrets));
    };
    return {
      debug: emit("debug"),
      info: emit("info"),
      warn: emit("warn"),
      error: emit("error"),
      with: (fields, more = []) => bind([fields, ...bound], [...secrets, ...more]),
    };
  };
  return bind([], []);
}

/** A logger that drops everything. */
export const silentLogger: Logger = createEntryLogger("error", () => {}, () => 0);

/** Hands each entry to all of `sinks`. */
export function allSinks(...sinks: readonly EntrySink[]): EntrySink {
  return (entry) => {
    for (const sink of sinks) sink(entry);
  };
}
