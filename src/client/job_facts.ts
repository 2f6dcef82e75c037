/**
 * What a server says about one job besides its events, where it does: GetJob is a call of our own.
 */
import type { JobResult } from "../events/gen/job/v1/job_pb.ts";
import { JobState } from "../events/gen/job/v1/job_pb.ts";
import type { ServerClient } from "./server_client.ts";
import { ServerError } from "./server_error.ts";

export interface JobFacts {
  readonly state: JobState;
  /** How its latest execution ended, as its worker told it. */
  readonly result: JobResult | undefined;
  /** How many events the server has of its latest execution. */
  readonly eventCount: number;
}

/** Undefined: the server does not say, now or at all. */
export type AskForFacts = () => Promise<JobFacts | undefined>;

const ENDED: ReadonlySet<JobState> = new Set([JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED]);

export function hasEnded({ state }: JobFacts): boolean {
  return ENDED.has(state);
}

/**
 * A server that does not offer the call, or not to us, is asked once. That it does not answer is no answer.
 */
export function factsOf(client: Pick<ServerClient, "callOwn">, jobId: string): AskForFacts {
  let isOffered = true;
  return async () => {
    if (!isOffered) return undefined;
    try {
      const { job } = await client.callOwn((jobs, limits) => jobs.getJob({ jobId }, limits));
      if (job === undefined) return undefined;
      const { state, latestExecution: latest } = job;
      return { state, result: latest?.result, eventCount: Number(latest?.eventCount ?? 0n) };
    } catch (error) {
      if (!(error instanceof ServerError)) throw error;
      isOffered = error.mayPass;
      return undefined;
    }
  };
}
