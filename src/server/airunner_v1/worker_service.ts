/**
 * WorkerService: what hosts that run jobs may ask for beside job.v1.
 */
import type { ServiceImpl } from "@connectrpc/connect";
import type { WorkerService } from "../../events/gen/airunner/v1/airunner_pb.ts";
import { adoptExecution, type AdoptExecutionOptions } from "./adopt_execution.ts";
import { compareEvents, type CompareEventsOptions } from "./compare_events.ts";
import { watchCall, type WatchCallOptions } from "./watch_call.ts";

export type WorkerServiceOptions = AdoptExecutionOptions & CompareEventsOptions & WatchCallOptions;

export function createWorkerService(options: WorkerServiceOptions): ServiceImpl<typeof WorkerService> {
  return {
    watch: (request, context) => watchCall(options, request, context),
    adoptExecution: (request, context) => adoptExecution(options, request, context),
    compareEvents: (request, context) => compareEvents(options, request, context),
  };
}
