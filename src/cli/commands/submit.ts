/**
 * `airunner submit`: a job from a file, from the command line, or from both.
 */
import { clone, create, fromJson, type JsonObject } from "@bufbuild/protobuf";
import {
  EnqueueJobRequestSchema,
  type JobParams,
  JobParamsSchema,
  ProcessType,
} from "../../events/gen/job/v1/job_pb.ts";
import { parseDurationMs } from "../../config/value_type.ts";
import type { Call } from "../call.ts";
import { CommandError, UsageError } from "../command_error.ts";
import { ExitCode } from "../../screens/exit_code.ts";
import { ServerClient } from "../../client/server_client.ts";
import { ServerError } from "../../client/server_error.ts";
import { messageOf } from "../../platform/error_text.ts";
import type { Files } from "../../platform/files.ts";
import { NotFound } from "../../platform/system_errors.ts";
import { shellWord } from "../../platform/text.ts";
import { printJob } from "./logs.ts";
import { parsePair } from "../options/pairs.ts";
import { requireServer } from "../settings/require_server.ts";
import { warnWithoutWorker } from "./without_worker.ts";

export type SubmitOptions = {
  config?: string;
  timeout?: string;
  env: string[];
  cwd?: string;
  requestId?: string;
  follow?: true;
};

type Submit = Call<[string[]], SubmitOptions, "server" | "credential" | "requestTimeout" | "queue">;

export async function run({ context, args: [command], options, settings }: Submit): Promise<number> {
  const file = options.config === undefined
    ? create(JobParamsSchema)
    : await readConfig(context.files, options.config);
  const jobParams = jobParamsOf(file, command, options);
  using client = await ServerClient.connect(requireServer(settings), context);
  // An id of our own when there is none: without it, a call that was repeated would be a second job.
  const requestId = options.requestId ?? context.randomId();
  const request = create(EnqueueJobRequestSchema, { requestId, queue: settings.queue, jobParams });
  let jobId: string;
  try {
    ({ jobId } = await client.call((jobs, limits) => jobs.enqueueJob(request, limits)));
  } catch (error) {
    if (!(error instanceof ServerError) || !error.mayPass) throw error;
    const next =
      `The job may have arrived. Type the command again with --request-id ${shellWord(requestId)}: ` +
      "it will not be run twice.";
    throw new CommandError(error.message, ExitCode.UNREACHABLE, next, { cause: error });
  }
  await context.stdout.write(`${jobId}\n`);
  await context.stdout.flush();
  await warnWithoutWorker(context, client, settings.queue);
  if (!options.follow) return ExitCode.DONE;
  return await printJob(context, client, { jobId, fromSequence: 1n, raw: false, wasReached: true });
}

async function readConfig(files: Files, path: string): Promise<JobParams> {
  let source: string;
  try {
    source = await files.readText(path);
  } catch (error) {
    throw new CommandError(
      `Cannot read ${path}: ${error instanceof NotFound ? "no such file" : messageOf(error)}`,
      ExitCode.CONFIGURATION,
      undefined,
      { cause: error },
    );
  }
  // The reader of YAML is a third of all that this command would load.
  const { readJobFile } = await import("../../config/job_file.ts");
  return fromJson(JobParamsSchema, readJobFile(source, path) as JsonObject);
}

/** What is typed wins over the file; variables are added to the file's. */
export function jobParamsOf(file: JobParams, command: readonly string[], options: SubmitOptions): JobParams {
  const params = clone(JobParamsSchema, file);
  if (command.length > 0) {
    params.command = command[0];
    params.args = command.slice(1);
  }
  if (params.command === "") {
    throw new UsageError(
      "No command is given: put it after --, as in `airunner submit -- make test`, or into the job file",
    );
  }
  if (params.processType === ProcessType.UNSPECIFIED) params.processType = ProcessType.PIPE;
  if (options.timeout !== undefined) params.timeoutSeconds = timeoutSecondsOf(options.timeout);
  if (options.cwd !== undefined) params.workingDirectory = options.cwd;
  params.environment = {
    ...params.environment,
    ...Object.fromEntries(options.env.map((text) => parsePair("--env", text))),
  };
  return params;
}

/** The protocol counts whole seconds; a fraction counts as one, because 0 means no timeout. */
function timeoutSecondsOf(text: string): number {
  const timeoutMs = parseDurationMs(text);
  if (timeoutMs === undefined || timeoutMs === 0 || timeoutMs / 1000 > 2 ** 31 - 1) {
    throw new UsageError(
      `Cannot read --timeout: expected a duration such as 90s or 2h, found ${JSON.stringify(text)}`,
    );
  }
  return Math.ceil(timeoutMs / 1000);
}
