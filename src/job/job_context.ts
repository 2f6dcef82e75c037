/**
 * What the jobs of one worker share: the server, the directories, the settings and the seams to the outside.
 */
import type { Transport } from "@connectrpc/connect";
import type { BackoffSettings } from "../client/backoff.ts";
import type { SenderObserver, SenderOptions } from "../delivery/sender.ts";
import type { Clock, NextTurn } from "../platform/clock.ts";
import type { Logger } from "../platform/logging/logger.ts";
import type { Random } from "../platform/random.ts";
import type { LogOptions } from "../wal/log.ts";
import type { AdoptMode } from "./adopt_log.ts";
import type { BatchLimits } from "./batcher.ts";
import type { Cancellations } from "./cancellations.ts";
import type { JobEnd } from "./complete_job.ts";
import type { DiskBudget } from "./disk_budget.ts";
import type { ExecuteSettings } from "./execute_options.ts";
import type { JobUser } from "./job_user.ts";
import type { WorkDirectories } from "./work_directories.ts";
import type { OutstandingCompletions } from "./outstanding.ts";
import { PROOF_MS } from "./refusal_proof.ts";
import type { JobClient } from "../client/job_client.ts";
import type { WorkerClient } from "../client/worker_client.ts";
import type { Files } from "../platform/files.ts";
import type { Processes } from "../platform/processes.ts";

export interface JobSettings extends ExecuteSettings {
  /** How long the server keeps a job for us without hearing from it. */
  visibilityTimeoutSeconds: number;
  /** Longest wait for one answer of the server. */
  requestTimeoutMs: number;
  /** What is left to deliver gets this long once the worker is asked to stop. */
  deliveryGraceMs: number;
  limits: BatchLimits;
  sync: LogOptions["sync"];
  sender: Omit<SenderOptions["settings"], "backoff">;
  /** For every call to the server that is made again. */
  backoff: BackoffSettings;
  /** How long a server has to refuse to complete a job until that is believed; see `refusal_proof.ts`. */
  refusalProofMs: number;
  /** Which logs the server may be asked to adopt. */
  adopt: AdoptMode;
  archiveOnComplete: boolean;
  /** zstd level. */
  compressionLevel: number;
}

/** What is decided here and is no setting of the program. */
export const JOB_TIMES = {
  heartbeatIntervalMs: 30_000,
  killGraceMs: 10_000,
  pipeGraceMs: 5000,
  deliveryGraceMs: 5000,
  refusalProofMs: PROOF_MS,
} as const satisfies Partial<JobSettings>;

/** Told what happens to jobs and their logs, for whoever counts. Called synchronously; must not throw. */
export interface JobObserver {
  log?: LogOptions["observe"];
  sender?: SenderObserver;
  /**
   * Once, when a worker begins; what it is given stays valid and tells how things are whenever it is asked.
   */
  workerStarted?(state: WorkerState): void;
  jobEnded?(result: JobEndResult, durationMs: number): void;
  archived?(rawBytes: number): void;
  /** A log, or a record in it, is not what was written. */
  damageFound?(path: string): void;
}

/**
 * `interrupted`: by the worker, so that it will run again. `failed`: also a job that could not be started.
 */
export type JobEndResult = "succeeded" | "failed" | "cancelled" | "interrupted";

/** How a worker is, as those see it who watch it. */
export interface WorkerState {
  /** Jobs whose processes run. */
  readonly jobsRunning: number;
  readonly isStopping: boolean;
  /** Jobs that are delivered, and that the server refuses to complete. */
  readonly completionsOutstanding: number;
  /** Why jobs' output is not read at the moment, or undefined when it is. */
  lackOfRoom(): Promise<string | undefined>;
}

export interface JobContext {
  jobClient: JobClient;
  transport: Transport;
  /** The server's address as log records name it. */
  serverUrl: string;
  queue: string;
  workerName: string;
  version: string;
  walDir: string;
  archiveDir: string;
  settings: JobSettings;
  budget: DiskBudget;
  /** The worker's own environment variables, fitted to the jobs' user. */
  environment: Readonly<Record<string, string>>;
  /** As whom jobs run. Undefined: as the worker's user. */
  jobUser?: JobUser;
  /** Where jobs get working directories of their own. Undefined: they run in the worker's. */
  workDirectories?: WorkDirectories;
  /** Logs that this worker has in hand, or is done with and leaves where they are; by path. */
  logsInHand: Set<string>;
  /** Logs that only their archiving is left to do for, with how their jobs ended. */
  logsToArchive: Map<string, JobEnd | undefined>;
  outstanding: OutstandingCompletions;
  cancellations: Pick<Cancellations, "listen">;
  workerClient: WorkerClient;
  /** Told when a job was given back, to be in its queue again a second later. */
  onReleased(): void;
  clock: Clock;
  random: Random;
  logger: Logger;
  observe: JobObserver;
  files: Files;
  /** Lets jobs have their turn while a log is archived. */
  nextTurn?: NextTurn;
  processes: Processes;
  /** Aborts when the worker is asked to stop: no new job, running ones get their grace period. */
  drain: AbortSignal;
  /** Aborts when the worker has to end at once. */
  stop: AbortSignal;
}
