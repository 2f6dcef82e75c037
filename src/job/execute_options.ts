/**
 * What running one job's command takes, and how that can end.
 */
import type { Job } from "../events/gen/job/v1/job_pb.ts";
import type { Clock } from "../platform/clock.ts";
import type { Logger } from "../platform/logging/logger.ts";
import type { BatchLimits } from "./batcher.ts";
import type { JobEnd } from "./complete_job.ts";
import type { EventWriter } from "./event_writer.ts";
import type { JobUser } from "./job_user.ts";
import type { CannotSpawnError } from "./runner/pipe.ts";
import type { Processes } from "../platform/processes.ts";

export interface ExecuteSettings {
  heartbeatIntervalMs: number;
  /** Time between SIGTERM and SIGKILL. */
  killGraceMs: number;
  /** How long pipes may stay open after the process has ended, because its children hold them. */
  pipeGraceMs: number;
  /** How long a running job may go on once the worker is asked to stop. */
  shutdownGraceMs: number;
  /**
   * What the command left in the background is not ended when it holds the output open; reading ends then.
   */
  leavesBackground?: true;
}

export interface ExecuteOptions {
  job: Job;
  writer: EventWriter;
  limits: BatchLimits;
  settings: ExecuteSettings;
  /** The worker's own variables. */
  environment: Readonly<Record<string, string>>;
  /** As whom it runs. Undefined: as the worker's user. */
  user?: JobUser;
  /**
   * Makes a directory for a job that names none of its own, or a relative one. Undefined: that is the
   * worker's own.
   */
  makeWorkDirectory?(): Promise<string>;
  /** Resolves when there is room on disk for more output, or when the signal aborts. */
  waitForRoom(signal: AbortSignal): Promise<void>;
  clock: Clock;
  logger: Logger;
  /** The worker is asked to stop: the job gets its grace period. */
  drain: AbortSignal;
  /** The worker ends now. */
  stop: AbortSignal;
  /** Somebody cancelled the job, with why as the signal's reason. */
  cancel: AbortSignal;
  processes: Processes;
}

/**
 * `ended`: PROCESS_END is in the log. `interrupted`: the worker ended it, so there is none. `not_started`:
 * nothing of it has run or is in the log, for a reason of the worker's. `left`: the worker had to end it and
 * could not, so that it must not run elsewhere yet. None is said when the log broke: then the writer's error
 * is thrown, and the process is gone.
 */
export type ExecuteResult =
  | { kind: "ended"; end: JobEnd; outputBytes: number }
  | { kind: "interrupted" }
  | { kind: "left" }
  | { kind: "not_started"; error: CannotSpawnError };
