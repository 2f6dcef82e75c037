/**
 * The log for a command that is run here: the worker's own kind of log, in the same directory, so that
 * workers, replay and everything that looks into logs know it.
 */
import { create } from "@bufbuild/protobuf";
import { JobParamsSchema } from "../events/gen/job/v1/job_pb.ts";
import { createJobLog, type LogContext } from "../job/create_job_log.ts";
import { WorkerHome } from "../job/worker_home.ts";
import type { Logger } from "../platform/logging/logger.ts";
import type { Log } from "../wal/log.ts";

export interface RecordedCommand {
  readonly jobId: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly metadata: Readonly<Record<string, string>>;
}

export interface OpenedLog extends AsyncDisposable {
  readonly log: Log;
}

/**
 * A disk that has not answered by then, as one on a network, is not waited for: the command is to begin. What
 * it makes later is an empty log, which whoever takes it up archives.
 */
const OPEN_MS_MAX = 5000;
/**
 * The same for the last sync. What is not synced by then is so a moment later, or the disk does not answer.
 */
const CLOSE_MS_MAX = 5000;

/** @throws whatever keeps the log from being made */
export async function openCommandLog(
  context: LogContext,
  { jobId, command, args, metadata }: RecordedCommand,
  logger: Logger,
): Promise<OpenedLog> {
  const { walDir, archiveDir, files, clock } = context;
  const home = new WorkerHome({ walDir, archiveDir, logger, files });
  const jobParams = create(JobParamsSchema, { command, args: [...args], metadata: { ...metadata } });
  const make = async () => {
    await home.settle();
    return await createJobLog(
      context,
      { job: { jobId, jobParams }, taskToken: undefined, source: "exec" },
      logger,
    );
  };
  const over = new AbortController();
  const late = clock.sleep(OPEN_MS_MAX, over.signal).then(() => undefined);
  try {
    const log = await Promise.race([make(), late]);
    if (log === undefined) throw new Error(`the disk has not answered for ${OPEN_MS_MAX / 1000} s`);
    return {
      log,
      async [Symbol.asyncDispose]() {
        const closed = new AbortController();
        const closing = log.close().finally(() => closed.abort());
        await Promise.race([closing, clock.sleep(CLOSE_MS_MAX, closed.signal)]);
        home[Symbol.dispose]();
      },
    };
  } catch (error) {
    home[Symbol.dispose]();
    throw error;
  } finally {
    over.abort();
  }
}
