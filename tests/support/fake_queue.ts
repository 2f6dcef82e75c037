/**
 * The services of a server whose store is a few arrays and whose manners a test decides: how many jobs one
 * answer has, and what it says when a job is to be completed. Speaks through `FakeServer`, so that single
 * calls can meet faults besides.
 */
import type { ConnectError, ConnectRouter } from "@connectrpc/connect";
import { type CompleteJobRequest, JobEventsService, JobService } from "../../src/events/gen/job/v1/job_pb.ts";

export interface QueuedJob {
  jobId: string;
  script: string;
}

export class FakeQueue {
  /** Given out in order; each answer has all that wait, however many were asked for. */
  readonly waiting: QueuedJob[] = [];
  readonly completed: CompleteJobRequest[] = [];
  /** Calls of UpdateJob, in order. */
  readonly updates: { taskToken: string; visibilityTimeoutSeconds: number }[] = [];
  /** Sequences that were stored, by token. */
  readonly stored = new Map<string, Set<bigint>>();
  /** The answer to CompleteJob; it is taken when there is none. */
  refuseCompletion: (request: CompleteJobRequest) => ConnectError | undefined = () => undefined;

  /** The same for UpdateJob. */
  refuseUpdates: () => ConnectError | undefined = () => undefined;

  readonly routes = ({ service }: ConnectRouter): void => {
    service(JobService, {
      dequeueJob: async function* (this: FakeQueue) {
        await Promise.resolve();
        for (const { jobId, script } of this.waiting.splice(0)) {
          const jobParams = { command: "sh", args: ["-c", script] };
          yield { job: { jobId, jobParams }, taskToken: tokenOf(jobId) };
        }
      }.bind(this),
      updateJob: ({ taskToken, visibilityTimeoutSeconds }) => {
        const refusal = this.refuseUpdates();
        if (refusal !== undefined) throw refusal;
        this.updates.push({ taskToken, visibilityTimeoutSeconds });
        return {};
      },
      completeJob: (request) => {
        const refusal = this.refuseCompletion(request);
        if (refusal !== undefined) throw refusal;
        this.completed.push(request);
        return {};
      },
      listJobs: () => ({}),
    });
    service(JobEventsService, {
      publishJobEvents: async (requests) => {
        for await (const { taskToken, events } of requests) {
          const stored = this.stored.get(taskToken) ?? new Set();
          for (const { sequence } of events) stored.add(sequence);
          this.stored.set(taskToken, stored);
        }
        return {};
      },
    });
  };
}

export function tokenOf(jobId: string): string {
  return `secret-token-of-${jobId}`;
}
