/**
 * A logger of lines for people, timed by the machine's clock, and standard error as a place for them.
 */
import type { Fields, LogLevel } from "./entry.ts";
import { formatText } from "./format.ts";
import { createEntryLogger, type LineSink, type Logger } from "./logger.ts";
import { createWriteSink } from "./sink.ts";

/** Writes lines of text from `level` up. */
export function createLogger(level: LogLevel, sink: LineSink, bound: Fields = {}): Logger {
  return createEntryLogger(level, (entry) => sink(formatText(entry)), Date.now).with(bound);
}

/** Writes lines to standard error. */
export const stderrSink: LineSink = createWriteSink((bytes) => Deno.stderr.writeSync(bytes));
