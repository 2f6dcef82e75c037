/**
 * `airunner list`: the jobs of a queue.
 */
import { integer, oneOf } from "../../config/value_type.ts";
import { JobState } from "../../events/gen/job/v1/job_pb.ts";
import type { Call } from "../call.ts";
import { UsageError } from "../command_error.ts";
import { ExitCode } from "../exit_code.ts";
import { ServerClient } from "../../client/server_client.ts";
import { toJson } from "../../platform/json.ts";
import { renderList } from "../screens/list_screen.ts";
import { requireServer } from "../settings/require_server.ts";
import { type ListedJob, listJobs } from "../../client/list_jobs.ts";

type List = Call<
  [],
  { state?: string; limit: string; json?: true },
  "server" | "credential" | "requestTimeout" | "queue"
>;

const STATES = oneOf(["scheduled", "running", "completed", "failed", "cancelled"]);
const LIMITS = integer(1, 100_000);
export async function run({ context, options, settings, style }: List): Promise<number> {
  const state = options.state === undefined ? JobState.UNSPECIFIED : stateOf(options.state);
  const limit = LIMITS.parse(options.limit);
  if (limit === undefined) throw wrong("--limit", LIMITS.expected, options.limit);
  using client = await ServerClient.connect(requireServer(settings), context);
  const { jobs, isCut } = await listJobs(client, settings.queue, state, limit);
  await context.stdout.write(
    options.json
      ? toJson({ schema_version: 1, queue: settings.queue, jobs: jobs.map(jobJson) }) + "\n"
      : renderList({ queue: settings.queue, jobs, isCut, nowMs: context.clock.nowMs() }, style),
  );
  return ExitCode.DONE;
}

function stateOf(text: string): JobState {
  const word = STATES.parse(text);
  if (!word) throw wrong("--state", STATES.expected, text);
  return JobState[word.toUpperCase() as Uppercase<typeof word>];
}

function wrong(flag: string, expected: string, found: string): UsageError {
  return new UsageError(`Cannot read ${flag}: expected ${expected}, found ${JSON.stringify(found)}`);
}

/** Environment and metadata stay out: they may hold secrets. */
function jobJson({ jobId, state, command, args, createdAtMs, updatedAtMs }: ListedJob) {
  return { job_id: jobId, state, command, args, created_at_ms: createdAtMs, updated_at_ms: updatedAtMs };
}
