/**
 * Runs a job's command and records what happens to it as events: start, output, heartbeats, errors, end.
 * Nothing here knows of the server; the events are durable before anybody sees them.
 */
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { type JobParams, ProcessType } from "../events/gen/job/v1/job_pb.ts";
import { messageOf } from "../platform/error_text.ts";
import type { ExecuteOptions, ExecuteResult } from "./execute_options.ts";
import { cancelledMessage, endedBy, EXIT_CANCELLED, EXIT_OURS, OURS } from "./job_ending.ts";
import {
  CannotSpawnError,
  EXIT_CANNOT_RUN,
  jobEnvironment,
  type RunningProcess,
  SpawnError,
  spawnProcess,
} from "./runner/pipe.ts";
import { Supervision } from "./supervision.ts";

export async function executeJob(options: ExecuteOptions): Promise<ExecuteResult> {
  const { clock, logger } = options;
  const startedAtMs = clock.nowMs();
  const { cancel } = options;
  if (cancel.aborted) {
    logger.info("Job was cancelled before it was started");
    const message = cancelledMessage(cancel.reason, " before it was started");
    return await recordNotRun(options, { message, exitCode: EXIT_CANCELLED }, startedAtMs);
  }
  let process: RunningProcess;
  try {
    process = await startProcess(options);
  } catch (error) {
    if (error instanceof CannotSpawnError) return { kind: "not_started", error };
    if (error instanceof SpawnError) return await recordNotRun(options, error, startedAtMs);
    logger.error("Job was not started because of an unexpected error of the worker's", {
      error: error instanceof Error ? error.stack ?? error.message : String(error),
    });
    // Running it again would fail again, so it ends; but not as if its command had.
    const message = `${OURS}an unexpected error before its start, so nothing of the job has run: ${error}`;
    return await recordNotRun(options, { message, exitCode: EXIT_OURS }, startedAtMs);
  }
  return await new Supervision(options, process, startedAtMs).run();
}

async function startProcess(
  { job: { jobId, jobParams }, environment, user, makeWorkDirectory, processes }: ExecuteOptions,
): Promise<RunningProcess> {
  const params = checkedParams(jobParams);
  return await spawnProcess(processes, {
    command: params.command,
    args: params.args,
    environment: jobEnvironment(environment, params.environment, jobId),
    workingDirectory: await workingDirectoryFor(params.workingDirectory, makeWorkDirectory),
    user,
  });
}

async function workingDirectoryFor(
  asked: string,
  make: ExecuteOptions["makeWorkDirectory"],
): Promise<string> {
  if (make === undefined || asked.startsWith("/")) return asked;
  let directory: string;
  try {
    directory = await make();
  } catch (error) {
    throw new CannotSpawnError(`Cannot make a working directory: ${messageOf(error)}`, { cause: error });
  }
  return asked === "" ? directory : `${directory}/${asked}`;
}

/** Refuses what this worker would have to pretend to do. A repository without git_clone is just a note. */
function checkedParams(params: JobParams | undefined): JobParams {
  const refuse = (what: string) => {
    throw new SpawnError(`This worker cannot run the job: ${what}`, EXIT_CANNOT_RUN);
  };
  if (params === undefined) return refuse("it came without parameters");
  if (params.container?.enabled) {
    return refuse("it asks for a container, and only plain processes are supported");
  }
  if (params.gitClone?.enabled) {
    return refuse(
      "it asks for a clone of its repository, which is not supported; clone in the command itself",
    );
  }
  if (params.processType !== ProcessType.UNSPECIFIED && params.processType !== ProcessType.PIPE) {
    const type = ProcessType[params.processType] ?? params.processType;
    return refuse(`it asks for process type ${type}, and only PIPE is supported`);
  }
  return params;
}

/** Ends a job of which nothing has run, and never will. */
export async function recordNotRun(
  { writer, clock }: ExecuteOptions,
  { message: errorMessage, exitCode }: Pick<SpawnError, "message" | "exitCode">,
  startedAtMs: number,
): Promise<ExecuteResult> {
  await writer.write({ case: "processError", value: { errorMessage } });
  await writer.write({ case: "processEnd", value: { pid: 0, exitCode, runDuration: durationFromMs(0) } });
  const end = {
    exitCode,
    errorMessage,
    endedBy: endedBy(errorMessage),
    startedAtMs,
    endedAtMs: clock.nowMs(),
  };
  return { kind: "ended", end, outputBytes: 0 };
}
