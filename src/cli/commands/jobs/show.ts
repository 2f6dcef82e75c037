/**
 * `airunner show`: everything that the server knows of one job but its output.
 */
import { ServerClient } from "../../../client/server_client.ts";
import { toJson } from "../../../platform/json.ts";
import type { Call } from "../../call.ts";
import { ExitCode } from "../../../screens/exit_code.ts";
import { jobDocument, renderJob } from "../../../screens/job_screen.ts";
import { requireServer } from "../../settings/require_server.ts";

type Show = Call<[string], { json?: true }, "server" | "credential" | "requestTimeout">;

export async function run({ context, args: [jobId], options, settings, style }: Show): Promise<number> {
  using client = await ServerClient.connect(requireServer(settings), context);
  const answer = await client.callOwn((jobs, limits) => jobs.getJob({ jobId }, limits));
  await context.stdout.write(
    options.json ? toJson(jobDocument(answer)) + "\n" : renderJob(answer, context.clock.nowMs(), style),
  );
  return ExitCode.DONE;
}
