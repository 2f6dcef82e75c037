/**
 * The screen of `wal ls`: one line a log, what needs somebody first, then totals and what to type. Pure.
 */
import { isCompletionDue, isUncompleted } from "../wal/completion.ts";
import type { InventoryLog, LogState } from "../survey/inventory.ts";
import {
  counted,
  formatAge,
  formatBytes,
  formatCount,
  formatNext,
  formatTable,
  shellWord,
  shown,
  type Style,
} from "../platform/text.ts";

export interface LsScreen {
  /** Those that are shown, in the order in which they are shown. */
  readonly logs: readonly InventoryLog[];
  readonly totals: LsTotals;
  readonly walDir: string;
  readonly archiveDir: string;
  readonly isFiltered: boolean;
  readonly nowMs: number;
}

/** Of everything that the filters let through, shown or not. */
export interface LsTotals {
  readonly logs: number;
  readonly states: Readonly<Record<LogState, number>>;
  readonly pending: number;
  readonly failed: number;
  readonly unreadable: number;
  /** On disk. */
  readonly logBytes: number;
  readonly archiveBytes: number;
  readonly next: NextLogs;
}

/** The logs that the next commands are about. */
export interface NextLogs {
  readonly corrupt: InventoryLog | undefined;
  /** Of which the server lacks something, and which nobody is sending. */
  readonly unsent: readonly InventoryLog[];
  readonly failed: readonly InventoryLog[];
  /** Of which the server has everything but how the job ended, and for which nobody tries. */
  readonly uncompleted: readonly InventoryLog[];
  /** Of which the server has everything, and which lie there all the same. */
  readonly settled: readonly InventoryLog[];
  /** Written by a worker that has not got its oldest event through for a while. */
  readonly stuck: readonly InventoryLog[];
}

/** As the readiness of a worker has it by default: an event that is older has trouble on its way. */
const STUCK_MS = 300_000;

const COLUMNS = [
  { title: "JOB" },
  { title: "STATE" },
  { title: "EVENTS", align: "right" },
  { title: "PENDING", align: "right" },
  { title: "FAILED", align: "right" },
  { title: "SIZE", align: "right" },
  { title: "OLDEST UNSENT" },
  { title: "NOTE" },
] as const;

export function renderLs(screen: LsScreen, style: Style): string {
  const { logs, totals, walDir, archiveDir, isFiltered, nowMs } = screen;
  if (totals.logs === 0) {
    const what = isFiltered ? "No log fits the filters" : "No logs";
    return `${what}: looked in ${shown(walDir)} and ${shown(archiveDir)}\n`;
  }
  const table = formatTable(COLUMNS, logs.map((log) => row(log, nowMs)), style)
    .split("\n").map((line, at) => at === 0 || line === "" ? line : paint(line, logs[at - 1], style)).join(
      "\n",
    );
  const hidden = totals.logs - logs.length;
  const more = hidden > 0 ? `and ${counted(hidden, "more log")}: --limit=0 shows all\n` : "";
  return table + more + totalsLines(totals) + formatNext(nextCommands(totals.next), style);
}

function row({ file, state, owner, facts, error }: InventoryLog, nowMs: number): string[] {
  const counts = facts === undefined
    ? ["?", "?", "?"]
    : [facts.events, facts.pending, facts.failed].map((count) => formatCount(count));
  const oldest = facts?.oldestPendingMs ?? null;
  return [
    shown(facts?.jobId ?? file.jobId ?? file.name),
    state,
    ...counts,
    formatBytes(file.bytes),
    oldest === null ? "-" : formatAge(oldest, nowMs),
    note({ file, state, owner, facts, error }),
  ];
}

function note({ file, owner, facts, error }: InventoryLog): string {
  if (facts === undefined) return shown(error ?? "cannot be read");
  const { damage, execution, exitCode } = facts;
  const parts = [];
  if (owner !== undefined && file.kind === "log") {
    parts.push(owner.pid === undefined ? "owned by a process elsewhere" : `process ${owner.pid}`);
  }
  // A record that is being written looks torn.
  if (damage && !(damage.isTornTail && owner !== undefined)) {
    parts.push(damage.isTornTail ? "torn tail" : `${damage.problem} at byte ${formatCount(damage.offset)}`);
  }
  if (file.kind === "quarantined") parts.push(shown(file.name));
  if (exitCode !== null) parts.push(`exit code ${exitCode}`);
  if (isUncompleted(facts)) parts.push(UNCOMPLETED[facts.completion as keyof typeof UNCOMPLETED]);
  if (execution !== null && execution > 1) parts.push(`execution ${execution}`);
  return parts.join(", ") || "-";
}

const UNCOMPLETED = {
  due: "delivered, not completed",
  refused: "delivered, not completed: the server does not know the job",
  differs: "sent, but the server has other events than this log",
} as const;

function paint(line: string, { state, facts }: InventoryLog, style: Style): string {
  if (state === "corrupt" || facts === undefined || facts.failed > 0) return style.bad(line);
  const isWaiting = facts.pending > 0 || isCompletionDue(facts);
  return isWaiting && state !== "active" ? style.warn(line) : line;
}

function totalsLines({ logs, states, pending, failed, unreadable, ...sizes }: LsTotals): string {
  const byState = (["active", "orphaned", "corrupt", "archived"] as const)
    .filter((state) => states[state] > 0).map((state) => `${formatCount(states[state])} ${state}`);
  const unsent = pending === 0 ? "nothing unsent" : `${counted(pending, "event")} not sent`;
  const refused = failed === 0 ? "" : `, ${formatCount(failed)} failed`;
  const unknown = unreadable === 0 ? "" : `, ${formatCount(unreadable)} could not be read`;
  return `\n${counted(logs, "log")}: ${byState.join(", ")}; ${unsent}${refused}${unknown}\n` +
    `${formatBytes(sizes.logBytes)} in logs, ${formatBytes(sizes.archiveBytes)} in archives\n`;
}

/** What the next commands are about, of logs that the filters let through. */
export function findNext(logs: readonly InventoryLog[], nowMs: number): NextLogs {
  const isDue = ({ facts }: InventoryLog) => facts !== undefined && isCompletionDue(facts);
  const isSettled = (log: InventoryLog) => log.facts?.pending === 0 && log.facts.failed === 0 && !isDue(log);
  const isStuck = ({ facts }: InventoryLog) => nowMs - (facts?.oldestPendingMs ?? nowMs) > STUCK_MS;
  return {
    corrupt: logs.find(({ state }) => state === "corrupt"),
    unsent: logs.filter(({ state, facts }) =>
      (state === "orphaned" || state === "archived") && (facts?.pending ?? 0) > 0
    ),
    failed: logs.filter(({ state, facts }) =>
      (state === "orphaned" || state === "archived") && (facts?.failed ?? 0) > 0
    ),
    uncompleted: logs.filter((log) => (log.state === "orphaned" || log.state === "archived") && isDue(log)),
    settled: logs.filter((log) => log.state === "orphaned" && isSettled(log)),
    stuck: logs.filter((log) => log.state === "active" && isStuck(log)),
  };
}

function nextCommands(
  { corrupt, unsent, failed, uncompleted, settled, stuck }: NextLogs,
): [string, string][] {
  const next: [string, string][] = [];
  if (corrupt !== undefined) {
    const dryRun = `airunner wal recover --dry-run ${shown(shellWord(corrupt.file.path))}`;
    next.push([dryRun, "shows what of the damaged log can be saved; changes nothing"]);
  }
  if (unsent.length > 0) {
    next.push([
      `airunner wal replay ${targetOf(unsent)}`,
      `sends what the server lacks; so does the next worker that starts here, for logs that are not archived`,
    ]);
  }
  if (uncompleted.length > 0) {
    next.push([
      `airunner wal replay ${targetOf(uncompleted)}`,
      "tells the server how the job ended; so does the next worker that starts here, for logs that are not archived",
    ]);
  }
  if (failed.length > 0) {
    next.push([
      `airunner wal inspect ${shown(shellWord(failed[0].file.path))} --status=failed`,
      "shows which events the server refused",
    ]);
  }
  if (stuck.length > 0) {
    next.push(["airunner doctor", "finds out why a running worker does not get its events through"]);
  }
  if (settled.length > 0) {
    next.push([
      `airunner wal archive ${targetOf(settled)}`,
      "compresses what the server has and nobody writes any more",
    ]);
  }
  return next;
}

/** So many paths are pasted more gladly than everything there is. */
const PATHS_MAX = 3;

function targetOf(logs: readonly InventoryLog[]): string {
  if (logs.length > PATHS_MAX) return "--all";
  return logs.map(({ file }) => shown(shellWord(file.path))).join(" ");
}
