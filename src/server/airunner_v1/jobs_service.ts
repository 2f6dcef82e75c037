/**
 * JobsService: jobs, queues and workers as people see them, and what they may do with them.
 */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError, type HandlerContext, type ServiceImpl } from "@connectrpc/connect";
import {
  type CancelJobRequest,
  type CancelJobResponseSchema,
  CancelOutcome,
  type DeleteJobRequest,
  type GetJobRequest,
  type JobsService,
  type ListJobsRequest,
  type RetryJobRequest,
} from "../../events/gen/airunner/v1/airunner_pb.ts";
import { JobState } from "../../events/gen/job/v1/job_pb.ts";
import type { Clock } from "../../platform/clock.ts";
import type { Logger } from "../../platform/logging/logger.ts";
import { type Caller, caller, callerFields } from "../caller.ts";
import type { JobQueue } from "../job_queue.ts";
import { checkJobId, checkRequestId, checkText, invalidArgument, refusedFor } from "../job_validation.ts";
import type { ServerObserver } from "../server_observer.ts";
import type { JobStore, SearchFilter, SearchPage, Store, StoredJob } from "../store/contract.ts";
import type { Signals } from "../signals.ts";
import { jobSummary, wholeJob } from "./job_summary.ts";
import type { KnownWorkers } from "./known_workers.ts";
import { listQueues } from "./list_queues.ts";
import { checkSearch } from "./search_request.ts";
import type { Watches } from "./watches.ts";

/**
 * A job that is handed out anew each second makes as many in a quarter of an hour; who looks at one wants its
 * last ones.
 */
const EXECUTIONS_MAX = 1_000;
/** Some lines: it is said in the job's events, on each screen that shows them. */
const REASON_CHARACTERS_MAX = 1_024;

export interface JobsServiceOptions {
  store: Pick<Store, "jobs">;
  queue: JobQueue;
  signals: Signals;
  watches: Watches;
  known: KnownWorkers;
  newJobId: () => string;
  clock: Clock;
  logger: Logger;
  observe: ServerObserver;
}

export function createJobsService(options: JobsServiceOptions): ServiceImpl<typeof JobsService> {
  return {
    getJob: (request) => getJob(options, request),
    listJobs: (request) => listJobs(options, request),
    cancelJob: (request, context) => cancelJob(options, request, callerOf(context)),
    retryJob: (request, context) => retryJob(options, request, callerOf(context)),
    deleteJob: (request, context) => deleteJob(options, request, callerOf(context)),
    listQueues: () => listQueues(options),
    listWorkers: async () => ({ workers: await options.known.list() }),
  };
}

function callerOf(context: HandlerContext): Caller {
  return context.values.get(caller);
}

async function getJob({ store: { jobs } }: JobsServiceOptions, request: GetJobRequest) {
  const job = await findJob(jobs, request.jobId);
  return wholeJob(job, (await jobs.executions(job.jobId)).slice(-EXECUTIONS_MAX));
}

async function listJobs({ store: { jobs } }: JobsServiceOptions, request: ListJobsRequest) {
  const { jobs: found, next } = await search(jobs, checkSearch(request));
  return { jobs: found.map(({ job, latest }) => jobSummary(job, latest)), nextPageToken: next ?? "" };
}

async function search(jobs: JobStore, filter: SearchFilter): Promise<SearchPage> {
  try {
    return await jobs.search(filter);
  } catch (error) {
    // What the position is made of only the store knows.
    if (!(error instanceof RangeError)) throw error;
    throw invalidArgument("page_token is none that this server gave; begin with the first page again");
  }
}

async function cancelJob(
  { store: { jobs }, signals, watches, clock, logger, observe }: JobsServiceOptions,
  request: CancelJobRequest,
  who: Caller,
): Promise<MessageInitShape<typeof CancelJobResponseSchema>> {
  const jobId = checkJobId(request.jobId);
  const reason = checkText("reason", request.reason, REASON_CHARACTERS_MAX);
  const outcome = await jobs.cancel(jobId, reason, clock.nowMs());
  if (outcome === "unknown") throw noSuchJob(jobId);
  observe.cancelled?.(outcome);
  logger.info(CANCEL_LINES[outcome], { job_id: jobId, ...callerFields(who) });
  // Its readers look again, and so does the worker that runs it, wherever it is connected. One that waited
  // may run all the same, at a worker that was not heard of in time and does not know it yet.
  signals.events.signal(jobId);
  if (outcome !== "ended") signals.cancellations.signal(jobId);
  const execution = await jobs.latestExecution(jobId);
  const state = (await jobs.job(jobId))?.state;
  return {
    outcome: CANCEL_OUTCOMES[outcome],
    // Deleted since, as ended jobs may be.
    state: state ?? JobState.CANCELLED,
    isHeard: outcome === "requested" && execution !== undefined && watches.isHeard({ jobId, execution }),
  };
}

const CANCEL_LINES = {
  cancelled: "Job cancelled: it was waiting, and is gone from its queue",
  requested: "Job to be cancelled: its worker is told",
  ended: "Job not cancelled: it had ended",
} as const;

const CANCEL_OUTCOMES = {
  cancelled: CancelOutcome.CANCELLED,
  requested: CancelOutcome.REQUESTED,
  ended: CancelOutcome.ENDED,
} as const;

async function retryJob(
  { store: { jobs }, queue, newJobId }: JobsServiceOptions,
  request: RetryJobRequest,
  who: Caller,
) {
  checkRequestId(request.requestId);
  const old = await findJob(jobs, request.jobId);
  if (!hasEnded(old)) throw notEnded(old, "retried");
  if (old.isAdopted) {
    throw refusedFor(
      "JOB_ADOPTED",
      `Job ${old.jobId} was made from a worker's log, and a log does not have all that a job needs to run ` +
        `again, as its environment. Submit it anew`,
      Code.FailedPrecondition,
    );
  }
  const job = await queue.enqueue({
    jobId: newJobId(),
    requestId: request.requestId,
    queue: old.queue,
    // As they are stored, the secret variables among them.
    params: old.params,
    retryOf: old.jobId,
  }, who);
  if (job.retryOf !== old.jobId) {
    throw refusedFor(
      "REQUEST_ID_USED",
      `request_id was used before, for job ${job.jobId}, which is no retry of job ${old.jobId}. Take another one`,
      Code.AlreadyExists,
    );
  }
  return { jobId: job.jobId, queue: job.queue };
}

async function deleteJob(
  { store: { jobs }, signals, logger }: JobsServiceOptions,
  request: DeleteJobRequest,
  who: Caller,
) {
  const jobId = checkJobId(request.jobId);
  const outcome = await jobs.delete(jobId);
  if (outcome === "unknown") throw noSuchJob(jobId);
  if (outcome === "not_ended") throw notEnded(await findJob(jobs, jobId), "deleted");
  logger.info("Job deleted, with its events", { job_id: jobId, ...callerFields(who) });
  // Its readers look again, and find that it is gone.
  signals.events.signal(jobId);
  return {};
}

async function findJob(jobs: JobStore, jobId: string): Promise<StoredJob> {
  const job = await jobs.job(checkJobId(jobId));
  if (job === undefined) throw noSuchJob(jobId);
  return job;
}

function hasEnded({ state }: StoredJob): boolean {
  return state !== JobState.SCHEDULED && state !== JobState.RUNNING;
}

function notEnded({ jobId, state }: StoredJob, done: string): ConnectError {
  const how = state === JobState.RUNNING ? "runs" : "waits in its queue";
  const text = `Job ${jobId} ${how}; only a job that has ended can be ${done}. Cancel it first, or wait`;
  return refusedFor("JOB_NOT_ENDED", text, Code.FailedPrecondition);
}

function noSuchJob(jobId: string): ConnectError {
  return new ConnectError(`There is no job ${jobId}`, Code.NotFound);
}
