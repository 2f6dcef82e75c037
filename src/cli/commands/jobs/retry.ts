/**
 * `airunner retry`: a new job with the parameters of one that there is.
 */
import { ServerClient } from "../../../client/server_client.ts";
import { ServerError } from "../../../client/server_error.ts";
import { toJson } from "../../../platform/json.ts";
import { shellWord } from "../../../platform/text.ts";
import type { Call } from "../../call.ts";
import { CommandError } from "../../command_error.ts";
import { ExitCode } from "../../../screens/exit_code.ts";
import { requireServer } from "../../settings/require_server.ts";
import { printJob } from "../logs.ts";
import { warnWithoutWorker } from "../without_worker.ts";

type Retry = Call<
  [string],
  { requestId?: string; follow?: true; json?: true },
  "server" | "credential" | "requestTimeout"
>;

export async function run({ context, args: [jobId], options, settings }: Retry): Promise<number> {
  using client = await ServerClient.connect(requireServer(settings), context);
  // An id of our own when there is none: without it, a call that was repeated would be a second job.
  const requestId = options.requestId ?? context.randomId();
  let made: { jobId: string; queue: string };
  try {
    made = await client.callOwn((jobs, limits) => jobs.retryJob({ jobId, requestId }, limits));
  } catch (error) {
    if (!(error instanceof ServerError) || !error.mayPass) throw error;
    const next =
      `The new job may be there. Type the command again with --request-id ${shellWord(requestId)}: ` +
      "it will not be run twice.";
    throw new CommandError(error.message, ExitCode.UNREACHABLE, next, { cause: error });
  }
  const json = { schema_version: 1, job_id: made.jobId, queue: made.queue, retry_of: jobId };
  await context.stdout.write(options.json ? `${toJson(json)}\n` : `${made.jobId}\n`);
  await context.stdout.flush();
  await warnWithoutWorker(context, client, made.queue);
  if (!options.follow) return ExitCode.DONE;
  return await printJob(context, client, {
    jobId: made.jobId,
    fromSequence: 1n,
    raw: false,
    wasReached: true,
  });
}
