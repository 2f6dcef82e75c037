/**
 * Which execution of its job a worker is given, from 1 on: `airunner.execution` in the metadata of the job
 * that DequeueJob answers. The protocol has no place of its own for it; a log of a job that ran on several
 * hosts has to know it, should the server ever be lost.
 */
import type { JobParams } from "./gen/job/v1/job_pb.ts";

const EXECUTION_KEY = "airunner.execution";

/** The parameters with the number in their metadata; these stay as they are. */
export function withExecution(params: JobParams, execution: number): JobParams {
  return { ...params, metadata: { ...params.metadata, [EXECUTION_KEY]: String(execution) } };
}

/** Undefined where the server does not say it. */
export function executionOf(params: JobParams | undefined): number | undefined {
  const text = params && Object.hasOwn(params.metadata, EXECUTION_KEY) ? params.metadata[EXECUTION_KEY]! : "";
  return /^[1-9]\d{0,8}$/.test(text) ? Number(text) : undefined;
}
