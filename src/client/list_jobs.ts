/**
 * The jobs of a queue, page by page.
 */
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { type Job, JobState, type ListJobsResponse } from "../events/gen/job/v1/job_pb.ts";
import type { ServerClient } from "./server_client.ts";
import { ServerError } from "./server_error.ts";
import { toCallError } from "./to_call_error.ts";

export interface ListedJob {
  readonly jobId: string;
  readonly queue: string;
  readonly state: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
}

/**
 * Servers have limits of their own for a page; this is below all that we know. A power of two, so that pages
 * can be halved.
 */
const PAGE_SIZE_MAX = 64;

/**
 * Pages are put together without repeating a job: a new job moves the older ones down to the next page. A
 * page that is too large for the server or for us, because its jobs have megabytes of parameters, is asked
 * for again in halves.
 */
export async function listJobs(
  client: ServerClient,
  queue: string,
  state: JobState,
  limit: number,
): Promise<{ jobs: ListedJob[]; isCut: boolean }> {
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
    for (const job of response.jobs) jobs.set(job.jobId, listedJob(job, queue));
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

/** `scheduled` and so on. */
export function stateName(state: JobState): string {
  return (JobState[state] ?? `UNKNOWN_${state}`).toLowerCase();
}

function listedJob(job: Job, queue: string): ListedJob {
  return {
    jobId: job.jobId,
    queue,
    state: stateName(job.state),
    command: job.jobParams?.command ?? "",
    args: job.jobParams?.args ?? [],
    createdAtMs: job.createdAt ? timestampMs(job.createdAt) : 0,
    updatedAtMs: job.updatedAt ? timestampMs(job.updatedAt) : 0,
  };
}
