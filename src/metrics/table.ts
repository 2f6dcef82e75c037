/**
 * Every metric, declared once, as data: what it is called, what it tells, which labels it has and which
 * values those can have. The registry makes them from here, all at zero, so that a rate or an alert works
 * before the first event.
 *
 * Base units throughout: seconds, bytes. No label ever holds a job id: series would be without number then.
 */

export interface Metric {
  readonly name: string;
  readonly type: "counter" | "gauge" | "histogram";
  /** One sentence; the table in docs/monitoring.md is made of these. */
  readonly help: string;
  /** For each label all the values that it can have, or `any` where they are known only when it runs. */
  readonly labels?: Readonly<Record<string, readonly string[] | "any">>;
  /** The combinations of values that exist, where not all of them do. */
  readonly series?: readonly Readonly<Record<string, string>>[];
  /** Upper bounds of a histogram's buckets, in its unit. */
  readonly buckets?: readonly number[];
}

/** From a fast NVMe sync (50 us) past the runbook's limit (10 ms) to a disk in trouble. */
const DISK_SECONDS = [
  0.00005,
  0.0001,
  0.00025,
  0.0005,
  0.001,
  0.0025,
  0.005,
  0.01,
  0.025,
  0.05,
  0.1,
  0.25,
  0.5,
  1,
  2.5,
  5,
] as const;

const DIRECTORIES = { directory: ["wal", "archive"] } as const;

const BUILD_INFO = {
  name: "airunner_build_info",
  type: "gauge",
  help: "1, with the version of the program.",
  labels: { version: "any" },
} as const;

const PROCESS_METRICS = [
  {
    name: "process_resident_memory_bytes",
    type: "gauge",
    help: "Memory that the process has in use.",
  },
  {
    name: "process_cpu_seconds_total",
    type: "counter",
    help: "Processor time that the process has used, its jobs not included.",
  },
  {
    name: "process_start_time_seconds",
    type: "gauge",
    help: "When the process started, in Unix seconds.",
  },
] as const satisfies readonly Metric[];

export const WORKER_METRICS = [
  {
    name: "wal_appends_total",
    type: "counter",
    help: "Events that were put on stable storage.",
  },
  {
    name: "wal_append_duration_seconds",
    type: "histogram",
    help: "Time from an append to its being on stable storage, waiting for others in its group included.",
    buckets: DISK_SECONDS,
  },
  {
    name: "wal_fsync_duration_seconds",
    type: "histogram",
    help: "Time of one sync of a log to the disk.",
    buckets: DISK_SECONDS,
  },
  {
    name: "wal_append_errors_total",
    type: "counter",
    help:
      "Failed writes by reason: the disk is full, any other error of a write, or a log that takes no more.",
    labels: { reason: ["no_space", "io", "sealed"] },
  },
  {
    name: "wal_pending_events",
    type: "gauge",
    help: "Events in the logs of the directory that the server has not stored yet.",
  },
  {
    name: "wal_pending_bytes",
    type: "gauge",
    help: "Length of those events' records.",
  },
  {
    name: "wal_oldest_pending_timestamp_seconds",
    type: "gauge",
    help: "When the oldest of those events happened, in Unix seconds; 0 when there is none.",
  },
  {
    name: "wal_send_attempts_total",
    type: "counter",
    help: "Calls that sent events, by result, and by the reason of a failure.",
    labels: {
      result: ["ok", "transient", "refused", "authentication"],
      reason: [
        "none",
        "network",
        "timeout",
        "rate_limited",
        "server_error",
        "invalid",
        "unauthenticated",
        "other",
      ],
    },
    series: [
      { result: "ok", reason: "none" },
      { result: "transient", reason: "network" },
      { result: "transient", reason: "timeout" },
      { result: "transient", reason: "rate_limited" },
      { result: "transient", reason: "server_error" },
      { result: "transient", reason: "other" },
      { result: "refused", reason: "invalid" },
      { result: "refused", reason: "other" },
      { result: "authentication", reason: "unauthenticated" },
    ],
  },
  {
    name: "wal_retries_total",
    type: "counter",
    help: "Failed calls that were, or will be, made again.",
  },
  {
    name: "wal_failures_total",
    type: "counter",
    help: "Events that were given up, because the server refuses them for good.",
  },
  {
    name: "wal_events_acknowledged_total",
    type: "counter",
    help: "Events that the server has stored.",
  },
  {
    name: "wal_events_duplicate_total",
    type: "counter",
    help: "Events that the server had already when they were sent.",
  },
  {
    name: "wal_corrupt_records_total",
    type: "counter",
    help: "Records found that are not what was written; the rest of a log that a crash cut short is none.",
  },
  {
    name: "wal_logs",
    type: "gauge",
    help: "Logs in the directory: open in a worker, left by one that died, or set aside as damaged.",
    labels: { state: ["active", "orphaned", "quarantined"] },
  },
  {
    name: "wal_archive_files",
    type: "gauge",
    help: "Archives in the archive directory.",
  },
  {
    name: "wal_archive_size_bytes",
    type: "gauge",
    help: "Length of those archives.",
  },
  {
    name: "wal_archive_raw_bytes",
    type: "gauge",
    help: "Length of the logs in those archives before compression.",
  },
  {
    name: "wal_directory_size_bytes",
    type: "gauge",
    help: "Length of all files in a directory.",
    labels: DIRECTORIES,
  },
  {
    name: "disk_total_bytes",
    type: "gauge",
    help: "Size of the file system that a directory lies on.",
    labels: DIRECTORIES,
  },
  {
    name: "disk_free_bytes",
    type: "gauge",
    help: "Space on that file system that the worker may still use.",
    labels: DIRECTORIES,
  },
  {
    name: "airunner_jobs_running",
    type: "gauge",
    help: "Jobs whose processes run.",
  },
  {
    name: "airunner_completions_outstanding",
    type: "gauge",
    help: "Jobs whose events are all on the server, which refuses to complete them; they are tried again.",
  },
  {
    name: "airunner_jobs_total",
    type: "counter",
    help: "Jobs that this process ran, by result; interrupted ones go back to their queue.",
    labels: { result: ["succeeded", "failed", "interrupted"] },
  },
  {
    name: "airunner_ready",
    type: "gauge",
    help: "1 when /readyz says that the worker delivers, else 0.",
  },
  BUILD_INFO,
  ...PROCESS_METRICS,
] as const satisfies readonly Metric[];

/**
 * The calls of both packages, ListJobs of one and the other together, and Connect's codes with `ok` before
 * them.
 */
const METHODS = [
  "EnqueueJob",
  "DequeueJob",
  "UpdateJob",
  "CompleteJob",
  "ListJobs",
  "StreamJobEvents",
  "PublishJobEvents",
  "GetJob",
  "CancelJob",
  "RetryJob",
  "DeleteJob",
  "ListQueues",
  "ListWorkers",
  "Watch",
  "AdoptExecution",
  "CompareEvents",
] as const;

const CODES = [
  "ok",
  "canceled",
  "unknown",
  "invalid_argument",
  "deadline_exceeded",
  "not_found",
  "already_exists",
  "permission_denied",
  "resource_exhausted",
  "failed_precondition",
  "aborted",
  "out_of_range",
  "unimplemented",
  "internal",
  "unavailable",
  "data_loss",
  "unauthenticated",
] as const;

export const SERVER_METRICS = [
  {
    name: "airunner_server_events_stored_total",
    type: "counter",
    help: "Events that were put into the database.",
  },
  {
    name: "airunner_server_events_duplicate_total",
    type: "counter",
    help: "Events that arrived again and were stored already.",
  },
  {
    name: "airunner_server_publish_duration_seconds",
    type: "histogram",
    help: "Time from a batch of events having been read to its being on stable storage.",
    buckets: DISK_SECONDS,
  },
  {
    name: "airunner_server_jobs",
    type: "gauge",
    help: "Jobs in the database, by state.",
    labels: { state: ["scheduled", "running", "completed", "failed", "cancelled"] },
  },
  {
    name: "airunner_server_requests_total",
    type: "counter",
    help: "Calls that have ended, by method and Connect code.",
    labels: { method: METHODS, code: CODES },
  },
  {
    name: "airunner_server_streams",
    type: "gauge",
    help: "Readers that follow a job's events at the moment.",
  },
  {
    name: "airunner_server_workers",
    type: "gauge",
    help: "Workers that are registered, and hear of cancellations.",
  },
  {
    name: "airunner_server_cancellations_total",
    type: "counter",
    help: "Answers to CancelJob, by outcome.",
    labels: { outcome: ["cancelled", "requested", "ended"] },
  },
  {
    name: "airunner_server_adoptions_total",
    type: "counter",
    help: "Executions that workers asked to adopt from their logs, by outcome.",
    labels: { outcome: ["new", "repeated", "refused"] },
  },
  {
    name: "airunner_server_comparisons_total",
    type: "counter",
    help: "Comparisons of the events of a log with those that are stored, by result.",
    labels: { result: ["equal", "different"] },
  },
  {
    name: "airunner_server_connections",
    type: "gauge",
    help: "Connections that are open.",
  },
  {
    name: "airunner_server_connections_refused_total",
    type: "counter",
    help:
      "Connections turned away by reason: too many in all, too many of one address, or no descriptors left.",
    labels: { reason: ["connections", "address", "descriptors"] },
  },
  {
    name: "airunner_server_connections_closed_total",
    type: "counter",
    help:
      "Clients given up by what they were waited for: a request's header or body, the next request, or a silent stream; or idle when room was needed.",
    labels: { reason: ["header", "idle", "body", "stream", "room"] },
  },
  BUILD_INFO,
  ...PROCESS_METRICS,
] as const satisfies readonly Metric[];

export type WorkerMetric = (typeof WORKER_METRICS)[number];
export type ServerMetric = (typeof SERVER_METRICS)[number];

/** Every set of label values that a metric can have, as far as that is known beforehand. */
export function seriesOf({ labels = {}, series }: Metric): Readonly<Record<string, string>>[] {
  if (series !== undefined) return [...series];
  let all: Record<string, string>[] = [{}];
  for (const [label, values] of Object.entries(labels)) {
    if (values === "any") return [];
    all = all.flatMap((one) => values.map((value) => ({ ...one, [label]: value })));
  }
  return all;
}
