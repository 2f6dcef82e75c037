/**
 * What happens to logs, calls and jobs, told in metrics.
 */
import type { SendAttempt } from "../delivery/sender_observer.ts";
import type { JobObserver, WorkerState } from "../job/job_context.ts";
import type { WorkerMetric } from "./table.ts";
import type { MetricRegistry } from "./registry.ts";
import type { WriteHealth } from "./write_health.ts";
import type { OpenLog } from "../wal/log.ts";

export interface Watched {
  registry: MetricRegistry<WorkerMetric>;
  writeHealth: WriteHealth;
  openLogs: Set<OpenLog>;
  onWorkerStarted(state: WorkerState): void;
  /**
   * A log was closed, or set aside: what the directory holds besides the open logs is no longer what it was.
   */
  onDirectoryChanged(): void;
}

export function createJobObserver(watched: Watched): JobObserver {
  const { registry, writeHealth, openLogs, onWorkerStarted, onDirectoryChanged } = watched;
  return {
    log: {
      opened: (log) => void openLogs.add(log),
      closed(log) {
        openLogs.delete(log);
        onDirectoryChanged();
      },
      appended(durationMs) {
        registry.count("wal_appends_total", 1);
        registry.observeMs("wal_append_duration_seconds", durationMs);
      },
      written: () => writeHealth.succeeded(),
      synced: (durationMs) => registry.observeMs("wal_fsync_duration_seconds", durationMs),
      writeFailed(noSpace) {
        registry.count("wal_append_errors_total", 1, { reason: noSpace ? "no_space" : "io" });
        writeHealth.failed(noSpace);
      },
      sealed(path) {
        registry.count("wal_append_errors_total", 1, { reason: "sealed" });
        writeHealth.sealed(path);
      },
    },
    sender: {
      attempt(attempt) {
        const labels = labelsOf(attempt);
        if (labels !== undefined) registry.count("wal_send_attempts_total", 1, labels);
      },
      acknowledged: (count) => registry.count("wal_events_acknowledged_total", count),
      duplicates: (count) => registry.count("wal_events_duplicate_total", count),
      retry: () => registry.count("wal_retries_total", 1),
      failed: () => registry.count("wal_failures_total", 1),
    },
    workerStarted: onWorkerStarted,
    jobEnded: (result) => registry.count("airunner_jobs_total", 1, { result }),
    damageFound() {
      registry.count("wal_corrupt_records_total", 1);
      onDirectoryChanged();
    },
  };
}

/** Undefined for a call that the worker itself ended, which says nothing about the server. */
export function labelsOf(attempt: SendAttempt) {
  const { result } = attempt;
  switch (result) {
    case "aborted":
      return undefined;
    case "accepted":
      return { result: "ok", reason: "none" } as const;
    case "authentication":
      return { result, reason: "unauthenticated" } as const;
    case "refused":
      return { result, reason: isInvalid(attempt) ? "invalid" : "other" } as const;
    case "transient":
      return { result, reason: transientReason(attempt) } as const;
  }
}

function isInvalid({ code, httpStatus }: SendAttempt): boolean {
  // Too large is a fault of what was sent as well.
  return code === "invalid_argument" || code === "invalid_payload" || code === "out_of_range" ||
    code === "resource_exhausted" || httpStatus === 413;
}

function transientReason(
  { code, httpStatus, isBroken }: SendAttempt,
): "network" | "timeout" | "rate_limited" | "server_error" | "other" {
  if (isBroken) return "network";
  if (httpStatus === 429 || code === "resource_exhausted") return "rate_limited";
  if (httpStatus === 408 || httpStatus === 504 || code === "deadline_exceeded") return "timeout";
  if (httpStatus !== undefined && httpStatus >= 500) return "server_error";
  const isServers = code === "unavailable" || code === "internal" || code === "unknown" ||
    code === "data_loss" || code === "aborted";
  return isServers && httpStatus === undefined ? "server_error" : "other";
}
