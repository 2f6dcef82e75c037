/**
 * JobEventsService: events in from workers, and out to any number of readers.
 */
import { fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError, type ConnectRouter, type HandlerContext } from "@connectrpc/connect";
import {
  JobEventSchema,
  JobEventsService,
  type PublishJobEventsRequest,
  type PublishJobEventsResponseSchema,
  type StreamJobEventsRequest,
} from "../events/gen/job/v1/job_pb.ts";
import type { Clock } from "../platform/clock.ts";
import type { Logger } from "../platform/logging/logger.ts";
import type { Watches } from "./airunner_v1/watches.ts";
import { allowSilence } from "./delivery_context.ts";
import { followEvents, NoSuchJobError } from "./event_reader.ts";
import type { BatchOutcome, EventBatch, EventFilter, Store } from "./store/contract.ts";
import type { BatchWriter } from "./batch_writer.ts";
import { abortReason, checkToken } from "./job_service.ts";
import { InFlight } from "./in_flight.ts";
import { checkJobId, invalidArgument, refusedFor } from "./job_validation.ts";
import { checkEvent } from "./published_event.ts";
import { rawPublishJobEvents, type RawPublishRequest, rawStreamJobEvents } from "./raw_events.ts";
import type { ServerObserver } from "./server_observer.ts";
import type { Signals } from "./signals.ts";
import type { TaskTokens, TokenSubject } from "./task_token.ts";

export interface JobEventsServiceOptions {
  store: Store;
  writer: BatchWriter;
  signals: Signals;
  /** To be told that a worker was heard of. */
  watches: Pick<Watches, "heardOfExecution">;
  tokens: TaskTokens;
  clock: Clock;
  logger: Logger;
  observe: ServerObserver;
  /** Aborts when the server begins to stop: readers are sent away. */
  stopping: AbortSignal;
  /** Aborts when a server that stops gives publishers no more time. */
  drained: AbortSignal;
}

/** The service for calls in JSON, in which events are objects. */
export function addJobEventsService(router: ConnectRouter, options: JobEventsServiceOptions): void {
  router.service(JobEventsService, {
    publishJobEvents: (requests, context) => publishJobEvents(options, withRawEvents(requests), context),
    async *streamJobEvents(request, context) {
      for await (const payload of streamJobEvents(options, request, context)) {
        yield { event: fromBinary(JobEventSchema, payload) };
      }
    },
  });
}

/** The same service for calls in binary, in which events stay as they are. */
export function addRawJobEventsService(router: ConnectRouter, options: JobEventsServiceOptions): void {
  router.rpc(rawPublishJobEvents, (requests, context) => publishJobEvents(options, requests, context));
  router.rpc(rawStreamJobEvents, async function* (request, context) {
    for await (const event of streamJobEvents(options, request, context)) yield { event };
  });
}

async function* withRawEvents(
  requests: AsyncIterable<PublishJobEventsRequest>,
): AsyncGenerator<RawPublishRequest> {
  for await (const { taskToken, jobId, events } of requests) {
    yield { taskToken, jobId, events: events.map((event) => toBinary(JobEventSchema, event)) };
  }
}

/**
 * Stores request by request, some of them while the next are read. The response is the only acknowledgement:
 * it is sent after the last request was stored. A call that fails half-way leaves its first requests stored;
 * sent again, their events count as duplicates.
 */
async function publishJobEvents(
  options: JobEventsServiceOptions,
  requests: AsyncIterable<RawPublishRequest>,
  context: HandlerContext,
): Promise<MessageInitShape<typeof PublishJobEventsResponseSchema>> {
  const total = { stored: 0, duplicate: 0 };
  const inFlight = new InFlight();
  for await (const request of untilAborted(requests, AbortSignal.any([options.drained, context.signal]))) {
    const subject = checkToken(options.tokens, request.taskToken);
    // Who has a token runs the job, and may keep the call open for as long as that says nothing.
    context.values.get(allowSilence)();
    const executionId = await checkExecution(options, request, subject);
    const events = request.events.map(checkEvent);
    if (events.length === 0) continue;
    const bytes = events.reduce((sum, { payload }) => sum + payload.length, 0);
    await inFlight.add(bytes, async () => {
      const outcome = await storeBatch(options, subject, { executionId, events });
      total.stored += outcome.stored;
      total.duplicate += outcome.duplicate;
    });
  }
  await inFlight.done();
  options.logger.debug("Events published", total);
  return { eventsStored: BigInt(total.stored), eventsDuplicate: BigInt(total.duplicate) };
}

async function storeBatch(
  { writer, watches, clock, observe, logger }: JobEventsServiceOptions,
  subject: TokenSubject,
  batch: EventBatch,
): Promise<BatchOutcome> {
  const startMs = clock.elapsedMs();
  const outcome = await writer.append(subject.jobId, batch);
  if (outcome.isUnknown) throw unknownExecution(subject);
  watches.heardOfExecution(subject, clock.nowMs());
  observe.stored?.(clock.elapsedMs() - startMs, outcome.stored, outcome.duplicate);
  if (outcome.conflicts.length > 0) {
    logger.warn("Events arrived again with other bytes; the first ones were kept", {
      job_id: subject.jobId,
      execution: subject.execution,
      count: outcome.conflicts.length,
      first_sequence: outcome.conflicts[0],
    });
  }
  return outcome;
}

/** The items until the signal aborts; then its reason is thrown, also while an item is being waited for. */
async function* untilAborted<T>(items: AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T> {
  const iterator = items[Symbol.asyncIterator]();
  for (;;) {
    const item = await nextUnlessAborted(iterator, signal);
    if (item.done) return;
    yield item.value;
  }
}

function nextUnlessAborted<T>(iterator: AsyncIterator<T>, signal: AbortSignal): Promise<IteratorResult<T>> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(abortReason(signal));
    if (signal.aborted) return abort();
    // Put up and taken down for each item: a promise raced against for the whole call would collect
    // reactions.
    signal.addEventListener("abort", abort, { once: true });
    iterator.next().then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}

async function checkExecution(
  { store }: JobEventsServiceOptions,
  request: RawPublishRequest,
  subject: TokenSubject,
): Promise<bigint> {
  const { jobId, execution } = subject;
  if (request.jobId !== "" && request.jobId !== jobId) {
    throw invalidArgument(`job_id is ${request.jobId}, but the task token is for job ${jobId}`);
  }
  const executionId = await store.jobs.executionId(jobId, execution);
  if (executionId === undefined) throw unknownExecution(subject);
  return executionId;
}

/** The signature is right and the row is gone: the database is an older copy, or the job was deleted. */
function unknownExecution({ jobId, execution }: TokenSubject): ConnectError {
  return refusedFor(
    "EXECUTION_UNKNOWN",
    `The task token is unknown: this server has no execution ${execution} of job ${jobId}`,
  );
}

async function* streamJobEvents(
  { store, signals, stopping, observe }: JobEventsServiceOptions,
  request: StreamJobEventsRequest,
  context: HandlerContext,
): AsyncGenerator<Uint8Array> {
  const jobId = checkJobId(request.jobId);
  const filter = checkFilter(request);
  const signal = AbortSignal.any([stopping, context.signal]);
  observe.streamOpened?.();
  // A reader that went away may never ask for its next event again, so its going is what ends the stream.
  const close = once(() => observe.streamClosed?.());
  signal.addEventListener("abort", close);
  try {
    const { jobs, events } = store;
    yield* followEvents({ jobs, events, news: signals.events, jobId, filter, signal });
  } catch (error) {
    if (!(error instanceof NoSuchJobError)) throw error;
    throw new ConnectError(error.message, Code.NotFound, undefined, undefined, error);
  } finally {
    close();
  }
  throw abortReason(signal);
}

function once(action: () => void): () => void {
  let isDone = false;
  return () => {
    if (!isDone) action();
    isDone = true;
  };
}

function checkFilter(request: StreamJobEventsRequest): EventFilter {
  if (request.fromSequence < 0n) {
    throw invalidArgument(`from_sequence is ${request.fromSequence}; sequences start at 1`);
  }
  return {
    fromSequence: request.fromSequence,
    fromTimestampMs: request.fromTimestamp > 0n ? request.fromTimestamp : undefined,
    types: request.eventFilter,
  };
}
