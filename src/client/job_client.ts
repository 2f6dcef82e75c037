/**
 * The server as a worker's jobs see it: take jobs, keep them, complete them. The one place where the
 * errors of these calls are told apart.
 */
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { classifyPublishError, type PublishErrorKind } from "./call_error.ts";
import type { RefusalReason } from "../events/error_info.ts";
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

export interface JobServerErrorDetails {
  /**
   * `refused`: the server does not want the request, as for a token it has forgotten. `authentication`: who
   * asks may not. `transient`: everything else, which may pass.
   */
  kind: PublishErrorKind;
  /** Connect's name of the code. */
  code: string;
  /** What the server's Retry-After asked for. */
  retryAfterMs: number | undefined;
  /** The server itself refused what was asked for, and not something on the way to it. */
  isServersWord?: boolean;
  /** Why exactly, when the server says so. */
  reason?: RefusalReason;
}

export class JobServerError extends Error implements JobServerErrorDetails {
  override readonly name = "JobServerError";
  readonly kind: PublishErrorKind;
  readonly code: string;
  readonly retryAfterMs: number | undefined;
  readonly isServersWord: boolean;
  readonly reason?: RefusalReason;

  constructor(message: string, details: JobServerErrorDetails, options?: ErrorOptions) {
    super(message, options);
    this.kind = details.kind;
    this.code = details.code;
    this.retryAfterMs = details.retryAfterMs;
    this.isServersWord = details.isServersWord ?? false;
    this.reason = details.reason;
  }
}

export interface JobServer {
  /**
   * Gives jobs as they come, `jobsMax` at most, and ends then, or when the server gives none for
   * `waitMs`, or when `signal` aborts. Throws JobServerError.
   */
  dequeue(queue: string, jobsMax: number, waitMs: number, signal: AbortSignal): AsyncIterable<DequeuedJob>;
  /** Keeps the job for another visibility timeout from now. Throws JobServerError. */
  update(
    queue: string,
    taskToken: string,
    visibilityTimeoutSeconds: number,
    signal: AbortSignal,
  ): Promise<void>;
  /** Asks something harmless, to see whether the server answers, be it with a refusal. Throws JobServerError. */
  ping(signal: AbortSignal): Promise<PingAnswer>;
  /** Throws JobServerError. */
  complete(taskToken: string, result: JobResult, signal: AbortSignal): Promise<void>;
}

export type PingAnswer = "answered" | "refused";

export interface JobServerOptions {
  transport: Transport;
  clock: Clock;
  /** How long one answer may take. */
  requestTimeoutMs: number;
  visibilityTimeoutSeconds: number;
}

export function createJobServer(options: JobServerOptions): JobServer {
  const { transport, clock, requestTimeoutMs, visibilityTimeoutSeconds } = options;
  const client = createClient(JobService, transport);

  async function call<T>(
    name: string,
    signal: AbortSignal,
    make: (options: CallLimits) => Promise<T>,
  ): Promise<void> {
    try {
      await make({ signal, timeoutMs: requestTimeoutMs });
    } catch (error) {
      throw converted(name, error, clock.nowMs());
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
        for await (const { job, taskToken } of client.dequeueJob(request, { signal: ended })) {
          // Nothing of the contract, so nothing that could be answered; there may be no end to it.
          if (job === undefined) throw new ConnectError("An answer has no job in it", Code.Internal);
          yield { job, taskToken };
        }
      } catch (error) {
        if (!ended.aborted) throw converted("DequeueJob", error, clock.nowMs());
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
        if (!(error instanceof JobServerError) || error.kind !== "refused") throw error;
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

/** These calls' errors are told apart as those of publishing are, so that one answer means one thing. */
function converted(call: string, error: unknown, nowMs: number): JobServerError {
  const { kind, code, message, retryAfterMs, isServersWord, reason } = classifyPublishError(error, nowMs);
  return new JobServerError(
    `${call}: ${message || code}`,
    { kind, code, retryAfterMs, isServersWord, reason },
    { cause: error },
  );
}
