/**
 * Makes the job and the execution that a worker's log is of, so that a log can be delivered to a server that
 * never had its job, or lost it.
 */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { create } from "@bufbuild/protobuf";
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { Code, type ConnectError, type HandlerContext } from "@connectrpc/connect";
import type {
  AdoptExecutionRequest,
  AdoptExecutionResponseSchema,
} from "../../events/gen/airunner/v1/airunner_pb.ts";
import { JobParamsSchema } from "../../events/gen/job/v1/job_pb.ts";
import type { RefusalReason } from "../../events/error_info.ts";
import type { Clock } from "../../platform/clock.ts";
import type { Logger } from "../../platform/logging/logger.ts";
import { caller, callerFields } from "../caller.ts";
import type { JobQueue } from "../job_queue.ts";
import { checkName, checkParams, checkQueue, invalidArgument, refusedFor } from "../job_validation.ts";
import type { ServerObserver } from "../server_observer.ts";
import type { Adoption, AdoptionRefusal, Store } from "../store/contract.ts";
import type { TaskTokens } from "../task_token.ts";
import { uuidToBytes } from "../uuid7.ts";

export interface AdoptExecutionOptions {
  store: Pick<Store, "jobs">;
  queue: Pick<JobQueue, "onExpiry">;
  tokens: TaskTokens;
  clock: Clock;
  logger: Logger;
  observe: ServerObserver;
  defaultVisibilitySeconds: number;
}

export async function adoptExecution(
  options: AdoptExecutionOptions,
  request: AdoptExecutionRequest,
  context: HandlerContext,
): Promise<MessageInitShape<typeof AdoptExecutionResponseSchema>> {
  const { store: { jobs }, queue, tokens, clock, logger, observe } = options;
  const nowMs = clock.nowMs();
  const adoption = checkAdoption(request, nowMs);
  const { jobId, execution } = adoption;
  const visibilityMs = options.defaultVisibilitySeconds * 1000;
  const answer = await jobs.adopt(adoption, visibilityMs, nowMs);
  observe.adopted?.(answer.outcome);
  const fields = {
    job_id: jobId,
    execution,
    queue: adoption.queue,
    worker: adoption.worker,
    ...callerFields(context.values.get(caller)),
  };
  if (answer.outcome === "refused") {
    logger.warn("Adoption refused", { ...fields, reason: answer.reason });
    throw refusal(answer.reason, adoption);
  }
  const isNew = answer.outcome === "new";
  if (isNew) logger.info("Job adopted from a worker's log", fields);
  // One that was adopted before and has expired since runs again.
  queue.onExpiry(nowMs + visibilityMs);
  return { taskToken: tokens.sign({ jobId, execution }), isNew };
}

function checkAdoption(request: AdoptExecutionRequest, nowMs: number): Adoption {
  const { jobId, execution, logId } = request;
  if (uuidToBytes(jobId) === undefined) {
    throw invalidArgument("job_id is no UUID in its usual form: lower-case, with hyphens");
  }
  if (execution < 1) throw invalidArgument(`execution is ${execution}; executions are counted from 1`);
  if (logId === "") throw invalidArgument("log_id is required: it says which run's events these are");
  return {
    jobId,
    execution,
    queue: checkQueue(request.queue),
    params: checkParams(request.jobParams ?? create(JobParamsSchema)),
    startedAtMs: startOf(request.startedAt, nowMs),
    worker: checkName("worker", request.worker),
    logId: checkName("log_id", logId),
  };
}

/**
 * When the run began, as far as that can be: a host whose clock is wrong has logs all the same, and they are
 * not to be undeliverable for it.
 */
function startOf(startedAt: Timestamp | undefined, nowMs: number): number {
  if (startedAt === undefined) return nowMs;
  const ms = Number(startedAt.seconds) * 1000 + Math.floor(startedAt.nanos / 1e6);
  return ms > 0 && ms < nowMs ? ms : nowMs;
}

const REFUSALS = {
  other_log: {
    reason: "ADOPTION_OTHER_LOG",
    message: (job, execution) =>
      `This server has an execution ${execution} of ${job} already, and it is not the one that this log is of`,
  },
  job_runs: {
    reason: "ADOPTION_JOB_RUNS",
    message: (job) => `${job} is run by another execution at the moment`,
  },
  job_has_events: {
    reason: "ADOPTION_JOB_HAS_EVENTS",
    message: (job) => `This server has events or a result of another execution of ${job}`,
  },
} as const satisfies Record<
  AdoptionRefusal,
  { reason: RefusalReason; message(job: string, execution: number): string }
>;

function refusal(why: AdoptionRefusal, { jobId, execution }: Adoption): ConnectError {
  const { reason, message } = REFUSALS[why];
  const text = `${message(`job ${jobId}`, execution)}. Events of two runs are never mixed; ` +
    "nothing was changed, and the log stays as it is";
  return refusedFor(reason, text, Code.FailedPrecondition);
}
