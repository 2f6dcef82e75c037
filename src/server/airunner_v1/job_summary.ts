/**
 * Jobs, executions and queues as the messages of airunner.v1. Pure: what the store has goes in.
 */
import { fromBinary, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  ExecutionOutcome,
  type ExecutionSchema,
  type GetJobResponseSchema,
  type JobSummarySchema,
} from "../../events/gen/airunner/v1/airunner_pb.ts";
import { JobParamsSchema, JobResultSchema } from "../../events/gen/job/v1/job_pb.ts";
import { withoutSecrets } from "../../events/job_secrets.ts";
import type { StoredExecution, StoredJob } from "../store/contract.ts";

export function jobSummary(
  job: StoredJob,
  latest: StoredExecution | undefined,
): MessageInitShape<typeof JobSummarySchema> {
  const { command, args, metadata } = fromBinary(JobParamsSchema, job.params);
  return {
    jobId: job.jobId,
    queue: job.queue,
    state: job.state,
    createdAt: timestampFromMs(job.createdAtMs),
    updatedAt: timestampFromMs(job.updatedAtMs),
    command,
    args,
    metadata,
    latestExecution: latest && executionMessage(latest),
    retryOf: job.retryOf ?? "",
    cancelRequestedAt: timestampOf(job.cancelRequestedAtMs),
    isAdopted: job.isAdopted,
  };
}

export function wholeJob(
  job: StoredJob,
  executions: readonly StoredExecution[],
): MessageInitShape<typeof GetJobResponseSchema> {
  return {
    job: jobSummary(job, executions.at(-1)),
    jobParams: withoutSecrets(fromBinary(JobParamsSchema, job.params)),
    executions: executions.map(executionMessage),
  };
}

const OUTCOMES = {
  requeued: ExecutionOutcome.REQUEUED,
  completed: ExecutionOutcome.COMPLETED,
  cancelled: ExecutionOutcome.CANCELLED,
} as const satisfies Record<NonNullable<StoredExecution["outcome"]>, ExecutionOutcome>;

function executionMessage(stored: StoredExecution): MessageInitShape<typeof ExecutionSchema> {
  return {
    number: stored.execution,
    startedAt: timestampFromMs(stored.startedAtMs),
    endedAt: timestampOf(stored.endedAtMs),
    outcome: stored.outcome === undefined ? ExecutionOutcome.RUNNING : OUTCOMES[stored.outcome],
    result: stored.result && fromBinary(JobResultSchema, stored.result),
    worker: stored.worker,
    lastSeenAt: timestampFromMs(stored.lastSeenAtMs),
    eventCount: BigInt(stored.eventCount),
    eventBytes: BigInt(stored.eventBytes),
  };
}

export function timestampOf(ms: number | undefined) {
  return ms === undefined ? undefined : timestampFromMs(ms);
}
