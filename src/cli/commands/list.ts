/**
 * `airunner list`: the jobs of a queue, or those that fit a search.
 */
import { integer, oneOf } from "../../config/value_type.ts";
import { JobState } from "../../events/gen/job/v1/job_pb.ts";
import type { Call } from "../call.ts";
import { UsageError } from "../command_error.ts";
import { ExitCode } from "../../screens/exit_code.ts";
import { ServerClient } from "../../client/server_client.ts";
import { toJson } from "../../platform/json.ts";
import { renderList } from "../../screens/list_screen.ts";
import { requireServer } from "../settings/require_server.ts";
import { type ListedJob, listJobs } from "../../client/list_jobs.ts";
import { searchJobs } from "../../client/search_jobs.ts";
import { parsePair } from "../options/pairs.ts";

type List = Call<
  [],
  { state?: string; allQueues?: true; search?: string; label: string[]; limit: string; json?: true },
  "server" | "credential" | "requestTimeout" | "queue"
>;

const STATES = oneOf(["scheduled", "running", "completed", "failed", "cancelled"]);
const LIMITS = integer(1, 100_000);

export async function run({ context, options, settings, style }: List): Promise<number> {
  const limit = LIMITS.parse(options.limit);
  if (limit === undefined) throw wrong("--limit", LIMITS.expected, options.limit);
  const states = options.state === undefined ? [] : options.state.split(",").map(stateOf);
  const queue = options.allQueues ? undefined : settings.queue;
  const metadata = Object.fromEntries(options.label.map((label) => parsePair("--label", label)));
  const isSearch = queue === undefined || options.search !== undefined || options.label.length > 0 ||
    states.length > 1;
  using client = await ServerClient.connect(requireServer(settings), context);
  // What every server knows is asked for in the way that every server knows.
  const { jobs, isCut } = isSearch
    ? await searchJobs(client, { queue, states, search: options.search ?? "", metadata }, limit)
    : await listJobs(client, settings.queue, states[0] ?? JobState.UNSPECIFIED, limit);
  await context.stdout.write(
    options.json
      ? toJson({ schema_version: 1, queue: queue ?? null, jobs: jobs.map(jobJson) }) + "\n"
      : renderList({ queue, isSearch, jobs, isCut, nowMs: context.clock.nowMs() }, style),
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
function jobJson({ jobId, queue, state, command, args, createdAtMs, updatedAtMs }: ListedJob) {
  return {
    job_id: jobId,
    queue,
    state,
    command,
    args,
    created_at_ms: createdAtMs,
    updated_at_ms: updatedAtMs,
  };
}
