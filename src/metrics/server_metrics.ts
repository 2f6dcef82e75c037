/**
 * The server's metrics: what is counted as it happens, and what is read from the database when somebody asks.
 */
import { SERVER_METRICS, type ServerMetric } from "./table.ts";
import { readProcess } from "./process_metrics.ts";
import { MetricRegistry } from "./registry.ts";
import { SharedRun } from "./shared_run.ts";
import type { Clock } from "../platform/clock.ts";
import type { ServerObserver, ServerState } from "../server/server_observer.ts";
import type { Processes } from "../platform/processes.ts";

type Labels = Extract<ServerMetric, { name: "airunner_server_requests_total" }>["labels"];
type Method = Labels["method"][number];
type Code = Labels["code"][number];
type JobState = Extract<ServerMetric, { name: "airunner_server_jobs" }>["labels"]["state"][number];

/** Counting does not wait for anything, so this is never used up. */
const JOBS_WAIT_MS = 1000;

/** What the server's metrics need of the outside world. */
export interface ServerMetricsHost {
  readonly clock: Clock;
  readonly processes: Processes;
}

export class ServerMetrics {
  readonly observe: ServerObserver;
  readonly #registry: MetricRegistry<ServerMetric>;
  readonly #host: ServerMetricsHost;
  #jobs: SharedRun<ReadonlyMap<string, number>> | undefined;
  #streams = 0;

  private constructor(registry: MetricRegistry<ServerMetric>, version: string, host: ServerMetricsHost) {
    this.#registry = registry;
    this.#host = host;
    registry.set("airunner_build_info", 1, { version });
    this.observe = {
      stored(durationMs, events, duplicates) {
        registry.observeMs("airunner_server_publish_duration_seconds", durationMs);
        registry.count("airunner_server_events_stored_total", events);
        registry.count("airunner_server_events_duplicate_total", duplicates);
      },
      // Names of the protocol, which the table lists all of; a test compares them.
      called: (method, code) =>
        registry.count("airunner_server_requests_total", 1, { method: method as Method, code: code as Code }),
      streamOpened: () => this.#streams++,
      streamClosed: () => this.#streams--,
      cancelled: (outcome) => registry.count("airunner_server_cancellations_total", 1, { outcome }),
      adopted: (outcome) => registry.count("airunner_server_adoptions_total", 1, { outcome }),
      compared: (isEqual) =>
        registry.count("airunner_server_comparisons_total", 1, { result: isEqual ? "equal" : "different" }),
      connectionRefused: (reason) =>
        registry.count("airunner_server_connections_refused_total", 1, { reason }),
      connectionClosed: (reason) => registry.count("airunner_server_connections_closed_total", 1, { reason }),
    };
  }

  static async create(version: string, host: ServerMetricsHost): Promise<ServerMetrics> {
    return new ServerMetrics(await MetricRegistry.create(SERVER_METRICS), version, host);
  }

  async render(state: ServerState): Promise<string> {
    const registry = this.#registry;
    // Whoever asks again while they are being counted gets the same answer.
    this.#jobs ??= new SharedRun({
      run: () => state.countJobs(),
      clock: this.#host.clock,
      onError: () => {}, // The calls that need the database report it; here the numbers are unknown.
    });
    const jobs = await this.#jobs.refresh(JOBS_WAIT_MS);
    for (const name of ["scheduled", "running", "completed", "failed", "cancelled"] satisfies JobState[]) {
      registry.set("airunner_server_jobs", jobs?.get(name), { state: name });
    }
    registry.set("airunner_server_streams", this.#streams);
    registry.set("airunner_server_workers", state.countWorkers());
    registry.set("airunner_server_connections", state.countConnections());
    readProcess(registry, this.#host.processes);
    return await registry.render();
  }
}
