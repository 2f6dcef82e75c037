/**
 * What a worker is told when it begins, what may change while it runs, and what it says when it ends.
 */
import type { Transport } from "@connectrpc/connect";
import type { Clock, NextTurn } from "../platform/clock.ts";
import type { Logger } from "../platform/logging/logger.ts";
import type { Random } from "../platform/random.ts";
import { JOB_TIMES, type JobContext, type JobObserver, type JobSettings } from "./job_context.ts";
import type { CallError } from "../client/call_error.ts";
import type { Files } from "../platform/files.ts";
import type { Processes } from "../platform/processes.ts";

export interface WorkerSettings extends JobSettings {
  /** How long one request for jobs waits for them; clients use 90 s (wire contract). */
  dequeueWaitMs: number;
  /**
   * The same for `once`: long enough for an answer. After a job was released it is `RELEASED_WAIT_MS` from
   * then.
   */
  onceWaitMs: number;
  /** `once` gives up when nothing is unsent and the server has not been reached at all for this long. */
  onceConnectMs: number;
  /** How often the directory is searched for logs that a dead worker left. */
  takeUpIntervalMs: number;
  retentionDays: number;
  unsentBytesMax: number;
  freeBytesMin: number;
}

/** What is decided here and is no setting of the program. */
export const WORKER_TIMES = {
  ...JOB_TIMES,
  dequeueWaitMs: 90_000,
  onceWaitMs: 300,
  onceConnectMs: 30_000,
  takeUpIntervalMs: 60_000,
} as const satisfies Partial<WorkerSettings>;

type WorkerTimes = { [K in keyof typeof WORKER_TIMES]: number };

/** What is a setting of the program, with its default there. */
export type ConfiguredSettings = Omit<WorkerSettings, keyof WorkerTimes>;

/**
 * What may change while the worker runs; the rest would need other directories, another server or another
 * name.
 */
export type WorkerChanges =
  & Pick<
    WorkerSettings,
    | "shutdownGraceMs"
    | "limits"
    | "sender"
    | "backoff"
    | "archiveOnComplete"
    | "compressionLevel"
    | "retentionDays"
    | "unsentBytesMax"
    | "freeBytesMin"
  >
  & { concurrency: number };

export interface WorkerOptions {
  transport: Transport;
  /** The server's address; logs of jobs from other servers are left alone. */
  serverUrl: string;
  queue: string;
  concurrency: number;
  /** Ends when the queue is empty and nothing is unsent. */
  once: boolean;
  workerName: string;
  /** No other worker has it, and none had it before. */
  workerId: string;
  version: string;
  walDir: string;
  archiveDir: string;
  settings: ConfiguredSettings & Partial<WorkerTimes>;
  /** The worker's own environment variables, of which jobs get those that are not its settings. */
  environment: Readonly<Record<string, string>>;
  jobUser?: JobContext["jobUser"];
  workDirectories?: JobContext["workDirectories"];
  clock: Clock;
  random: Random;
  logger: Logger;
  observe?: JobObserver;
  /**
   * Called once, with the function that changes settings from then on. Jobs that run keep the limits and the
   * grace period that they began with; waits between tries, disk limits and retention follow at once.
   */
  onChangeable?(change: (changes: WorkerChanges) => void): void;
  files: Files;
  /** Lets jobs have their turn while a log is archived. */
  nextTurn?: NextTurn;
  processes: Processes;
  /** First request to stop: no new job, running ones get their grace period. */
  drain: AbortSignal;
  /** Second request to stop: ends at once, logs stay as they are. Also ends what `drain` would. */
  stop: AbortSignal;
}

/**
 * `idle`: the queue is empty (`once`). `drained` and `stopped`: as asked. `authentication`: the server
 * refused the very first request. `unreachable`: `once`, and the server could not be reached.
 */
export type WorkerEnd = "idle" | "drained" | "stopped" | "authentication" | "unreachable";

export interface WorkerResult {
  end: WorkerEnd;
  /** Jobs whose end the server knows. */
  jobsCompleted: number;
  /** Jobs of which something stays on disk for the next run. */
  jobsLeft: number;
  /** What the server or the network answered last, for `authentication` and `unreachable`. */
  error?: CallError;
}
