/**
 * `airunner wal ls`: which logs there are, whose they are, and what the server lacks of them.
 */
import { inOrder, type Sort, SORTS } from "../../../survey/inventory_order.ts";
import type { Call } from "../../call.ts";
import { UsageError } from "../../command_error.ts";
import { ExitCode } from "../../../screens/exit_code.ts";
import { toJson } from "../../../platform/json.ts";
import { type InventoryLog, LOG_STATES, type LogState } from "../../../survey/inventory.ts";
import { parseCount, parseWords } from "../../options/option_values.ts";
import { findNext, type LsTotals, renderLs } from "../../../screens/ls_screen.ts";
import { takeInventoryVisibly } from "./take_inventory.ts";

export interface LsOptions {
  state?: string;
  pending?: true;
  failed?: true;
  job?: string;
  sort?: string;
  limit?: string;
  json?: true;
}

type Ls = Call<[], LsOptions, "walDir" | "archiveDir">;

/** On a terminal: what does not fit on a screen pushes off it what needs somebody. */
const TERMINAL_ROWS_MAX = 50;

export async function run({ context, options, settings, style }: Ls): Promise<number> {
  const { stdout, stderr, clock } = context;
  const isWanted = filterOf(options);
  const sort = sortOf(options.sort);
  const limit = options.limit === undefined ? undefined : parseCount("--limit", options.limit);
  const { logs, isOwnerKnown } = await takeInventoryVisibly(context, settings);
  if (!isOwnerKnown) {
    await stderr.write(
      "Cannot see who writes which log: /proc/locks is not to be had. None is shown as active.\n",
    );
    await stderr.flush();
  }
  const nowMs = clock.nowMs();
  const wanted = inOrder(logs.filter(isWanted), sort);
  const shownMax = limit ?? (stdout.isTerminal && !options.json ? TERMINAL_ROWS_MAX : 0);
  const shownLogs = shownMax === 0 ? wanted : wanted.slice(0, shownMax);
  const totals = totalsOf(wanted, nowMs);
  if (options.json) {
    await stdout.write(toJson(lsJson(shownLogs, totals, settings)) + "\n");
  } else {
    const { walDir, archiveDir } = settings;
    const isFiltered = wanted.length < logs.length;
    await stdout.write(renderLs({ logs: shownLogs, totals, walDir, archiveDir, isFiltered, nowMs }, style));
  }
  return totals.unreadable > 0 ? ExitCode.FAILED : ExitCode.DONE;
}

function filterOf({ state, pending, failed, job }: LsOptions): (log: InventoryLog) => boolean {
  const states = state === undefined ? undefined : new Set(parseWords("--state", state, LOG_STATES));
  return (log) => {
    if (states !== undefined && !states.has(log.state)) return false;
    // Of a log that cannot be read nobody knows what is unsent: better shown than hidden.
    if (pending && log.facts?.pending === 0) return false;
    if (failed && log.facts?.failed === 0) return false;
    return job === undefined || (log.facts?.jobId ?? log.file.jobId ?? log.file.name).startsWith(job);
  };
}

function sortOf(text = "urgency"): Sort {
  const [sort, ...others] = parseWords("--sort", text, SORTS);
  if (others.length > 0) throw new UsageError(`Cannot read --sort: expected one of ${SORTS.join(", ")}`);
  return sort;
}

function totalsOf(logs: readonly InventoryLog[], nowMs: number): LsTotals {
  const states: Record<LogState, number> = { active: 0, orphaned: 0, corrupt: 0, archived: 0 };
  const totals = { logs: logs.length, pending: 0, failed: 0, unreadable: 0, logBytes: 0, archiveBytes: 0 };
  for (const { state, facts, file } of logs) {
    states[state]++;
    totals.pending += facts?.pending ?? 0;
    totals.failed += facts?.failed ?? 0;
    if (facts === undefined) totals.unreadable++;
    if (file.kind === "archive") totals.archiveBytes += file.bytes;
    else totals.logBytes += file.bytes;
  }
  return { ...totals, states, next: findNext(logs, nowMs) };
}

function lsJson(
  logs: readonly InventoryLog[],
  { next: _, ...totals }: LsTotals,
  { walDir, archiveDir }: Ls["settings"],
) {
  return {
    schema_version: 1,
    wal_dir: walDir,
    archive_dir: archiveDir,
    logs: logs.map(({ file, state, owner, facts, error }) => ({
      path: file.path,
      job_id: facts?.jobId ?? file.jobId ?? null,
      execution: facts?.execution ?? null,
      state,
      pid: owner?.pid ?? null,
      events: facts?.events ?? null,
      pending: facts?.pending ?? null,
      failed: facts?.failed ?? null,
      bytes: file.bytes,
      raw_bytes: facts?.rawBytes ?? null,
      oldest_unsent_ms: facts?.oldestPendingMs ?? null,
      last_event_ms: facts?.lastEventMs ?? null,
      exit_code: facts?.exitCode ?? null,
      completion: facts?.completion ?? null,
      problem: facts?.damage?.problem ?? null,
      problem_offset: facts?.damage?.offset ?? null,
      torn_tail: facts?.damage?.isTornTail ?? false,
      error: error ?? null,
    })),
    totals: {
      logs: totals.logs,
      ...totals.states,
      pending: totals.pending,
      failed: totals.failed,
      unreadable: totals.unreadable,
      log_bytes: totals.logBytes,
      archive_bytes: totals.archiveBytes,
    },
  };
}
