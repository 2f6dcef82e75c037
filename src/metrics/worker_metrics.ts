/**
 * A worker's metrics and health: puts together what is counted as it happens, what is read from disk when
 * somebody asks, and the listener that answers.
 */
import { readSummary } from "../archive/summary.ts";
import type { JobObserver, WorkerState } from "../job/job_context.ts";
import { ArchiveSurvey, type ArchiveTotals } from "../survey/archive_totals.ts";
import { type MetricsListener, startMetricsListener } from "./listener.ts";
import { LogSurvey, type LogTotals, type OtherLogs, totalLogs } from "../survey/log_totals.ts";
import { WORKER_METRICS, type WorkerMetric } from "./table.ts";
import { readProcess } from "./process_metrics.ts";
import { reasonsNotReady } from "./readiness.ts";
import { MetricRegistry } from "./registry.ts";
import { SharedRun } from "./shared_run.ts";
import { WriteHealth } from "./write_health.ts";
import type { Clock } from "../platform/clock.ts";
import type { Files, FileSystemSpace } from "../platform/files.ts";
import { fileName } from "../platform/path_names.ts";
import type { Logger } from "../platform/logging/logger.ts";
import type { OpenLog } from "../wal/log.ts";
import type { Pending } from "../survey/log_tally.ts";
import { LogScans } from "../survey/pending_scan.ts";
import { createJobObserver } from "./job_observer.ts";
import { messageOf } from "../platform/error_text.ts";
import type { Network } from "../platform/network.ts";
import type { Processes } from "../platform/processes.ts";

export interface WorkerMetricsOptions {
  listen: { hostname: string; port: number };
  walDir: string;
  archiveDir: string;
  /** Whether logs of which the server has everything stay where they are. */
  keepsDelivered: boolean;
  unsentAgeMaxMs: number;
  version: string;
  files: Files;
  processes: Processes;
  network: Network;
  clock: Clock;
  logger: Logger;
}

/**
 * A scrape waits this long for a look at the disk, and then says what the last one found: Prometheus gives up
 * after 10 s.
 */
const SURVEY_WAIT_MS = 3000;

/** Archives come and go slowly, and there may be many. */
const ARCHIVE_REST_MS = 5000;

export class WorkerMetrics {
  readonly observe: JobObserver;
  readonly #options: WorkerMetricsOptions;
  readonly #registry: MetricRegistry<WorkerMetric>;
  readonly #writeHealth: WriteHealth;
  readonly #openLogs = new Set<OpenLog>();
  readonly #logs: SharedRun<OtherLogs>;
  readonly #archives: SharedRun<ArchiveTotals>;
  readonly #reported = new Set<string>();
  #worker: WorkerState | undefined;

  private constructor(options: WorkerMetricsOptions, registry: MetricRegistry<WorkerMetric>) {
    this.#options = options;
    this.#registry = registry;
    const { walDir, archiveDir, version, files, clock } = options;
    this.#writeHealth = new WriteHealth(clock);
    registry.set("airunner_build_info", 1, { version });
    this.observe = createJobObserver({
      registry,
      writeHealth: this.#writeHealth,
      openLogs: this.#openLogs,
      onWorkerStarted: (worker) => this.#worker = worker,
      onDirectoryChanged: () => this.#logs.expire(),
    });
    const scans = new LogScans(files);
    const logs = new LogSurvey({
      host: options,
      directory: walDir,
      isOwn: (path) => [...this.#openLogs].some((log) => log.path === path),
      read: (file) => scans.pendingOf(file),
      onUnreadable: (path, error) => this.#report("Cannot read a log to count what is unsent", path, error),
    });
    const archives = new ArchiveSurvey({
      host: options,
      directory: archiveDir,
      readRawBytes: async (path) => (await readSummary(files, path))?.raw_bytes,
    });
    this.#logs = new SharedRun({ run: () => logs.run(), clock, onError: this.#failed(walDir) });
    this.#archives = new SharedRun({
      run: () => archives.run(),
      clock,
      restMs: ARCHIVE_REST_MS,
      onError: this.#failed(archiveDir),
    });
  }

  static async create(options: WorkerMetricsOptions): Promise<WorkerMetrics> {
    return new WorkerMetrics(options, await MetricRegistry.create(WORKER_METRICS));
  }

  /** Listens, and looks at the disk for the first time, which may take a while after a long outage. */
  start(): MetricsListener {
    const { listen, network, clock, logger } = this.#options;
    this.#logs.refresh(0);
    this.#archives.refresh(0);
    return startMetricsListener({
      network,
      listen,
      metrics: () => this.render(),
      reasonsNotReady: async () => await this.#reasonsNotReady(await this.#totals()),
      clock,
      logger,
    });
  }

  async render(): Promise<string> {
    const [totals, archives] = await Promise.all([
      this.#totals(),
      this.#archives.refresh(SURVEY_WAIT_MS),
      this.#setDiskSpace(),
    ]);
    const reasons = await this.#reasonsNotReady(totals);
    const registry = this.#registry;
    registry.set("airunner_ready", reasons.length === 0 ? 1 : 0);
    registry.set("airunner_jobs_running", this.#worker?.jobsRunning ?? 0);
    registry.set("airunner_completions_outstanding", this.#worker?.completionsOutstanding ?? 0);
    this.#setLogs(totals);
    registry.set("wal_archive_files", archives?.files);
    registry.set("wal_archive_size_bytes", archives?.bytes);
    registry.set("wal_archive_raw_bytes", archives?.rawBytes);
    registry.set("wal_directory_size_bytes", archives?.directoryBytes, { directory: "archive" });
    readProcess(registry, this.#options.processes);
    return await registry.render();
  }

  /** Undefined as long as the directory was not looked through. */
  async #totals(): Promise<LogTotals | undefined> {
    const others = await this.#logs.refresh(SURVEY_WAIT_MS);
    const own = [...this.#openLogs].map(ownLog);
    return others && totalLogs(own, others, this.#options.keepsDelivered);
  }

  #setLogs(totals: LogTotals | undefined): void {
    const registry = this.#registry;
    const others = this.#logs.latest;
    registry.set("wal_pending_events", totals?.events);
    registry.set("wal_pending_bytes", totals?.bytes);
    registry.set("wal_oldest_pending_timestamp_seconds", totals && (totals.oldestMs ?? 0) / 1000);
    registry.set("wal_logs", totals?.active, { state: "active" });
    registry.set("wal_logs", totals?.orphaned, { state: "orphaned" });
    registry.set("wal_logs", others?.quarantined, { state: "quarantined" });
    registry.set("wal_directory_size_bytes", others?.directoryBytes, { directory: "wal" });
  }

  async #setDiskSpace(): Promise<void> {
    const { walDir, archiveDir, files } = this.#options;
    for (const [directory, path] of [["wal", walDir], ["archive", archiveDir]] as const) {
      let space: FileSystemSpace | undefined;
      try {
        space = await files.space(path);
      } catch (error) {
        this.#report("Cannot see how much room there is", path, error);
      }
      this.#registry.set("disk_total_bytes", space?.totalBytes, { directory });
      this.#registry.set("disk_free_bytes", space?.freeBytes, { directory });
    }
  }

  async #reasonsNotReady(totals: LogTotals | undefined): Promise<string[]> {
    const { clock, unsentAgeMaxMs } = this.#options;
    const paths = this.#logs.latest?.paths;
    const { oldestMs, oldestPath } = totals ?? {};
    return reasonsNotReady({
      isStopping: this.#worker?.isStopping ?? false,
      isSurveyed: totals !== undefined,
      writeFailure: this.#writeHealth.failure,
      lackOfRoom: await this.#lackOfRoom(),
      sealedLogs: this.#writeHealth.sealedLogs((path) => paths?.has(path) ?? true).map(fileName),
      oldest: oldestMs === undefined || oldestPath === undefined
        ? undefined
        : { ageMs: clock.nowMs() - oldestMs, log: fileName(oldestPath) },
      unsentAgeMaxMs,
    });
  }

  async #lackOfRoom(): Promise<string | undefined> {
    try {
      return await this.#worker?.lackOfRoom();
    } catch (error) {
      return `it cannot be seen how much room there is (${messageOf(error)})`;
    }
  }

  #failed(directory: string): (error: unknown) => void {
    return (error) => this.#report("Cannot look through a directory for metrics", directory, error);
  }

  /** Once for each thing: a scrape comes every few seconds. */
  #report(what: string, path: string, error: unknown): void {
    const message = messageOf(error);
    const key = `${what} ${path} ${message}`;
    if (this.#reported.has(key)) return;
    this.#reported.add(key);
    this.#options.logger.error(what, { path, error: message });
  }
}

function ownLog(log: OpenLog): Pending & { path: string } {
  const { path, counts: { pending: events }, pendingBytes: bytes, oldestPendingTimestampMs: oldestMs } = log;
  return { path, events, bytes, oldestMs };
}
