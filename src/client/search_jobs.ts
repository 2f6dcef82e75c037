/**
 * The jobs of a server that fit a search, page by page. A call of our own, which other servers do not offer.
 */
import { timestampMs } from "@bufbuild/protobuf/wkt";
import type { JobSummary } from "../events/gen/airunner/v1/airunner_pb.ts";
import type { JobState } from "../events/gen/job/v1/job_pb.ts";
import { type ListedJob, stateName } from "./list_jobs.ts";
import type { ServerClient } from "./server_client.ts";

export interface JobSearch {
  /** Undefined: every queue. */
  readonly queue: string | undefined;
  /** Empty: every state. */
  readonly states: readonly JobState[];
  /** A part of the command line or of the job's id; empty: every job. */
  readonly search: string;
  /** All of these have to be in the job's metadata. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** Servers give no more at a time. */
const PAGE_SIZE_MAX = 500;

/** Newest first. @throws ServerError */
export async function searchJobs(
  client: ServerClient,
  { queue = "", states, search, metadata }: JobSearch,
  limit: number,
): Promise<{ jobs: ListedJob[]; isCut: boolean }> {
  const jobs: ListedJob[] = [];
  for (let pageToken = "";;) {
    const pageSize = Math.min(PAGE_SIZE_MAX, limit - jobs.length);
    const request = { queue, states: [...states], search, metadata, pageSize, pageToken };
    const page = await client.callOwn((service, limits) => service.listJobs(request, limits));
    jobs.push(...page.jobs.map(listedJob));
    pageToken = page.nextPageToken;
    if (pageToken === "" || jobs.length >= limit) {
      return { jobs: jobs.slice(0, limit), isCut: pageToken !== "" };
    }
  }
}

function listedJob(job: JobSummary): ListedJob {
  return {
    jobId: job.jobId,
    queue: job.queue,
    state: stateName(job.state),
    command: job.command,
    args: job.args,
    createdAtMs: job.createdAt ? timestampMs(job.createdAt) : 0,
    updatedAtMs: job.updatedAt ? timestampMs(job.updatedAt) : 0,
  };
}
