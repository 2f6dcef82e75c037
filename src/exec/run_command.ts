/**
 * Runs a command as if we were not there, and records what happens to it: it has our input, environment and
 * directory, its output is shown as it comes, signals are passed on to it, and its exit code is ours.
 *
 * It is in a session of its own, so that a signal reaches everything that it started and comes once: a Ctrl-C
 * at the terminal reaches us alone, and the command through us.
 */
import { create } from "@bufbuild/protobuf";
import { JobParamsSchema, JobSchema } from "../events/gen/job/v1/job_pb.ts";
import { recordNotRun } from "../job/execute_job.ts";
import type { ExecuteOptions, ExecuteResult } from "../job/execute_options.ts";
import { type EventLog, EventWriter } from "../job/event_writer.ts";
import { EXIT_OURS } from "../job/job_ending.ts";
import { JOB_TIMES } from "../job/job_context.ts";
import type { BatchLimits } from "../job/batcher.ts";
import {
  CannotSpawnError,
  JOB_ID_VARIABLE,
  type RunningProcess,
  SpawnError,
  spawnProcess,
} from "../job/runner/pipe.ts";
import { Supervision } from "../job/supervision.ts";
import type { Clock } from "../platform/clock.ts";
import type { Logger } from "../platform/logging/logger.ts";
import type { PassedSignal } from "../platform/processes.ts";
import type { PassThrough } from "./pass_through.ts";

export interface CommandOptions {
  readonly jobId: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly log: EventLog;
  readonly limits: BatchLimits;
  readonly passThrough: PassThrough;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Hands on the signals that we get, until the returned function is called. */
  takeSignals(handler: (name: PassedSignal) => void): () => void;
  /** Called when the process has ended, before its end is recorded. */
  onExited(): void;
}

export interface CommandEnd {
  readonly exitCode: number;
  /** Why the command was not run, or what else the user has to know of its end. */
  readonly problem: string | undefined;
}

/**
 * How long somebody whom the command left in the background is waited for when it holds the output open: long
 * enough for a pipeline's last lines, and not for a daemon.
 */
const BACKGROUND_GRACE_MS = 1000;

export async function runCommand(options: CommandOptions): Promise<CommandEnd> {
  const { jobId, command, args, environment, passThrough: { processes, shown }, clock } = options;
  const never = new AbortController().signal;
  const writer = new EventWriter({ log: options.log, clock, logger: options.logger, giveUp: never });
  const execution: ExecuteOptions = {
    job: create(JobSchema, { jobId, jobParams: create(JobParamsSchema, { command, args: [...args] }) }),
    writer,
    limits: options.limits,
    settings: {
      ...JOB_TIMES,
      pipeGraceMs: BACKGROUND_GRACE_MS,
      // Nobody asks us to drain: signals are the command's.
      shutdownGraceMs: 0,
      leavesBackground: true,
    },
    environment,
    waitForRoom: () => Promise.resolve(),
    clock,
    logger: options.logger,
    drain: never,
    stop: never,
    cancel: never,
    processes,
  };
  const startedAtMs = clock.nowMs();
  let process: RunningProcess;
  try {
    process = await spawnProcess(processes, {
      command,
      args,
      environment: { ...environment, [JOB_ID_VARIABLE]: jobId },
      workingDirectory: "",
    });
  } catch (error) {
    if (!(error instanceof SpawnError || error instanceof CannotSpawnError)) throw error;
    const exitCode = error instanceof SpawnError ? error.exitCode : EXIT_OURS;
    options.onExited();
    await recordNotRun(execution, { message: error.message, exitCode }, startedAtMs);
    return { exitCode, problem: error.message };
  }
  const release = options.takeSignals((name) => process.signalGroup(name));
  process.exited.then(() => options.onExited(), () => {});
  try {
    const end = endOf(await new Supervision(execution, process, startedAtMs).run());
    await shown();
    return end;
  } finally {
    release();
  }
}

function endOf(result: ExecuteResult): CommandEnd {
  // Nothing of ours asks it to end in another way.
  if (result.kind !== "ended") throw new Error(`The command ended as ${result.kind}`);
  const { exitCode, errorMessage } = result.end;
  return { exitCode, problem: errorMessage };
}
