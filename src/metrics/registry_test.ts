import assert from "node:assert/strict";
import { parseMetrics, valueOf } from "../../tests/support/metrics_text.ts";
import { type Metric, seriesOf, SERVER_METRICS, WORKER_METRICS } from "./table.ts";
import { readProcess } from "./process_metrics.ts";
import { MetricRegistry } from "./registry.ts";
import { systemProcesses } from "../platform/system_processes.ts";

/** The names that dashboards and alerts are written for. They are fixed. */
const WORKER_NAMES = [
  "wal_appends_total",
  "wal_append_duration_seconds",
  "wal_fsync_duration_seconds",
  "wal_pending_events",
  "wal_pending_bytes",
  "wal_oldest_pending_timestamp_seconds",
  "wal_retries_total",
  "wal_failures_total",
  "wal_append_errors_total",
  "wal_send_attempts_total",
  "wal_events_acknowledged_total",
  "wal_events_duplicate_total",
  "wal_corrupt_records_total",
  "wal_logs",
  "wal_archive_files",
  "wal_archive_size_bytes",
  "wal_archive_raw_bytes",
  "wal_directory_size_bytes",
  "disk_total_bytes",
  "disk_free_bytes",
  "airunner_completions_outstanding",
  "airunner_jobs_running",
  "airunner_jobs_total",
  "airunner_ready",
  "airunner_build_info",
  "process_resident_memory_bytes",
  "process_cpu_seconds_total",
  "process_start_time_seconds",
];
const SERVER_NAMES = [
  "airunner_server_events_stored_total",
  "airunner_server_events_duplicate_total",
  "airunner_server_publish_duration_seconds",
  "airunner_server_jobs",
  "airunner_server_requests_total",
  "airunner_server_streams",
  "airunner_server_workers",
  "airunner_server_cancellations_total",
  "airunner_server_adoptions_total",
  "airunner_server_comparisons_total",
  "airunner_server_connections",
  "airunner_server_connections_refused_total",
  "airunner_server_connections_closed_total",
  "airunner_build_info",
  "process_resident_memory_bytes",
  "process_cpu_seconds_total",
  "process_start_time_seconds",
];

for (
  const [whose, metrics, names] of [
    ["worker", WORKER_METRICS as readonly Metric[], WORKER_NAMES],
    ["server", SERVER_METRICS as readonly Metric[], SERVER_NAMES],
  ] as const
) {
  Deno.test(`the ${whose}'s metrics are those that were agreed on`, () => {
    assert.deepEqual(metrics.map(({ name }) => name).sort(), [...names].sort());
  });

  for (const metric of metrics) {
    Deno.test(`${whose} metric ${metric.name} is there before anything has happened, at 0`, async () => {
      const registry = await MetricRegistry.create([metric]);
      const family = parseMetrics(await registry.render()).get(metric.name)!;
      assert.equal(family.type, metric.type);
      assert.equal(family.help, metric.help);
      const samples = family.samples.filter(({ name }) => name !== `${metric.name}_bucket`);
      for (const { value } of samples) assert.equal(value, 0);
      if (metric.type !== "histogram") {
        assert.deepEqual(samples.map(({ labels }) => labels), seriesOf(metric));
      } else {
        const bounds = family.samples.flatMap(({ labels: { le } }) => le ?? []);
        assert.deepEqual(bounds, [...metric.buckets!.map(String), "+Inf"]);
      }
    });
  }

  Deno.test(`no label of the ${whose}'s can have values without number`, () => {
    const open = metrics.filter(({ labels = {} }) => Object.values(labels).includes("any"));
    assert.deepEqual(open.map(({ name }) => name), ["airunner_build_info"]);
    for (const { name, type, labels = {} } of metrics) {
      assert.ok(!("job_id" in labels || "job" in labels), name);
      assert.equal(name.endsWith("_total"), type === "counter", name);
      assert.doesNotMatch(name, /_(ms|milliseconds|kb|mb)\b/);
    }
  });
}

Deno.test("histograms have a bucket at the runbook's limit and begin at a fast disk's sync", () => {
  for (const metric of [...WORKER_METRICS, ...SERVER_METRICS] as readonly Metric[]) {
    if (metric.type !== "histogram") continue;
    assert.equal(metric.buckets![0], 0.00005);
    assert.ok(metric.buckets!.includes(0.01));
    assert.deepEqual([...metric.buckets!].sort((a, b) => a - b), metric.buckets);
  }
});

Deno.test("registry counts, sets and observes", async () => {
  const registry = await MetricRegistry.create(WORKER_METRICS);
  registry.count("wal_appends_total", 2);
  registry.count("wal_send_attempts_total", 1, { result: "transient", reason: "rate_limited" });
  registry.set("wal_logs", 3, { state: "orphaned" });
  registry.observeMs("wal_append_duration_seconds", 7);
  registry.set("airunner_build_info", 1, { version: "1.2.3" });
  const families = parseMetrics(await registry.render());
  assert.equal(valueOf(families, "wal_appends_total"), 2);
  assert.equal(
    valueOf(families, "wal_send_attempts_total", { result: "transient", reason: "rate_limited" }),
    1,
  );
  assert.equal(valueOf(families, "wal_logs", { state: "orphaned" }), 3);
  assert.equal(valueOf(families, "wal_append_duration_seconds_sum"), 0.007);
  assert.equal(valueOf(families, "wal_append_duration_seconds_bucket", { le: "0.005" }), 0);
  assert.equal(valueOf(families, "wal_append_duration_seconds_bucket", { le: "0.01" }), 1);
  assert.equal(valueOf(families, "airunner_build_info", { version: "1.2.3" }), 1);
});

Deno.test("what is not known has no sample until it is known again", async () => {
  const registry = await MetricRegistry.create(WORKER_METRICS);
  const samples = async () => {
    const families = parseMetrics(await registry.render());
    return ["wal_pending_events", "wal_logs"].map((name) => families.get(name)!.samples.length);
  };
  registry.set("wal_pending_events", undefined);
  registry.set("wal_logs", undefined, { state: "active" });
  assert.deepEqual(await samples(), [0, 2]);
  registry.set("wal_pending_events", 0);
  registry.set("wal_logs", 0, { state: "active" });
  assert.deepEqual(await samples(), [1, 3]);
});

Deno.test("process metrics are those of this process, and its time only rises", async () => {
  const registry = await MetricRegistry.create(SERVER_METRICS);
  const read = async () => {
    readProcess(registry, systemProcesses);
    return parseMetrics(await registry.render());
  };
  const first = await read();
  assert.ok(valueOf(first, "process_resident_memory_bytes") > 10e6);
  const startedSeconds = valueOf(first, "process_start_time_seconds");
  assert.ok(startedSeconds > 1.7e9 && startedSeconds <= Date.now() / 1000);
  const second = await read();
  assert.ok(
    valueOf(second, "process_cpu_seconds_total") >= valueOf(first, "process_cpu_seconds_total"),
  );
  assert.ok(valueOf(first, "process_cpu_seconds_total") > 0);
});
