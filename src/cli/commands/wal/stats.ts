/**
 * `airunner wal stats`: how much there is, what the server lacks, how long the disk lasts, how fast appends
 * are.
 */
import { listenAddress } from "../../../config/value_type.ts";
import { askAppendLatency } from "../../../metrics/append_latency.ts";
import type { Call } from "../../call.ts";
import { diskSpaceOf } from "../../../platform/disk_space.ts";
import { ExitCode } from "../../../screens/exit_code.ts";
import { growthOf, totalInventory } from "../../../survey/directory_totals.ts";
import { toJson } from "../../../platform/json.ts";
import { listLeftovers } from "../../../survey/log_files.ts";
import { renderStats, type StatsScreen } from "../../../screens/stats_screen.ts";
import { takeInventoryVisibly } from "./take_inventory.ts";

type Stats = Call<[], { json?: true }, "walDir" | "archiveDir" | "metricsListen" | "retentionDays">;

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
    ...totalInventory(logs),
    leftovers: { files: leftovers.length, bytes: leftovers.reduce((sum, { bytes }) => sum + bytes, 0) },
    retentionDays,
    rooms,
    growth: growthOf(logs, rooms, settings, nowMs),
    address: metricsListen === "off" ? undefined : listenAddress.format(metricsListen),
    latency: metricsListen === "off" ? undefined : await askAppendLatency(context, metricsListen),
    nowMs,
  };
  await stdout.write(options.json ? toJson(statsJson(screen)) + "\n" : renderStats(screen, style));
  return screen.unreadable > 0 ? ExitCode.FAILED : ExitCode.DONE;
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
