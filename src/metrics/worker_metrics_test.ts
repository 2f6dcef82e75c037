import assert from "node:assert/strict";
import { inputOutputError, noSpaceError } from "../../tests/support/disk_errors.ts";
import { MemoryFiles } from "../../tests/support/memory_files.ts";
import { ManualClock } from "../../tests/support/manual_clock.ts";
import { parseMetrics, valueOf } from "../../tests/support/metrics_text.ts";
import { systemFiles } from "../platform/system_files.ts";
import { silentLogger } from "../platform/logging/logger.ts";
import { Log, LogSealedError, LogWriteError } from "../wal/log.ts";
import { WorkerMetrics } from "./worker_metrics.ts";
import { systemHost } from "../platform/system_host.ts";
import { systemClock } from "../platform/system_clock.ts";
import type { Files } from "../platform/files.ts";
import { systemProcesses } from "../platform/system_processes.ts";
import { systemNetwork } from "../platform/system_network.ts";

/** The metrics of a worker that never starts, and logs that tell them what happens. */
class Watched implements AsyncDisposable {
  readonly directory = Deno.makeTempDirSync({ prefix: "airunner-metrics-" });
  readonly #logs: Log[] = [];

  private constructor() {
    for (const name of ["wal", "archive"]) Deno.mkdirSync(`${this.directory}/${name}`);
  }

  static async create(): Promise<Watched & { metrics: WorkerMetrics }> {
    const watched = new Watched();
    const metrics = await WorkerMetrics.create({
      listen: { hostname: "127.0.0.1", port: 0 },
      walDir: `${watched.directory}/wal`,
      archiveDir: `${watched.directory}/archive`,
      keepsDelivered: false,
      unsentAgeMaxMs: 60_000,
      version: "1.2.3",
      files: systemFiles,
      processes: systemProcesses,
      network: systemNetwork,
      // Looking at the disk takes no time by this clock, so there is no rest after it either.
      clock: new ManualClock(Date.now()),
      logger: silentLogger,
    });
    return Object.assign(watched, { metrics });
  }

  async createLog(metrics: WorkerMetrics, files: Files = systemFiles): Promise<Log> {
    const execution = {
      job_id: "job-1",
      execution: 1,
      queue: "q",
      server: "http://127.0.0.1",
      task_token: "secret-token",
      worker: "w",
      version: "0",
      started_at_ms: 1,
    };
    const log = await Log.create(`${this.directory}/wal`, ["job-1.wal"], execution, {
      observe: metrics.observe.log,
      files,
      clock: systemClock,
    });
    this.#logs.push(log);
    return log;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const log of this.#logs) await log.close();
    Deno.removeSync(this.directory, { recursive: true });
  }
}

async function scrape(metrics: WorkerMetrics) {
  const families = parseMetrics(await metrics.render());
  return (name: string, labels?: Record<string, string>) => valueOf(families, name, labels);
}

const event = (sequence: number, payloadBytes = 100) => ({
  sequence: BigInt(sequence),
  timestampMs: Date.now() + sequence,
  payload: new Uint8Array(payloadBytes),
});

Deno.test("an open log counts as it is, and after it was closed as it lies on disk, which is the same", async () => {
  await using watched = await Watched.create();
  const { metrics } = watched;
  const log = await watched.createLog(metrics);
  const events = [1, 2, 3].map((sequence) => event(sequence, 100 * sequence));
  for (const one of events) await log.append(one);
  await log.acknowledge(await log.pending({ events: 1, bytes: 1 }));
  const open = await scrape(metrics);
  assert.equal(open("wal_appends_total"), 3);
  assert.equal(open("wal_append_duration_seconds_count"), 3);
  assert.equal(open("wal_fsync_duration_seconds_count"), 3);
  assert.equal(open("wal_logs", { state: "active" }), 1);
  assert.equal(open("wal_pending_events"), 2);
  assert.equal(open("wal_pending_bytes"), 2 * 32 + 500);
  assert.equal(open("wal_oldest_pending_timestamp_seconds"), events[1].timestampMs / 1000);
  await log.close();
  const closed = await scrape(metrics);
  assert.equal(closed("wal_logs", { state: "active" }), 0);
  assert.equal(closed("wal_logs", { state: "orphaned" }), 1);
  for (const name of ["wal_pending_events", "wal_pending_bytes", "wal_oldest_pending_timestamp_seconds"]) {
    assert.equal(closed(name), open(name), name);
  }
});

Deno.test("a log that was opened again counts its pending bytes down to nothing", async () => {
  await using watched = await Watched.create();
  const { metrics } = watched;
  const first = await watched.createLog(metrics);
  for (const sequence of [1, 2, 3]) await first.append(event(sequence));
  await first.close();
  const log = await Log.open(first.path, { ...systemHost, observe: metrics.observe.log });
  const bytes = async () => (await scrape(metrics))("wal_pending_bytes");
  assert.equal(await bytes(), 3 * 132);
  const [one, ...rest] = await log.pending({ events: 10, bytes: 10_000 });
  await log.fail(one, { code: "invalid_argument", message: "", attempts: 1 });
  assert.equal(await bytes(), 2 * 132);
  await log.acknowledge(rest);
  assert.equal(await bytes(), 0);
  await log.append(event(9));
  assert.equal(await bytes(), 132);
  await log.close();
});

Deno.test("a log that another process has open is active and no orphan", async () => {
  await using watched = await Watched.create();
  const other = await Watched.create();
  const log = await watched.createLog(other.metrics);
  await log.append(event(1));
  const value = await scrape(watched.metrics);
  assert.equal(value("wal_logs", { state: "active" }), 1);
  assert.equal(value("wal_logs", { state: "orphaned" }), 0);
  assert.equal(value("wal_pending_events"), 1);
  await other[Symbol.asyncDispose]();
});

Deno.test("a sealed log is counted and a reason not to be ready, until it was moved away", async () => {
  await using watched = await Watched.create();
  const { metrics } = watched;
  const files = new MemoryFiles();
  const log = await watched.createLog(metrics, files);
  // The disk is one in memory; this is what the directory shows of it.
  Deno.writeFileSync(log.path, new Uint8Array());
  assert.equal((await scrape(metrics))("airunner_ready"), 1);
  files.faults.sync = () => {
    throw inputOutputError();
  };
  await assert.rejects(log.append(event(1)), LogSealedError);
  const sealed = await scrape(metrics);
  assert.equal(sealed("airunner_ready"), 0);
  assert.equal(sealed("wal_append_errors_total", { reason: "sealed" }), 1);
  await log.close();
  assert.equal((await scrape(metrics))("airunner_ready"), 0);
  Deno.removeSync(log.path);
  assert.equal((await scrape(metrics))("airunner_ready"), 1);
});

Deno.test("failed writes are counted by reason, and the next that succeeds makes the worker ready again", async () => {
  await using watched = await Watched.create();
  const { metrics } = watched;
  const files = new MemoryFiles();
  const log = await watched.createLog(metrics, files);
  for (const [error, reason] of [[noSpaceError(), "no_space"], [inputOutputError(), "io"]] as const) {
    files.faults.write = () => {
      throw error;
    };
    await assert.rejects(log.append(event(1)), LogWriteError);
    const failing = await scrape(metrics);
    assert.equal(failing("wal_append_errors_total", { reason }), 1);
    assert.equal(failing("airunner_ready"), 0);
  }
  files.faults = {};
  await log.append(event(1));
  assert.equal((await scrape(metrics))("airunner_ready"), 1);
});

Deno.test("a job that gets no log because the disk is full counts as a failed write", async () => {
  await using watched = await Watched.create();
  const { metrics } = watched;
  const files = new MemoryFiles();
  files.faults.write = () => {
    throw noSpaceError();
  };
  await assert.rejects(watched.createLog(metrics, files), LogWriteError);
  const value = await scrape(metrics);
  assert.equal(value("wal_append_errors_total", { reason: "no_space" }), 1);
  assert.equal(value("airunner_ready"), 0);
});

Deno.test("what cannot be seen is not told, and the rest is", async () => {
  await using watched = await Watched.create();
  const { metrics } = watched;
  for (const name of ["wal", "archive"]) Deno.removeSync(`${watched.directory}/${name}`);
  const text = await metrics.render();
  assert.doesNotMatch(text, /^wal_pending_events /m);
  assert.doesNotMatch(text, /^disk_free_bytes/m);
  assert.match(text, /^airunner_ready 0$/m);
  assert.match(text, /^wal_appends_total 0$/m);
});
