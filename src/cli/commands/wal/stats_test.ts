import "../../../../tests/support/loaded_zstd.ts";
import { DAY_MS } from "../../../platform/time_units.ts";
import assert from "node:assert/strict";
import { MetricRegistry } from "../../../metrics/registry.ts";
import { FileLock } from "../../../platform/file_lock.ts";
import { WORKER_METRICS } from "../../../metrics/table.ts";
import { renderStats, type StatsScreen } from "../../../screens/stats_screen.ts";
import { plainStyle } from "../../../platform/text.ts";
import { assertScreen, LogBuilder, TestData } from "../../../../tests/support/data_directory.ts";

const SCREEN: StatsScreen = {
  walDir: "/data/wal",
  archiveDir: "/data/archive",
  states: { active: 2, orphaned: 1, corrupt: 1, archived: 120 },
  unreadable: 0,
  logs: { files: 4, bytes: 34_500_000 },
  unsent: {
    pending: 1234,
    pendingBytes: 2_468_000,
    failed: 5,
    oldestMs: Date.UTC(2026, 0, 1),
    oldestPath: "/data/wal/job-1.wal",
  },
  archives: { files: 120, bytes: 60_000_000, rawBytes: 200_000_000, oldestMs: Date.UTC(2025, 11, 3) },
  leftovers: { files: 0, bytes: 0 },
  retentionDays: 30,
  rooms: [{
    type: 0xef53,
    directories: ["/data/wal", "/data/archive"],
    totalBytes: 100e9,
    freeBytes: 40e9,
    totalInodes: 6_000_000,
    freeInodes: 5_000_000,
  }],
  growth: [
    {
      growth: { windowMs: DAY_MS, measuredMs: DAY_MS, bytes: 8e9, bytesPerDay: 8e9 },
      filling: { kind: "full", inMs: 5 * DAY_MS },
    },
    {
      growth: { windowMs: 7 * DAY_MS, measuredMs: 4 * DAY_MS, bytes: 2e6, bytesPerDay: 5e5 },
      filling: { kind: "never", settledBytes: 15e6 },
    },
  ],
  address: "127.0.0.1:9464",
  latency: { count: 12_345, p50Seconds: 0.00021, p99Seconds: 0.0132 },
  nowMs: Date.UTC(2026, 0, 1, 2, 10),
};

Deno.test("the screen says what there is, for how long the disk lasts and what to do", () => {
  assertScreen("stats.txt", renderStats(SCREEN, plainStyle));
});

Deno.test("the screen of a new host has nothing to worry about", () => {
  assertScreen(
    "stats_empty.txt",
    renderStats({
      ...SCREEN,
      states: { active: 0, orphaned: 0, corrupt: 0, archived: 0 },
      logs: { files: 0, bytes: 0 },
      unsent: { pending: 0, pendingBytes: 0, failed: 0, oldestMs: undefined, oldestPath: undefined },
      archives: { files: 0, bytes: 0, rawBytes: 0, oldestMs: undefined },
      growth: SCREEN.growth.map(({ growth }) => ({
        growth: { ...growth, measuredMs: growth.windowMs, bytes: 0, bytesPerDay: 0 },
        filling: undefined,
      })),
      latency: undefined,
    }, plainStyle),
  );
});

Deno.test("stats counts logs and archives, and asks the worker's metrics", async () => {
  using data = new TestData({
    "wal/a.wal": new LogBuilder("a").start().output("x\n").acknowledge(1n).bytes(),
    "wal/b.wal": new LogBuilder("b").output("x".repeat(100_000)).acknowledge().bytes(),
  });
  await data.archive("wal/b.wal");
  const registry = await MetricRegistry.create(WORKER_METRICS);
  registry.observeMs("wal_append_duration_seconds", 0.2);
  const body = await registry.render();
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, () => new Response(body));
  const args = ["wal", "stats", "--json", `--metrics-listen=127.0.0.1:${server.addr.port}`];
  const { stdout, exitCode } = await data.run(args);
  await server.shutdown();
  assert.equal(exitCode, 0);
  const document = JSON.parse(stdout);
  assert.deepEqual(Object.keys(document), [
    "schema_version",
    "wal_dir",
    "archive_dir",
    "logs",
    "unreadable",
    "pending",
    "pending_bytes",
    "failed",
    "oldest_unsent_ms",
    "oldest_unsent_path",
    "archives",
    "retention_days",
    "disks",
    "growth",
    "worker",
    "appends",
    "leftovers",
  ]);
  assert.deepEqual(document.leftovers, { files: 0, bytes: 0 });
  assert.deepEqual([document.logs.files, document.logs.orphaned, document.pending], [1, 1, 1]);
  assert.equal(document.oldest_unsent_path, "/data/wal/a.wal");
  assert.equal(document.archives.files, 1);
  assert.ok(document.archives.ratio < 0.1);
  assert.equal(document.disks.length, 1);
  assert.ok(document.disks[0].free_bytes > 0 && document.disks[0].total_inodes > 0);
  assert.deepEqual(document.growth.map(({ window_ms }: { window_ms: number }) => window_ms), [
    DAY_MS,
    7 * DAY_MS,
  ]);
  assert.equal(document.appends.count, 1);
  assert.ok(document.appends.p50_seconds <= 0.00025);
});

Deno.test("stats counts what killed processes left in the making", async () => {
  const uuid = "0190a1b2-0000-4000-8000-000000000001";
  using data = new TestData({
    [`wal/.a.wal.tmp-${uuid}`]: new Uint8Array(1000),
    [`archive/.a.wal.zst.tmp-${uuid}`]: new Uint8Array(500),
    [`wal/.b.wal.tmp-${uuid}`]: new Uint8Array(70),
    "wal/.notes": new Uint8Array(9),
  });
  const atWork = FileLock.acquire(data.path(`wal/.b.wal.tmp-${uuid}`), { create: false });
  try {
    const { stdout } = await data.run(["wal", "stats", "--json", "--metrics-listen=off"]);
    assert.deepEqual(JSON.parse(stdout).leftovers, { files: 2, bytes: 1500 });
    const screen = await data.run(["wal", "stats", "--metrics-listen=off"]);
    assert.match(
      screen.stdout,
      /Leftovers +2 hidden files of killed processes, 1\.5 KB; a worker removes them/,
    );
  } finally {
    atWork.release();
  }
});

Deno.test("without a worker, or with metrics switched off, it says so", async () => {
  using data = new TestData();
  const off = await data.run(["wal", "stats", "--metrics-listen=off"]);
  assert.match(off.stdout, /Appends +unknown: metrics are switched off/);
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  const none = await data.run(["wal", "stats", `--metrics-listen=127.0.0.1:${port}`]);
  assert.match(none.stdout, /Appends +unknown: no worker answers at 127\.0\.0\.1:\d+ \(MetricsListen\)/);
});
