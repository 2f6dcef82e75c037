/**
 * `airunner wal stats`: how much there is, what the server lacks, how long the disk lasts, how fast appends are.
 */
import { listenAddress } from "../../config/value_type.ts";
import { askAppendLatency } from "../../metrics/append_latency.ts";
import type { Call } from "../call.ts";
import { type DiskSpace, diskSpaceOf } from "../../platform/disk_space.ts";
import { ExitCode } from "../exit_code.ts";
import { DAY_MS } from "../../platform/clock.ts";
import { estimateFilling, estimateGrowth } from "../../survey/growth.ts";
import { toJson } from "../../platform/json.ts";
import { listLeftovers } from "../../survey/log_files.ts";
import type { InventoryLog, LogState } from "../../survey/inventory.ts";
import { renderStats, type StatsScreen } from "../screens/stats_screen.ts";
import { takeInventoryVisibly } from "../take_inventory.ts";

type Stats = Call<[], { json?: true }, "walDir" | "archiveDir" | "metricsListen" | "retentionDays">;

const WINDOWS_MS = [DAY_MS, 7 * DAY_MS];

export async function run({ context, options, settings, style }: Stats): Promise<number> {
  const { stdout, clock } = context;
  const { walDir, archiveDir, metricsListen, retentionDays } = settings;
  const { logs } = await takeInventoryVisibly(context, settings);
  const leftovers = await listLeftovers(context, settings);
  const rooms = await diskSpaceOf(context.files, [walDir, archiveDir]);
  const nowMs = clock.nowMs();
  const screen: StatsScreen = {
    walDir,
    archiveDir,
    ...countLogs(logs),
    leftovers: { files: leftovers.length, bytes: leftovers.reduce((sum, { bytes }) => sum + bytes, 0) },
    retentionDays,
    rooms,
    growth: growthOf(logs, rooms, settings, nowMs),
    address: metricsListen === "off" ? undefined : listenAddress.format(metricsListen),
    latency: metricsListen === "off" ? undefined : await askAppendLatency(metricsListen),
    nowMs,
  };
  await stdout.write(options.json ? toJson(statsJson(screen)) + "\n" : renderStats(screen, style));
  return screen.unreadable > 0 ? ExitCode.FAILED : ExitCode.DONE;
}

function countLogs(
  inventory: readonly InventoryLog[],
): Pick<StatsScreen, "states" | "unreadable" | "logs" | "unsent" | "archives"> {
  const states: Record<LogState, number> = { active: 0, orphaned: 0, corrupt: 0, archived: 0 };
  const logs = { files: 0, bytes: 0 };
  const archives = { files: 0, bytes: 0, rawBytes: 0, oldestMs: undefined as number | undefined };
  const unsent = {
    pending: 0,
    pendingBytes: 0,
    failed: 0,
    oldestMs: undefined as number | undefined,
    oldestPath: undefined as string | undefined,
  };
  let unreadable = 0;
  for (const { file, state, facts } of inventory) {
    states[state]++;
    if (facts === undefined) unreadable++;
    if (file.kind === "archive") {
      archives.files++;
      archives.bytes += file.bytes;
      archives.rawBytes += facts?.rawBytes ?? file.bytes;
      archives.oldestMs = Math.min(archives.oldestMs ?? Infinity, writtenMs({ file, facts }));
    } else {
      logs.files++;
      logs.bytes += file.bytes;
    }
    unsent.pending += facts?.pending ?? 0;
    unsent.pendingBytes += facts?.pendingBytes ?? 0;
    unsent.failed += facts?.failed ?? 0;
    const oldestMs = facts?.oldestPendingMs ?? undefined;
    if (oldestMs !== undefined && oldestMs < (unsent.oldestMs ?? Infinity)) {
      unsent.oldestMs = oldestMs;
      unsent.oldestPath = file.path;
    }
  }
  return { states, unreadable, logs, unsent, archives };
}

/** When a file's last event happened: its own time is that of the last copy. */
function writtenMs({ file, facts }: Pick<InventoryLog, "file" | "facts">): number {
  return facts?.lastEventMs ?? file.mtimeMs;
}

/** The disk that fills is that of the archives: every log ends there. */
function growthOf(
  logs: readonly InventoryLog[],
  rooms: readonly DiskSpace[],
  { archiveDir, retentionDays }: Pick<Stats["settings"], "archiveDir" | "retentionDays">,
  nowMs: number,
): StatsScreen["growth"] {
  const files = logs.map((log) => ({ bytes: log.file.bytes, writtenMs: writtenMs(log) }));
  const usedBytes = files.reduce((sum, { bytes }) => sum + bytes, 0);
  const freeBytes = rooms.find(({ directories }) => directories.includes(archiveDir))?.freeBytes ?? 0;
  return WINDOWS_MS.map((windowMs) => {
    const growth = estimateGrowth(files, windowMs, nowMs);
    return { growth, filling: estimateFilling(growth, { freeBytes, usedBytes, retentionDays }) };
  });
}

function statsJson(screen: StatsScreen) {
  const { walDir, archiveDir, states, logs, unsent, archives, latency, nowMs } = screen;
  return {
    schema_version: 1,
    wal_dir: walDir,
    archive_dir: archiveDir,
    logs: { ...logs, active: states.active, orphaned: states.orphaned, corrupt: states.corrupt },
    unreadable: screen.unreadable,
    pending: unsent.pending,
    pending_bytes: unsent.pendingBytes,
    failed: unsent.failed,
    oldest_unsent_ms: unsent.oldestMs ?? null,
    oldest_unsent_path: unsent.oldestPath ?? null,
    archives: {
      files: archives.files,
      bytes: archives.bytes,
      raw_bytes: archives.rawBytes,
      ratio: archives.rawBytes === 0 ? null : archives.bytes / archives.rawBytes,
      oldest_ms: archives.oldestMs ?? null,
    },
    retention_days: screen.retentionDays,
    disks: screen.rooms.map(({ directories, totalBytes, freeBytes, totalInodes, freeInodes }) => ({
      directories,
      total_bytes: totalBytes,
      free_bytes: freeBytes,
      total_inodes: totalInodes,
      free_inodes: freeInodes,
    })),
    growth: screen.growth.map(({ growth, filling }) => ({
      window_ms: growth.windowMs,
      measured_ms: growth.measuredMs,
      bytes: growth.bytes,
      bytes_per_day: Math.round(growth.bytesPerDay),
      full_at_ms: filling?.kind === "full" ? Math.round(nowMs + filling.inMs) : null,
    })),
    worker: screen.address ?? null,
    appends: latency === undefined ? null : {
      count: latency.count,
      p50_seconds: latency.p50Seconds ?? null,
      p99_seconds: latency.p99Seconds ?? null,
    },
    leftovers: screen.leftovers,
  };
}
