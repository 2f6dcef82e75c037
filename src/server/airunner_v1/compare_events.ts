/**
 * Tells a worker whether the server has stored the same events as it has in its log, before the worker gives
 * its own copy up.
 */
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { HandlerContext } from "@connectrpc/connect";
import type {
  CompareEventsRequest,
  CompareEventsResponseSchema,
} from "../../events/gen/airunner/v1/airunner_pb.ts";
import type { Logger } from "../../platform/logging/logger.ts";
import { abortReason, checkToken } from "../job_service.ts";
import { invalidArgument, refusedFor } from "../job_validation.ts";
import type { ServerObserver } from "../server_observer.ts";
import type { Store } from "../store/contract.ts";
import type { TaskTokens } from "../task_token.ts";
import type { Slots } from "./slots.ts";

/**
 * Each reads a piece between two turns of everybody else. One alone would have short jobs wait for a long
 * one; more would only wait for the same disk.
 */
export const COMPARISONS_MAX = 2;

export interface CompareEventsOptions {
  store: Pick<Store, "jobs" | "events">;
  /** Of `COMPARISONS_MAX`. */
  comparisons: Slots;
  /** Aborts when the server begins to stop. */
  stopping: AbortSignal;
  tokens: TaskTokens;
  logger: Logger;
  observe: ServerObserver;
}

export async function compareEvents(
  { store: { jobs, events }, comparisons, stopping, tokens, logger, observe }: CompareEventsOptions,
  request: CompareEventsRequest,
  context: HandlerContext,
): Promise<MessageInitShape<typeof CompareEventsResponseSchema>> {
  const { jobId, execution } = checkToken(tokens, request.taskToken);
  const { fromSequence, toSequence } = request;
  if (fromSequence < 1n || toSequence < fromSequence) {
    throw invalidArgument(
      `from_sequence is ${fromSequence} and to_sequence ${toSequence}; sequences start at 1, and both belong ` +
        `to the range`,
    );
  }
  const executionId = await jobs.executionId(jobId, execution);
  if (executionId === undefined) {
    throw refusedFor("EXECUTION_UNKNOWN", `This server has no execution ${execution} of job ${jobId}`);
  }
  const signal = AbortSignal.any([stopping, context.signal]);
  const stored = await comparisons.run(
    () => events.checksum(executionId, fromSequence, toSequence),
    signal,
  );
  if (!stored) throw abortReason(signal);
  const { count, checksum } = stored;
  const isEqual = BigInt(count) === request.eventCount && checksum === request.checksum;
  // Who has none in the range has nothing to lose, and only asks what is here.
  const isQuestion = request.eventCount === 0n;
  if (!isQuestion) observe.compared?.(isEqual);
  if (!isEqual && !isQuestion) {
    logger.warn("Events are not those that their worker has; it finds the difference and sends it again", {
      job_id: jobId,
      execution,
      from_sequence: Number(fromSequence),
      to_sequence: Number(toSequence),
      events: count,
      events_of_worker: Number(request.eventCount),
    });
  }
  return { isEqual, eventCount: BigInt(count), checksum };
}
