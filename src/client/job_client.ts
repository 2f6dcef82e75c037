/**
 * The server as a worker's jobs see it: take jobs, keep them, complete them.
 */
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { CallError } from "./call_error.ts";
import { toCallError } from "./to_call_error.ts";
import { shownName } from "./worker_client.ts";
import { type Job, JobService } from "../events/gen/job/v1/job_pb.ts";
import type { Clock } from "../platform/clock.ts";

export interface DequeuedJob {
  job: Job;
  taskToken: string;
}

export interface JobResult {
  jobId: string;
  success: boolean;
  exitCode: number;
  errorMessage: string;
  startedAtMs: number;
  completedAtMs: number;
}

export interface JobClient {
  /**
   * Gives jobs as they come, `jobsMax` at most, and ends then, or when the server gives none for
   * `waitMs`, or when `signal` aborts. Throws CallError.
   */
  dequeue(queue: string, jobsMax: number, waitMs: number, signal: AbortSignal): AsyncIterable<DequeuedJob>;
  /** Keeps the job for another visibility timeout from now. Throws CallError. */
  update(
    queue: string,
    taskToken: string,
    visibilityTimeoutSeconds: number,
    signal: AbortSignal,
  ): Promise<void>;
  /** Asks something harmless, to see whether the server answers, be it with a refusal. Throws CallError. */
  ping(signal: AbortSignal): Promise<PingAnswer>;
  /** Throws CallError. */
  complete(taskToken: string, result: JobResult, signal: AbortSignal): Promise<void>;
}

export type PingAnswer = "answered" | "refused";

export interface JobClientOptions {
  transport: Transport;
  clock: Clock;
  /** How long one answer may take. */
  requestTimeoutMs: number;
  visibilityTimeoutSeconds: number;
  /** Who takes jobs, for a server that keeps a list of that; others do not look. */
  worker?: { readonly id: string; readonly name: string };
}

export function createJobClient(options: JobClientOptions): JobClient {
  const { transport, clock, requestTimeoutMs, visibilityTimeoutSeconds, worker } = options;
  const headers = worker && { "airunner-worker": shownName(worker.name), "airunner-worker-id": worker.id };
  const client = createClient(JobService, transport);

  async function call<T>(
    name: string,
    signal: AbortSignal,
    make: (options: CallLimits) => Promise<T>,
  ): Promise<void> {
    try {
      await make({ signal, timeoutMs: requestTimeoutMs });
    } catch (error) {
      throw named(name, error, clock.nowMs());
    }
  }

  return {
    async *dequeue(queue, jobsMax, waitMs, signal) {
      const over = new AbortController();
      const ended = AbortSignal.any([signal, over.signal]);
      // Ours, not the call's own deadline: running out is how an idle wait ends, and no error.
      clock.sleep(waitMs, ended).then(() => over.abort());
      try {
        const request = { queue, maxJobs: jobsMax, visibilityTimeoutSeconds };
        for await (const { job, taskToken } of client.dequeueJob(request, { signal: ended, headers })) {
          // Nothing of the contract, so nothing that could be answered; there may be no end to it.
          if (job === undefined) throw new ConnectError("An answer has no job in it", Code.Internal);
          yield { job, taskToken };
        }
      } catch (error) {
        if (!ended.aborted) throw named("DequeueJob", error, clock.nowMs());
      } finally {
        // The library does not pass on that a loop was left early.
        over.abort();
      }
    },
    update(queue, taskToken, seconds, signal) {
      const request = { queue, taskToken, visibilityTimeoutSeconds: seconds };
      return call("UpdateJob", signal, (limits) => client.updateJob(request, limits));
    },
    async ping(signal) {
      try {
        await call("ListJobs", signal, (limits) => client.listJobs({ pageSize: 1 }, limits));
        return "answered";
      } catch (error) {
        // A refusal is an answer too: not every server has to know this call.
        if (!(error instanceof CallError) || error.kind !== "refused") throw error;
        return "refused";
      }
    },
    complete(taskToken, result, signal) {
      const { jobId, success, exitCode, errorMessage, startedAtMs, completedAtMs } = result;
      const jobResult = {
        jobId,
        success,
        exitCode,
        errorMessage,
        startedAt: timestampFromMs(startedAtMs),
        completedAt: timestampFromMs(completedAtMs),
      };
      return call("CompleteJob", signal, (limits) => client.completeJob({ taskToken, jobResult }, limits));
    },
  };
}

interface CallLimits {
  signal: AbortSignal;
  timeoutMs: number;
}

function named(call: string, error: unknown, nowMs: number): CallError {
  const known = toCallError(error, nowMs);
  return new CallError(`${call}: ${known.message || known.code}`, known, { cause: error });
}
