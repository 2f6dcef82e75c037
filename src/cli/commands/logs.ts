/**
 * `airunner logs`: a job's output from the server, until the job ends.
 */
import type { Call } from "../call.ts";
import { UsageError } from "../command_error.ts";
import type { Context } from "../context.ts";
import { factsOf } from "../../client/job_facts.ts";
import { followJob } from "../../client/follow.ts";
import { concludeFollowed } from "../../screens/followed_lines.ts";
import { JobOutput } from "../../screens/job_output.ts";
import { ServerClient } from "../../client/server_client.ts";
import { requireServer } from "../settings/require_server.ts";

type Logs = Call<
  [string],
  { raw?: true; fromSequence?: string },
  "server" | "credential" | "requestTimeout"
>;

export async function run({ context, args: [jobId], options, settings }: Logs): Promise<number> {
  const fromSequence = parseSequence(options.fromSequence ?? "1");
  using client = await ServerClient.connect(requireServer(settings), context);
  return await printJob(context, client, {
    jobId,
    fromSequence,
    raw: options.raw ?? false,
    wasReached: false,
  });
}

function parseSequence(text: string): bigint {
  if (/^[0-9]{1,19}$/.test(text) && BigInt(text) >= 1n && BigInt(text) < 2n ** 63n) return BigInt(text);
  throw new UsageError(
    `Cannot read --from-sequence: expected a whole number from 1, found ${JSON.stringify(text)}`,
  );
}

/** Resolves to the exit code for us when the job has ended. */
export async function printJob(
  context: Context,
  client: ServerClient,
  job: { jobId: string; fromSequence: bigint; raw: boolean; wasReached: boolean },
): Promise<number> {
  const { stdout, stderr, clock, random } = context;
  const say = async (line: string) => {
    await stderr.write(`airunner: ${line}\n`);
    await stderr.flush();
  };
  const output = new JobOutput({ stdout, stderr, raw: job.raw });
  const followed = await followJob({
    client,
    jobId: job.jobId,
    fromSequence: job.fromSequence,
    wasReached: job.wasReached,
    clock,
    random,
    facts: factsOf(client, job.jobId),
    onEvent: (event) => output.write(event),
    onNotice: say,
  });
  await output.finish();
  const { lines, exitCode } = concludeFollowed(followed, job.jobId, job.raw);
  for (const line of lines) await say(line);
  return exitCode;
}
