/**
 * What happens when the log file cannot be written: the program goes on. It is said once, tried again from
 * time to time, and the file itself says later how many lines are missing from it, and since when.
 */
import { isNoSpaceError } from "../files.ts";
import { createEntry, type LogEntry } from "./entry.ts";
import { type FormatEntry, formatTime } from "./format.ts";
import type { EntrySink } from "./logger.ts";

/** Long against the cost of a failing write, short against the time in which somebody makes room. */
const RETRY_AFTER_MS = 5000;

export interface LineFileSinkOptions {
  file: { readonly path: string; append(line: string): void };
  format: FormatEntry;
  /** Told that lines do not get into the file, and that they do again. */
  console: EntrySink;
  /** Monotonic. */
  elapsedMs: () => number;
}

interface Gap {
  /** Of the first line that is missing. */
  readonly sinceMs: number;
  lines: number;
  retryAtMs: number;
  reason: string;
}

/** Each entry is in the file when the call returns, unless the file cannot be written. Never throws. */
export function lineFileSink({ file, format, console, elapsedMs }: LineFileSinkOptions): EntrySink {
  let gap: Gap | undefined;

  const append = (entry: LogEntry) => {
    if (gap !== undefined) {
      file.append(format(gapEntry(entry.timeMs, gap)));
      gap.lines = 0;
    }
    file.append(format(entry));
  };

  return (entry) => {
    if (gap !== undefined && elapsedMs() < gap.retryAtMs) {
      gap.lines++;
      return;
    }
    try {
      append(entry);
    } catch (error) {
      const reason = reasonOf(error);
      if (gap === undefined) console(failedEntry(entry.timeMs, file.path, reason));
      gap = {
        sinceMs: gap !== undefined && gap.lines > 0 ? gap.sinceMs : entry.timeMs,
        lines: (gap?.lines ?? 0) + 1,
        retryAtMs: elapsedMs() + RETRY_AFTER_MS,
        reason,
      };
      return;
    }
    if (gap !== undefined) {
      console(createEntry(entry.timeMs, "info", "Log file is written again", [{ path: file.path }]));
    }
    gap = undefined;
  };
}

function reasonOf(error: unknown): string {
  // The words that operators search for; the system's begin with a capital.
  if (isNoSpaceError(error)) return "no space left on device";
  return error instanceof Error ? error.message : String(error);
}

function failedEntry(timeMs: number, path: string, error: string): LogEntry {
  const message = "Cannot write the log file; its lines are on standard error only, and jobs go on as before";
  return createEntry(timeMs, "warn", message, [{ path, error }]);
}

function gapEntry(timeMs: number, { lines, sinceMs, reason }: Gap): LogEntry {
  const fields = { count: lines, since: formatTime(sinceMs), error: reason };
  return createEntry(timeMs, "warn", "Lines are missing here: the log file could not be written", [fields]);
}
