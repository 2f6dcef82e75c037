/**
 * The screen of `wal stats`: how much there is, what the server lacks, how long the disk lasts, how fast
 * appends are. Pure.
 */
import type { AppendLatency } from "../metrics/append_latency.ts";
import type { DiskSpace } from "../platform/disk_space.ts";
import type { FileSystemSpace } from "../platform/files.ts";
import { DAY_MS } from "../platform/time_units.ts";
import type { Growth } from "../survey/growth.ts";
import type { DirectoryGrowth, InventoryTotals } from "../survey/directory_totals.ts";
import {
  counted,
  formatAge,
  formatBytes,
  formatCount,
  formatFields,
  formatNext,
  formatSpan,
  formatTime,
  shown,
  type Style,
} from "../platform/text.ts";

export interface StatsScreen extends InventoryTotals {
  readonly walDir: string;
  readonly archiveDir: string;
  /** Hidden files that killed processes left in the making. */
  readonly leftovers: { readonly files: number; readonly bytes: number };
  readonly retentionDays: number;
  readonly rooms: readonly DiskSpace[];
  readonly growth: readonly DirectoryGrowth[];
  /** Where the running worker was asked; undefined when metrics are switched off. */
  readonly address: string | undefined;
  readonly latency: AppendLatency | undefined;
  readonly nowMs: number;
}

/** Of the runbook: above it appends are slow. */
const P99_SECONDS_MAX = 0.01;
/** Of the runbook: above it a disk is nearly full. */
const USED_MAX = 0.9;

export function renderStats(screen: StatsScreen, style: Style): string {
  return formatFields([
    ["Logs", logsLine(screen)],
    ["Unsent", unsentLine(screen, style)],
    ["Failed", failedLine(screen, style)],
    ["Archives", archivesLine(screen)],
    screen.archives.oldestMs === undefined
      ? undefined
      : ["Oldest", `${formatAge(screen.archives.oldestMs, screen.nowMs)}; kept ${retention(screen)}`],
    screen.leftovers.files === 0 ? undefined : ["Leftovers", leftoversLine(screen)],
    ["Disk", screen.rooms.map((room) => roomLine(room, style)).join("\n")],
    ["Growth", screen.growth.map(({ growth }) => growthLine(growth)).join("\n")],
    ["Full", fullLines(screen, style)],
    ["Appends", latencyLine(screen, style)],
  ]) + formatNext(nextCommands(screen), style);
}

function logsLine({ logs, states, walDir, unreadable }: StatsScreen): string {
  const parts = [
    `${formatCount(states.active)} active`,
    `${formatCount(states.orphaned)} orphaned`,
    `${formatCount(states.corrupt)} corrupt`,
    ...(unreadable > 0 ? [`${formatCount(unreadable)} could not be read`] : []),
  ];
  return `${formatCount(logs.files)} in ${shown(walDir)}, ${formatBytes(logs.bytes)}: ${parts.join(", ")}`;
}

function unsentLine({ unsent, nowMs }: StatsScreen, style: Style): string {
  if (unsent.pending === 0) return "0";
  const oldest = unsent.oldestMs === undefined
    ? ""
    : `, the oldest from ${formatAge(unsent.oldestMs, nowMs)}`;
  const where = unsent.oldestPath === undefined ? "" : `\nin ${shown(unsent.oldestPath)}`;
  return style.warn(
    `${counted(unsent.pending, "event")}, ${formatBytes(unsent.pendingBytes)}${oldest}${where}`,
  );
}

function failedLine({ unsent: { failed } }: StatsScreen, style: Style): string {
  return failed === 0 ? "0" : style.bad(`${counted(failed, "event")} that the server refused`);
}

/** Ratio and saving as in the runbook: 30.0% of the size is a reduction of 70%. */
function archivesLine({ archives, archiveDir }: StatsScreen): string {
  const { files, bytes, rawBytes } = archives;
  const where = `${formatCount(files)} in ${shown(archiveDir)}, ${formatBytes(bytes)}`;
  if (rawBytes === 0) return where;
  const ratio = 100 * bytes / rawBytes;
  const change = ratio <= 100 ? `${Math.round(100 - ratio)}% reduction` : "more than before";
  return `${where}: ratio ${ratio.toFixed(1)}% of ${formatBytes(rawBytes)} (${change})`;
}

function leftoversLine({ leftovers: { files, bytes } }: StatsScreen): string {
  return `${counted(files, "hidden file")} of killed processes, ${formatBytes(bytes)}; a worker removes them`;
}

function retention({ retentionDays }: StatsScreen): string {
  return `for ${counted(retentionDays, "day")} once the server has everything (RetentionDays)`;
}

function roomLine(
  { directories, totalBytes, freeBytes, totalInodes, freeInodes }: DiskSpace,
  style: Style,
): string {
  const percent = totalBytes === 0 ? 0 : Math.floor(100 * freeBytes / totalBytes);
  const inodes = totalInodes === 0 ? "" : `, ${counted(freeInodes, "inode")} free`;
  const line = `${formatBytes(freeBytes)} of ${formatBytes(totalBytes)} free (${percent}%)${inodes}: ${
    directories.map(shown).join(" and ")
  }`;
  return isNearlyFull({ totalBytes, freeBytes, totalInodes, freeInodes }) ? style.bad(line) : line;
}

function isNearlyFull(
  { totalBytes, freeBytes, totalInodes, freeInodes }: Omit<FileSystemSpace, "type">,
): boolean {
  return freeBytes < (1 - USED_MAX) * totalBytes || freeInodes < (1 - USED_MAX) * totalInodes;
}

function growthLine({ windowMs, measuredMs, bytes, bytesPerDay }: Growth): string {
  const short = measuredMs < windowMs ? `, all of it in the last ${formatSpan(measuredMs)}` : "";
  return `${formatBytes(Math.round(bytesPerDay))} a day: ${formatBytes(bytes)} in the last ${
    windowName(windowMs)
  }${short}`;
}

function windowName(windowMs: number): string {
  return windowMs === DAY_MS ? "24 h" : `${windowMs / DAY_MS} days`;
}

function fullLines({ growth, nowMs, retentionDays }: StatsScreen, style: Style): string {
  const lines = growth.map(({ growth: { windowMs }, filling }) => {
    const rate = `at the rate of the last ${windowName(windowMs)}`;
    if (filling === undefined) return `not ${rate}: nothing was written`;
    if (filling.kind === "never") {
      return `not ${rate}: archives go after ${counted(retentionDays, "day")} and settle at ${
        formatBytes(Math.round(filling.settledBytes))
      }`;
    }
    const line = `in ${formatSpan(filling.inMs)} ${rate}, ${formatTime(nowMs + filling.inMs)}`;
    return filling.inMs < 7 * DAY_MS ? style.bad(line) : line;
  });
  return [
    ...lines,
    "estimated from the sizes of logs and archives and the times of their last events;",
    "what was deleted and what other programs write is not in it",
  ].join("\n");
}

function latencyLine({ address, latency }: StatsScreen, style: Style): string {
  if (address === undefined) return "unknown: metrics are switched off (MetricsListen)";
  if (latency === undefined) return `unknown: no worker answers at ${shown(address)} (MetricsListen)`;
  const { count, p50Seconds, p99Seconds } = latency;
  if (p50Seconds === undefined || p99Seconds === undefined) {
    return `none yet by the worker at ${shown(address)}`;
  }
  const line = `p50 ${formatMs(p50Seconds)}, p99 ${formatMs(p99Seconds)} of ${
    counted(count, "append")
  } by the worker at ${shown(address)}`;
  return p99Seconds > P99_SECONDS_MAX ? style.bad(`${line}: slow`) : line;
}

function formatMs(seconds: number): string {
  const milliseconds = seconds * 1000;
  return `${milliseconds < 10 ? milliseconds.toFixed(2) : Math.round(milliseconds)} ms`;
}

function nextCommands({ states, unsent, rooms, growth, latency }: StatsScreen): [string, string][] {
  const next: [string, string][] = [];
  const isSoonFull = growth.some(({ filling }) => filling?.kind === "full" && filling.inMs < 7 * DAY_MS);
  if (isSoonFull || rooms.some(isNearlyFull)) {
    next.push([
      "airunner wal cleanup --older-than=7d --dry-run",
      "shows what would come free; deletes nothing",
    ]);
  }
  if (unsent.pending + unsent.failed > 0 || states.corrupt > 0) {
    next.push(["airunner wal ls", "shows which logs need somebody, and what to do about them"]);
  }
  if ((latency?.p99Seconds ?? 0) > P99_SECONDS_MAX) {
    next.push(["airunner doctor", "measures the disk, and says what is slow"]);
  }
  return next;
}
