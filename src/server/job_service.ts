/**
 * JobService: jobs in, jobs out to workers, and back from them.
 */
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, type HandlerContext, type ServiceImpl } from "@connectrpc/connect";
import {
  type CompleteJobRequest,
  type DequeueJobRequest,
  DequeueJobResponseSchema,
  type EnqueueJobRequest,
  type ExecutionConfig,
  ExecutionConfigSchema,
  type JobParams,
  JobParamsSchema,
  JobResultSchema,
  JobSchema,
  type JobService,
  JobState,
  type ListJobsRequest,
  type UpdateJobRequest,
} from "../events/gen/job/v1/job_pb.ts";
import { withExecution } from "../events/job_execution.ts";
import type { RefusalReason } from "../events/error_info.ts";
import { withoutSecrets } from "../events/job_secrets.ts";
import type { Clock } from "../platform/clock.ts";
import type { Logger } from "../platform/logging/logger.ts";
import type { Watches } from "./airunner_v1/watches.ts";
import { caller } from "./caller.ts";
import { responseSent } from "./delivery_context.ts";
import type { JobQueue } from "./job_queue.ts";
import {
  checkEnqueue,
  checkName,
  checkQueue,
  checkVisibility,
  invalidArgument,
  refusedFor,
} from "./job_validation.ts";
import type { Claim, Refusal, Store, StoredJob } from "./store/contract.ts";
import type { TaskTokens, TokenSubject } from "./task_token.ts";

const LIST_PAGE_SIZE = 50;
const LIST_PAGE_SIZE_MAX = 500;
/** A client that takes messages of 64 MiB at most, as ours does, gets every page that is sent. */
const LIST_BYTES_MAX = 32 * 1024 * 1024;
/**
 * More jobs than one worker runs at a time; it bounds what one call can take hostage until its visibility
 * ends.
 */
const DEQUEUE_JOBS_MAX = 1_000;

/**
 * What a worker is told about batching: the contract's defaults, but for how long output may wait. Workers of
 * the other implementation read nothing while it does, and lose output with two seconds; ours need less
 * anyway.
 */
const EXECUTION_CONFIG: ExecutionConfig = create(ExecutionConfigSchema, {
  batching: {
    flushIntervalSeconds: 2,
    maxBatchSize: 50,
    maxBatchBytes: BigInt(256 * 1024),
    playbackIntervalMillis: 50,
  },
  heartbeatIntervalSeconds: 30,
  outputFlushIntervalMillis: 100,
});

export interface JobServiceOptions {
  store: Store;
  queue: JobQueue;
  /** To be told that a worker was heard of. */
  watches: Pick<Watches, "heardOf" | "heardOfExecution">;
  tokens: TaskTokens;
  newJobId: () => string;
  clock: Clock;
  logger: Logger;
  defaultVisibilitySeconds: number;
  /** Aborts when the server begins to stop: waiting workers are sent away. */
  stopping: AbortSignal;
}

export function createJobService(options: JobServiceOptions): ServiceImpl<typeof JobService> {
  return {
    enqueueJob: (request, context) => enqueueJob(options, request, context),
    dequeueJob: (request, context) => dequeueJob(options, request, context),
    updateJob: (request) => updateJob(options, request),
    completeJob: (request) => completeJob(options, request),
    listJobs: (request) => listJobs(options, request),
  };
}

async function enqueueJob(
  { queue, newJobId }: JobServiceOptions,
  request: EnqueueJobRequest,
  context: HandlerContext,
) {
  const { bytes } = checkEnqueue(request);
  const job = await queue.enqueue({
    jobId: newJobId(),
    requestId: request.requestId,
    queue: checkQueue(request.queue),
    params: bytes,
  }, context.values.get(caller));
  return { jobId: job.jobId, createdAt: timestampFromMs(job.createdAtMs), state: job.state };
}

/**
 * Sends what waits, up to max_jobs, and ends; when nothing waits it sends the first job that comes, and ends.
 * It does not wait for more once it has sent something: a client that collects jobs until the end would sit
 * on them.
 */
async function* dequeueJob(
  { queue, tokens, watches, clock, defaultVisibilitySeconds, stopping }: JobServiceOptions,
  request: DequeueJobRequest,
  context: HandlerContext,
): AsyncGenerator<MessageInitShape<typeof DequeueJobResponseSchema>> {
  const name = checkQueue(request.queue);
  const visibilityMs = checkVisibility(request.visibilityTimeoutSeconds, defaultVisibilitySeconds);
  const jobsMax = checkJobsMax(request.maxJobs);
  const claims: Claim[] = [];
  // Not awaited: whether the response got through is known only after this generator has ended.
  void context.values.get(responseSent)().then((sent) => {
    if (!sent) return queue.releaseUnsent(claims);
  });

  const signal = AbortSignal.any([stopping, context.signal]);
  const wanted = { queue: name, visibilityMs, ...workerOf(context.requestHeader) };
  watches.heardOf(wanted.workerId, clock.nowMs());
  let claim = await queue.waitForClaim(wanted, signal);
  if (!claim) throw abortReason(signal);
  while (claim) {
    claims.push(claim);
    yield {
      job: jobMessage(claim.job, (params) => withExecution(params, claim!.execution)),
      taskToken: tokens.sign({ jobId: claim.job.jobId, execution: claim.execution }),
    };
    if (signal.aborted || claims.length >= jobsMax) return;
    claim = await queue.claim(wanted);
  }
}

/** Who takes the jobs: the call of job.v1 has no place for it. Workers of others do not say. */
function workerOf(headers: Headers): { worker: string; workerId: string } {
  const read = (name: string) => checkName(`The header ${name}`, headers.get(name) ?? "");
  return { worker: read("airunner-worker"), workerId: read("airunner-worker-id") };
}

function checkJobsMax(maxJobs: number): number {
  if (maxJobs < 0 || maxJobs > DEQUEUE_JOBS_MAX) {
    throw invalidArgument(`max_jobs is ${maxJobs}; it must be from 1 to ${DEQUEUE_JOBS_MAX}, or 0 for 1`);
  }
  return maxJobs === 0 ? 1 : maxJobs;
}

/** Why a call ends before it has an answer: a deadline, a server that stops, or a client that went away. */
export function abortReason(signal: AbortSignal): ConnectError {
  return signal.reason instanceof ConnectError
    ? signal.reason
    : new ConnectError("The client went away", Code.Canceled, undefined, undefined, signal.reason);
}

async function updateJob(options: JobServiceOptions, request: UpdateJobRequest) {
  const { store, queue, clock, defaultVisibilitySeconds } = options;
  const subject = checkToken(options.tokens, request.taskToken);
  const visibilityMs = checkVisibility(request.visibilityTimeoutSeconds, defaultVisibilitySeconds);
  // An execution that has expired but was not requeued yet must not be extended back to life by chance.
  await queue.requeueExpired();
  const nowMs = clock.nowMs();
  const outcome = await store.jobs.extend(subject.jobId, subject.execution, visibilityMs, nowMs);
  options.watches.heardOfExecution(subject, nowMs);
  if (outcome !== "done") throw staleToken(outcome, subject);
  queue.onExpiry(nowMs + visibilityMs);
  return {};
}

async function completeJob(options: JobServiceOptions, request: CompleteJobRequest) {
  const { store, clock, logger } = options;
  const subject = checkToken(options.tokens, request.taskToken);
  const result = request.jobResult;
  if (!result) throw invalidArgument("job_result is required");
  if (result.jobId !== "" && result.jobId !== subject.jobId) {
    throw invalidArgument(
      `job_result.job_id is ${result.jobId}, but the task token is for job ${subject.jobId}`,
    );
  }
  const stored = { success: result.success, bytes: toBinary(JobResultSchema, result) };
  const outcome = await store.jobs.complete(subject.jobId, subject.execution, stored, clock.nowMs());
  if (outcome === "done") {
    logger.info("Job completed", {
      job_id: subject.jobId,
      execution: subject.execution,
      success: result.success,
      exit_code: result.exitCode,
    });
  } else if (outcome !== "repeated") {
    throw staleToken(outcome, subject);
  }
  return {};
}

async function listJobs({ store }: JobServiceOptions, request: ListJobsRequest) {
  if (request.page < 0) throw invalidArgument(`page is ${request.page}; pages are counted from 1`);
  if (request.pageSize < 0 || request.pageSize > LIST_PAGE_SIZE_MAX) {
    throw invalidArgument(
      `page_size is ${request.pageSize}; it must be from 1 to ${LIST_PAGE_SIZE_MAX}, or 0 for ${LIST_PAGE_SIZE}`,
    );
  }
  const filter = {
    queue: request.queue,
    state: request.state,
    page: request.page === 0 ? 1 : request.page,
    pageSize: request.pageSize === 0 ? LIST_PAGE_SIZE : request.pageSize,
  };
  // Asked before they are read: 500 jobs may have a gigabyte of parameters.
  const bytes = await store.jobs.listedBytes(filter);
  if (bytes > LIST_BYTES_MAX && filter.pageSize > 1) {
    throw new ConnectError(
      `The answer would be a message larger than ${LIST_BYTES_MAX} bytes: the jobs of the page have parameters of ` +
        `${bytes} bytes. Ask for a smaller page_size`,
      Code.ResourceExhausted,
    );
  }
  const { jobs, lastPage } = await store.jobs.list(filter);
  return { jobs: jobs.map((job) => jobMessage(job, withoutSecrets)), lastPage };
}

/** Whose token it is. The token itself stays out of the message: it is a credential. */
export function checkToken(tokens: TaskTokens, token: string): TokenSubject {
  if (token === "") throw invalidArgument("task_token is required");
  const subject = tokens.verify(token);
  if (!subject) {
    throw refusedFor("TASK_TOKEN_UNKNOWN", "The task token is unknown: this server did not hand it out");
  }
  return subject;
}

function staleToken(refusal: Refusal, subject: TokenSubject): ConnectError {
  const job = `job ${subject.jobId}`;
  const reasons = {
    unknown: `The task token is unknown: this server has no execution ${subject.execution} of ${job}`,
    superseded: `The task token is no longer valid: ${job} was requeued and a later execution has taken over`,
    ended:
      `The task token is no longer valid: execution ${subject.execution} of ${job} has completed or was requeued`,
  };
  return refusedFor(REASONS[refusal], `${reasons[refusal]}. Events of the execution are still taken`);
}

const REASONS = {
  unknown: "EXECUTION_UNKNOWN",
  superseded: "EXECUTION_SUPERSEDED",
  ended: "EXECUTION_ENDED",
} as const satisfies Record<Refusal, RefusalReason>;

/** `shown`: what of the parameters the message has; all of them only for the worker that runs the job. */
function jobMessage(
  job: StoredJob,
  shown: (params: JobParams) => JobParams = (params) => params,
): MessageInitShape<typeof JobSchema> {
  return {
    jobId: job.jobId,
    jobParams: shown(fromBinary(JobParamsSchema, job.params)),
    state: job.state as JobState,
    createdAt: timestampFromMs(job.createdAtMs),
    updatedAt: timestampFromMs(job.updatedAtMs),
    executionConfig: EXECUTION_CONFIG,
  };
}
