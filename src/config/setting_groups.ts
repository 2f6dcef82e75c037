/**
 * The settings that commands have in common, and the worker's, which its code names as a type.
 */

/** How to reach a server. */
export const CLIENT_SETTINGS = ["server", "credential", "caFile", "requestTimeout"] as const;

/** For commands that run for weeks. */
export const LOG_FILE_SETTINGS = ["logFile", "logFileMaxBytes", "logFileCount"] as const;

/** For a command that is run here and recorded. */
export const EXEC_SETTINGS = [
  ...CLIENT_SETTINGS,
  "queue",
  "workerName",
  "walDir",
  "archiveDir",
  "flushInterval",
  "sync",
  "retryInitialInterval",
  "retryMaxInterval",
  "retryMultiplier",
  "retryAttempts",
  "archiveOnComplete",
  "compressionLevel",
  ...LOG_FILE_SETTINGS,
] as const;

export const WORKER_SETTINGS = [
  ...CLIENT_SETTINGS,
  "queue",
  "concurrency",
  "workerName",
  "jobUser",
  "workDir",
  "gracePeriod",
  "visibilityTimeout",
  "walDir",
  "archiveDir",
  "flushInterval",
  "sync",
  "walMaxBytes",
  "minFreeSpace",
  "retryInitialInterval",
  "retryMaxInterval",
  "retryMultiplier",
  "retryAttempts",
  "adopt",
  "archiveOnComplete",
  "compressionLevel",
  "retentionDays",
  "metricsListen",
  "readyMaxUnsentAge",
  ...LOG_FILE_SETTINGS,
] as const;
