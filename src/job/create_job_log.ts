/**
 * A new log for one execution of a job, under a name that no execution before it has had.
 */
import { executionOf } from "../events/job_execution.ts";
import type { JobParams } from "../events/gen/job/v1/job_pb.ts";
import type { Execution } from "../wal/execution.ts";
import { Log } from "../wal/log.ts";
import { archiveName, logName, quarantineNames } from "../wal/file_names.ts";
import type { Logger } from "../platform/logging/logger.ts";
import type { Job } from "../events/gen/job/v1/job_pb.ts";
import type { JobContext, JobSettings } from "./job_context.ts";
import type { Files } from "../platform/files.ts";
import { AlreadyExists, NotFound } from "../platform/system_errors.ts";

/** What a log needs to know of whoever writes it. */
export interface LogContext extends
  Pick<
    JobContext,
    "walDir" | "archiveDir" | "queue" | "serverUrl" | "workerName" | "version" | "files" | "clock"
  >,
  Pick<JobContext, "observe"> {
  readonly settings: Pick<JobSettings, "sync" | "visibilityTimeoutSeconds">;
}

/** The job that a log is of. One that no server gave out has no token yet, and says who made it. */
export interface LoggedJob {
  readonly job: Pick<Job, "jobId" | "jobParams">;
  readonly taskToken: string | undefined;
  readonly source?: Execution["source"];
}

/**
 * Throws RangeError for a job id that is not safe as a file name, and whatever keeps the file from being
 * made.
 */
export async function createJobLog(context: LogContext, dequeued: LoggedJob, logger: Logger): Promise<Log> {
  const { walDir, archiveDir, settings, observe, files, clock } = context;
  const jobId = dequeued.job.jobId;
  for (let copy = 1;; copy++) {
    const name = logName(jobId, copy);
    // In this order: a log is archived before it is removed, so one that goes away in between is found there.
    const [quarantined] = quarantineNames(name);
    if (await exists(files, `${walDir}/${name}`) || await exists(files, `${walDir}/${quarantined}`)) continue;
    if (await exists(files, `${archiveDir}/${archiveName(name)}`)) continue;
    const execution = {
      job_id: jobId,
      execution: copy,
      ...numberAtServer(dequeued.job.jobParams),
      queue: context.queue,
      server: context.serverUrl,
      task_token: dequeued.taskToken,
      worker: context.workerName,
      version: context.version,
      started_at_ms: clock.nowMs(),
      visibility_timeout_seconds: settings.visibilityTimeoutSeconds,
      ...shownCommand(dequeued.job.jobParams),
      ...madeHere(dequeued),
    };
    try {
      return await Log.create(walDir, [name], execution, {
        logger,
        sync: settings.sync,
        observe: observe.log,
        files,
        clock,
      });
    } catch (error) {
      // Another worker of this directory was faster; the number in the record has to be the name's.
      const { cause } = error as Error;
      if (!(cause instanceof AlreadyExists)) throw error;
    }
  }
}

function numberAtServer(params: JobParams | undefined): Pick<Execution, "server_execution"> {
  const number = executionOf(params);
  return number === undefined ? {} : { server_execution: number };
}

/** Far more than anybody reads in a list of jobs, and far less than a record can hold. */
const COMMAND_CHARACTERS_MAX = 16_384;

/**
 * What the job runs, so that it can be recognised where nobody but this log knows it any more. Its
 * environment, which may have secrets in it, is not for the disk.
 */
function shownCommand(params: JobParams | undefined): Pick<Execution, "command" | "args"> {
  if (params === undefined) return {};
  const { command, args } = params;
  let left = COMMAND_CHARACTERS_MAX - command.length;
  if (left < 0) return {};
  const end = args.findIndex((arg) => (left -= arg.length) < 0);
  return { command, args: end < 0 ? args : args.slice(0, end) };
}

/** What the server that adopts the execution has to be told, since nobody submitted the job. */
function madeHere({ source, job: { jobParams } }: LoggedJob): Pick<Execution, "source" | "metadata"> {
  return source === undefined ? {} : { source, metadata: jobParams?.metadata };
}

async function exists(files: Files, path: string): Promise<boolean> {
  try {
    await files.lstat(path);
    return true;
  } catch (error) {
    if (error instanceof NotFound) return false;
    throw error;
  }
}
