/**
 * `airunner list`: the jobs of a queue.
 */
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { integer, oneOf } from "../../config/value_type.ts";
import { type Job, JobState, type ListJobsResponse } from "../../events/gen/job/v1/job_pb.ts";
import type { Call } from "../call.ts";
import { UsageError } from "../command_error.ts";
import { ExitCode } from "../exit_code.ts";
import { toCallError } from "../../client/to_call_error.ts";
import { ServerClient } from "../../client/server_client.ts";
import { ServerError } from "../../client/server_error.ts";
import { toJson } from "../../platform/json.ts";
import { type ListedJob, renderList } from "../screens/list_screen.ts";
import { requireServer } from "../settings/require_server.ts";

type List = Call<
  [],
  { state?: string; limit: string; json?: true },
  "server" | "credential" | "requestTimeout" | "queue"
>;

const STATES = oneOf(["scheduled", "running", "completed", "failed", "cancelled"]);
const LIMITS = integer(1, 100_000);
/**
 * Servers have limits of their own for a page; this is below all that we know. A power of two, so that pages
 * can be halved.
 */
const PAGE_SIZE_MAX = 64;

export async function run({ context, options, settings, style }: List): Promise<number> {
  const state = options.state === undefined ? JobState.UNSPECIFIED : stateOf(options.state);
  const limit = LIMITS.parse(options.limit);
  if (limit === undefined) throw wrong("--limit", LIMITS.expected, options.limit);
  using client = await ServerClient.connect(requireServer(settings), context);
  const { jobs, isCut } = await fetchJobs(client, settings.queue, state, limit);
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

/**
 * Pages are put together without repeating a job: a new job moves the older ones down to the next page. A
 * page that is too large for the server or for us, because its jobs have megabytes of parameters, is asked
 * for again in halves.
 */
async function fetchJobs(client: ServerClient, queue: string, state: JobState, limit: number) {
  let pageSize = PAGE_SIZE_MAX;
  while (pageSize / 2 >= limit) pageSize /= 2;
  const jobs = new Map<string, ListedJob>();
  for (let page = 1;; page++) {
    const response = await fetchPage(client, { queue, state, page, pageSize });
    if (response === undefined) {
      // The same place in the list: page 3 of 64 begins where page 5 of 32 does, and this is one before it.
      page = (page - 1) * 2;
      pageSize /= 2;
      continue;
    }
    for (const job of response.jobs) jobs.set(job.jobId, listedJob(job));
    const isLast = page >= response.lastPage || response.jobs.length === 0;
    if (isLast || jobs.size >= limit) {
      return { jobs: [...jobs.values()].slice(0, limit), isCut: !isLast || jobs.size > limit };
    }
  }
}

/** Undefined when the page is too large and there is a smaller one to ask for. */
async function fetchPage(
  client: ServerClient,
  page: { queue: string; state: JobState; page: number; pageSize: number },
): Promise<ListJobsResponse | undefined> {
  try {
    return await client.call((service, limits) => service.listJobs(page, limits));
  } catch (error) {
    const isTooLarge = error instanceof ServerError && toCallError(error.cause, 0).tooLarge;
    if (isTooLarge && page.pageSize > 1) return undefined;
    throw error;
  }
}

function listedJob(job: Job): ListedJob {
  return {
    jobId: job.jobId,
    state: (JobState[job.state] ?? `UNKNOWN_${job.state}`).toLowerCase(),
    command: job.jobParams?.command ?? "",
    args: job.jobParams?.args ?? [],
    createdAtMs: job.createdAt ? timestampMs(job.createdAt) : 0,
    updatedAtMs: job.updatedAt ? timestampMs(job.updatedAt) : 0,
  };
}

/** Environment and metadata stay out: they may hold secrets. */
function jobJson({ jobId, state, command, args, createdAtMs, updatedAtMs }: ListedJob) {
  return { job_id: jobId, state, command, args, created_at_ms: createdAtMs, updated_at_ms: updatedAtMs };
}
