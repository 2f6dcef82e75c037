/**
 * The screen of `wal inspect`: whose log it is, what the server lacks, whether the file is whole, what to
 * type next. Pure. The task token has no place here: it never enters this data.
 */
import { type CompletionState, isUncompleted } from "../wal/completion.ts";
import type { Execution, Failure } from "../wal/execution.ts";
import type { LockOwner } from "../platform/lock_table.ts";
import { damageMeaning, type Health, healthLine } from "./health.ts";
import {
  type Column,
  counted,
  exactTime,
  formatAge,
  formatBytes,
  formatCount,
  formatFields,
  formatNext,
  formatSpan,
  formatTime,
  shellWord,
  shown,
  type Style,
} from "../platform/text.ts";

export interface InspectScreen extends Health {
  readonly path: string;
  readonly archived: boolean;
  readonly fileBytes: number;
  /** From the execution record, else from the file's name. */
  readonly jobId: string | undefined;
  readonly execution: Omit<Execution, "task_token"> | undefined;
  readonly events: number;
  readonly eventsByType: ReadonlyMap<string, number>;
  readonly pending: number;
  readonly sent: number;
  readonly failed: number;
  readonly oldestPendingMs: number | undefined;
  readonly firstTimestampMs: bigint | undefined;
  readonly lastTimestampMs: bigint | undefined;
  readonly failures: readonly (Failure & { sequence: bigint })[];
  readonly exitCode: number | undefined;
  readonly completion: CompletionState;
  /** Who holds the log's lock. */
  readonly owner: LockOwner | undefined;
  readonly nowMs: number;
}

export function renderInspect(screen: InspectScreen, style: Style): string {
  const execution = screen.execution;
  const fields = formatFields([
    ["File", `${shown(screen.path)} (${fileSize(screen)})`],
    readableHeader(screen) ? ["Format", "ARWAL001, version 1"] : undefined,
    ["Job", jobLine(screen)],
    execution &&
    [
      "Queue",
      `${shown(execution.queue)} ${
        execution.server === "" ? "of no server yet" : `on ${shown(execution.server)}`
      }`,
    ],
    execution && ["Worker", `${shown(execution.worker)}, airunner ${shown(execution.version)}`],
    execution && [
      "Started",
      `${formatTime(execution.started_at_ms)} (${formatAge(execution.started_at_ms, screen.nowMs)})`,
    ],
    ["State", stateLine(screen)],
    ["Events", eventsLine(screen)],
    screen.firstTimestampMs === undefined ? undefined : ["Span", spanLine(screen)],
    ["Sent", formatCount(screen.sent)],
    ["Pending", pendingLine(screen, style)],
    ["Failed", failedLine(screen, style)],
    ["Health", healthField(screen, style)],
  ]);
  return fields + formatNext(nextCommands(screen), style);
}

function fileSize({ archived, fileBytes, logBytes }: InspectScreen): string {
  if (!archived) return formatBytes(fileBytes);
  // The summary makes the archive of a tiny log larger than the log.
  const saved = logBytes > fileBytes ? `, ${Math.round(100 * (1 - fileBytes / logBytes))}% saved` : "";
  return `${formatBytes(fileBytes)}, archive of ${formatBytes(logBytes)}${saved}`;
}

function readableHeader({ damage }: InspectScreen): boolean {
  return !damage || !["short_header", "bad_magic", "bad_version"].includes(damage.problem);
}

function jobLine({ jobId, execution }: InspectScreen): string {
  if (execution) return `${shown(execution.job_id)}, execution ${execution.execution}`;
  return jobId === undefined
    ? "unknown: the log has no execution record"
    : `${shown(jobId)} (from the file's name)`;
}

/** What of the job's end is not as it should be. */
const COMPLETIONS: Readonly<Record<Exclude<CompletionState, undefined>, string>> = {
  completed: "",
  superseded: "; the server gave the job to a later execution",
  refused: "; delivered, not completed: the server does not know the job",
  due: "; delivered, not completed",
  differs: "; the server has other events than this log",
};

function stateLine({ exitCode, completion, pending, owner, damage }: InspectScreen): string {
  if (exitCode !== undefined) {
    const rest = pending === 0 && completion !== undefined ? COMPLETIONS[completion] : "";
    return `ended with exit code ${exitCode}${rest}`;
  }
  if (owner !== undefined) {
    return `not ended, ${
      owner.pid === undefined ? "a process elsewhere" : `process ${owner.pid}`
    } is writing to the log`;
  }
  return damage ? "unknown: no end of the job before the damage" : "not ended";
}

function eventsLine({ events, eventsByType }: InspectScreen): string {
  if (events === 0) return "0";
  const types = [...eventsByType].map(([type, count]) => `${formatCount(count)} ${shown(type)}`);
  return `${formatCount(events)}: ${types.join(", ")}`;
}

function spanLine({ firstTimestampMs, lastTimestampMs }: InspectScreen): string {
  const first = firstTimestampMs ?? 0n;
  const last = lastTimestampMs ?? first;
  return `${exactTime(first)} to ${exactTime(last)} (${formatSpan(Number(last - first))})`;
}

function pendingLine({ pending, oldestPendingMs, nowMs }: InspectScreen, style: Style): string {
  if (pending === 0) return "0";
  const oldest = oldestPendingMs === undefined
    ? ""
    : `, the oldest from ${formatAge(oldestPendingMs, nowMs)}`;
  return style.warn(`${formatCount(pending)}${oldest}`);
}

function failedLine({ failed, failures }: InspectScreen, style: Style): string {
  if (failed === 0) return "0";
  const reasons = failures.map(({ sequence, code, message, attempts }) =>
    `sequence ${sequence}: ${shown(code)} after ${counted(attempts, "attempt")}: ${shown(message)}`
  );
  const more = failed > failures.length && failures.length > 0
    ? [`and ${formatCount(failed - failures.length)} more`]
    : [];
  return style.bad([formatCount(failed), ...reasons, ...more].join("\n"));
}

function healthField(screen: InspectScreen, style: Style): string {
  if (!screen.damage) return style.good(healthLine(screen));
  if (screen.damage.problem === "torn_record" && screen.owner !== undefined) {
    return `${counted(screen.records, "record")}, every checksum right; the last record is being written`;
  }
  return style.bad(`${healthLine(screen)}\n${damageMeaning(screen)}`);
}

function nextCommands(screen: InspectScreen): [command: string, effect: string][] {
  const path = shown(shellWord(screen.path));
  const next: [string, string][] = [];
  if (screen.path === "-") return next;
  const { damage, owner, execution } = screen;
  // A worker cuts a torn record off and goes on; a log with any other damage it sets aside.
  const isUsable = !damage || damage.problem === "torn_record";
  const isSendable = owner === undefined && isUsable && execution !== undefined;
  if (screen.pending > 0 && isSendable) {
    next.push([
      `airunner wal replay ${path}`,
      "sends what the server lacks; so does the next worker on this host",
    ]);
  }
  if (isUncompleted(screen) && isSendable) {
    const what = screen.completion === "differs"
      ? "compares with the server again, and sends what it lacks"
      : "tells the server how the job ended";
    next.push([`airunner wal replay ${path}`, what]);
  }
  if (screen.failed > 0) {
    next.push([`airunner wal inspect ${path} --status=failed`, "shows which events failed"]);
    if (isSendable) {
      next.push([`airunner wal replay --failed ${path}`, "offers them to the server once more"]);
    }
  }
  if (screen.events > 0) {
    const what = damage ? "writes the job's output from before the damage" : "writes the job's output";
    next.push([`airunner wal dump ${path} --raw`, what]);
  }
  if (damage && owner === undefined) {
    next.push([
      `airunner wal recover --dry-run ${path}`,
      "shows what can be saved from behind the damage; changes nothing",
    ]);
  }
  return next;
}

/** A row of the table of `--records`. */
export interface RecordRow {
  readonly offset: number;
  readonly length: number;
  readonly sequence: bigint;
  readonly status: string;
  readonly timestampMs: bigint;
  readonly eventType: string;
}

const RECORD_COLUMNS: readonly Column[] = [
  { title: "OFFSET", align: "right" },
  { title: "LENGTH", align: "right" },
  { title: "SEQUENCE", align: "right" },
  { title: "STATUS" },
  { title: "TIME" },
  { title: "TYPE" },
];

/**
 * Widths for files of the usual size; a larger number moves its own line only, so rows can be printed as they
 * come.
 */
const RECORD_WIDTHS = [11, 9, 10, 7, 27, 0];

export function renderRecordHeader(style: Style): string {
  return style.dim(recordLine(RECORD_COLUMNS.map((column) => column.title))) + "\n";
}

export function renderRecord(row: RecordRow, style: Style): string {
  const paint = row.status === "failed"
    ? style.bad
    : row.status === "pending"
    ? style.warn
    : (text: string) => text;
  const cells = [
    row.offset,
    row.length,
    row.sequence,
    row.status,
    exactTime(row.timestampMs),
    shown(row.eventType),
  ];
  return paint(recordLine(cells.map(String))) + "\n";
}

/** What happens to a log between its events, in the same place as the times. */
export function renderNotice(text: string, paint: (text: string) => string): string {
  return paint(" ".repeat(NOTICE_COLUMN) + text) + "\n";
}

const NOTICE_COLUMN = 45;

function recordLine(cells: readonly string[]): string {
  return cells.map((cell, at) =>
    RECORD_COLUMNS[at].align === "right" ? cell.padStart(RECORD_WIDTHS[at]) : cell.padEnd(RECORD_WIDTHS[at])
  ).join("  ");
}
