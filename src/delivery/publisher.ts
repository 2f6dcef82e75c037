/**
 * One PublishJobEvents call per batch: a stream of exactly one request, whose response is the only
 * acknowledgement there is.
 */
import { create } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { createClient, type Transport } from "@connectrpc/connect";
import { decodeEvent } from "../events/event.ts";
import {
  JobEventsService,
  type PublishJobEventsRequest,
  PublishJobEventsRequestSchema,
} from "../events/gen/job/v1/job_pb.ts";
import type { Clock } from "../platform/clock.ts";
import type { PendingEvent } from "./pending_source.ts";
import { CallError } from "../client/call_error.ts";
import { toCallError } from "../client/to_call_error.ts";

export interface PublishResult {
  /** How many of the events were new to the server; undefined when the server does not say. */
  stored?: number;
  /** How many the server had already; undefined when it does not say. */
  duplicates?: number;
}

export interface Publisher {
  /**
   * Resolves when the server has stored all `events`. Rejects with a CallError, also when `signal`
   * aborts.
   */
  publish(events: readonly PendingEvent[], signal: AbortSignal): Promise<PublishResult>;
}

/** What a server is told about the events besides themselves. */
export interface PublishTarget {
  taskToken: string;
  /** For a server that no longer knows the token (extension). */
  jobId?: string;
  /** Where the events come from, when that is not a running job (extension). */
  source?: string;
}

/** The source of events that an earlier run of the worker left in its log. */
export const ORPHANED_LOG_SOURCE = "orphaned-wal-recovery";

export interface PublisherOptions {
  transport: Transport;
  target: PublishTarget;
  /** How long one call may take; it is sent along, so that the server gives up as well. */
  deadlineMs: number;
  clock: Clock;
}

export function createPublisher(options: PublisherOptions): Publisher {
  const client = createClient(JobEventsService, options.transport);
  const { deadlineMs: timeoutMs } = options;
  return {
    async publish(events, signal) {
      refuseForeignPayloads(events);
      const request = createRequest(options.target, events);
      try {
        const response = await client.publishJobEvents(only(request), { signal, timeoutMs });
        return counts(response.eventsStored, response.eventsDuplicate);
      } catch (error) {
        throw toCallError(error, options.clock.nowMs());
      }
    },
  };
}

async function* only<T>(message: T): AsyncGenerator<T> {
  yield message;
}

/**
 * Payloads that are no JobEvent (another writer's log may hold some) would make the whole request
 * unreadable, for which no server can name the event to blame. Decoding copies no output bytes, so that it
 * costs microseconds.
 */
function refuseForeignPayloads(events: readonly PendingEvent[]): void {
  const foreign = events.find((event) => decodeEvent(event.payload) === undefined);
  if (foreign === undefined) return;
  throw new CallError(`Event ${foreign.sequence} is not a JobEvent, so that no server can read it`, {
    kind: "refused",
    code: "invalid_payload",
  });
}

/** The field `repeated JobEvent events = 2` (wire contract, PublishJobEventsRequest). */
const EVENTS_FIELD = 2;

/**
 * The log's bytes go out as they are, as fields that the message need not know: decoding and encoding
 * them again would cost time and drop nothing but what a newer writer may have added.
 */
export function createRequest(
  target: PublishTarget,
  events: readonly PendingEvent[],
): PublishJobEventsRequest {
  const request = create(PublishJobEventsRequestSchema, target);
  request.$unknown = events.map(({ payload }) => ({
    no: EVENTS_FIELD,
    wireType: WireType.LengthDelimited,
    data: new BinaryWriter().bytes(payload).finish(),
  }));
  return request;
}

/** A server without the extension leaves both at zero, and it cannot have taken a batch without either. */
function counts(stored: bigint, duplicates: bigint): PublishResult {
  return stored === 0n && duplicates === 0n ? {} : { stored: Number(stored), duplicates: Number(duplicates) };
}
