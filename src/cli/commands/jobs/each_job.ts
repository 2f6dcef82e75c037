/**
 * Does the same to each of the jobs that were named: what is refused for one does not keep the others from
 * it.
 */
import { ServerClient } from "../../../client/server_client.ts";
import { ServerError } from "../../../client/server_error.ts";
import { toJson } from "../../../platform/json.ts";
import { shown } from "../../../platform/text.ts";
import type { Call } from "../../call.ts";
import { ExitCode } from "../../../screens/exit_code.ts";
import { requireServer } from "../../settings/require_server.ts";

export type JobsCall<O extends { json?: true }> = Call<
  [string[]],
  O,
  "server" | "credential" | "requestTimeout"
>;

/** What became of one job: a line for people, and fields for programs. */
export interface Done {
  readonly line: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/**
 * Resolves to the exit code: 1 when one of several was refused. @throws ServerError for what the next job
 * would meet as well; what was done by then has been printed
 */
export async function forEachJob<O extends { json?: true }>(
  { context, args: [jobIds], options, settings }: JobsCall<O>,
  verb: string,
  act: (client: ServerClient, jobId: string) => Promise<Done>,
): Promise<number> {
  using client = await ServerClient.connect(requireServer(settings), context);
  const done: Record<string, unknown>[] = [];
  let exitCode: number = ExitCode.DONE;
  try {
    for (const jobId of new Set(jobIds)) {
      try {
        const { line, fields } = await act(client, jobId);
        done.push({ job_id: jobId, ...fields });
        if (!options.json) await context.stdout.write(`${line}\n`);
      } catch (error) {
        if (!(error instanceof ServerError) || error.kind !== "refused") throw error;
        exitCode = ExitCode.FAILED;
        done.push({ job_id: jobId, outcome: "refused", error: error.message });
        await context.stdout.flush();
        await context.stderr.write(`airunner: Cannot ${verb} ${shown(jobId)}: ${shown(error.message)}\n`);
      }
    }
  } finally {
    if (options.json && done.length > 0) {
      await context.stdout.write(toJson({ schema_version: 1, jobs: done }) + "\n");
    }
  }
  return exitCode;
}
