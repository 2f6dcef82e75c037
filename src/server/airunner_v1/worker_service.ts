/**
 * WorkerService: what hosts that run jobs may ask for beside job.v1.
 *
 * Servers that do not have a call may answer `invalid_argument` to it, as to anything (wire contract), and a
 * worker takes it for that. So each refusal here carries a reason, also one of a request that is wrong.
 */
import { Code, ConnectError, type ServiceImpl } from "@connectrpc/connect";
import { refusalDetail } from "../../events/error_info.ts";
import type { WorkerService } from "../../events/gen/airunner/v1/airunner_pb.ts";
import { adoptExecution, type AdoptExecutionOptions } from "./adopt_execution.ts";
import { compareEvents, type CompareEventsOptions } from "./compare_events.ts";
import { watchCall, type WatchCallOptions } from "./watch_call.ts";

export type WorkerServiceOptions = AdoptExecutionOptions & CompareEventsOptions & WatchCallOptions;

export function createWorkerService(options: WorkerServiceOptions): ServiceImpl<typeof WorkerService> {
  return {
    async *watch(request, context) {
      try {
        yield* watchCall(options, request, context);
      } catch (error) {
        throw withReason(error);
      }
    },
    adoptExecution: (request, context) => explained(adoptExecution(options, request, context)),
    compareEvents: (request, context) => explained(compareEvents(options, request, context)),
  };
}

async function explained<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    throw withReason(error);
  }
}

function withReason(error: unknown): unknown {
  if (error instanceof ConnectError && error.code === Code.InvalidArgument && error.details.length === 0) {
    error.details.push(refusalDetail("REQUEST_INVALID"));
  }
  return error;
}
