/**
 * Log lines about what the program does, for the person who runs it. Not to be confused with the
 * write-ahead log in `wal/`.
 *
 * Lines look like `DBG WAL created job_id=0190…`: a level, a sentence, then fields. A line is written
 * with one synchronous write, so that none is lost when the process exits or is killed. Nothing that
 * a job or a server sent reaches the terminal unescaped, and no payload, token or environment value
 * is ever passed in here.
 */

export type LogLevel = "debug" | "info" | "warn" | "error";

export const LOG_LEVELS: readonly LogLevel[] = ["debug", "info", "warn", "error"];

export type FieldValue = string | number | bigint | boolean | undefined;

/** What a line is about. Undefined values are left out. */
export type Fields = Readonly<Record<string, FieldValue>>;

export interface Logger {
  debug(message: string, fields?: Fields): void;
  info(message: string, fields?: Fields): void;
  warn(message: string, fields?: Fields): void;
  error(message: string, fields?: Fields): void;
  /** A logger that adds `fields` to each of its lines. */
  with(fields: Fields): Logger;
}

/** Takes finished lines, without their newline. */
export type LineSink = (line: string) => void;

const LABELS: Record<LogLevel, string> = { debug: "DBG", info: "INF", warn: "WRN", error: "ERR" };

export function createLogger(level: LogLevel, sink: LineSink, bound: Fields = {}): Logger {
  const threshold = LOG_LEVELS.indexOf(level);
  const emit = (at: LogLevel) => (message: string, fields: Fields = {}) => {
    if (LOG_LEVELS.indexOf(at) < threshold) return;
    sink(formatLine(at, message, { ...bound, ...fields }));
  };
  return {
    debug: emit("debug"),
    info: emit("info"),
    warn: emit("warn"),
    error: emit("error"),
    with: (fields) => createLogger(level, sink, { ...bound, ...fields }),
  };
}

/** A logger that drops everything. */
export const silentLogger: Logger = createLogger("error", () => {});

export function formatLine(level: LogLevel, message: string, fields: Fields): string {
  let line = `${LABELS[level]} ${escapeControls(message)}`;
  for (const [name, value] of Object.entries(fields)) {
    if (value !== undefined) line += ` ${name}=${formatValue(String(value))}`;
  }
  return line;
}

function formatValue(text: string): string {
  const plain = text !== "" && !/[\s"=\\]/.test(text) && escapeControls(text) === text;
  // JSON leaves DEL and the C1 controls as they are; a terminal acts on some of them.
  return plain ? text : escapeControls(JSON.stringify(text));
}

// C0 and C1 controls, DEL, and the marks that reorder text on screen.
// deno-lint-ignore no-control-regex -- finding control characters is the point
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

function escapeCharacter(character: string): string {
  return "\\u" + character.charCodeAt(0).toString(16).padStart(4, "0");
}

/** The text with everything that a terminal would act upon made visible. */
export function escapeControls(text: string): string {
  return text.replace(UNPRINTABLE, escapeCharacter);
}

/** Writes lines to standard error. A closed pipe is no reason to stop working, so that error alone is dropped. */
export function stderrSink(line: string): void {
  const bytes = new TextEncoder().encode(line + "\n");
  try {
    for (let written = 0; written < bytes.length;) written += Deno.stderr.writeSync(bytes.subarray(written));
  } catch (error) {
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
  }
}
