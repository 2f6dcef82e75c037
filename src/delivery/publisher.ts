/**
 * One PublishJobEvents call per batch: a stream of exactly one request, whose response is the only
 * acknowledgement there is.
 */
import { create } from "@bufbuild/protobuf";
import { WireType } from "@bufbuild/protobuf/wire";
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

/** A request is a MiB at most, unless a single event is larger: memory for such a one is not kept. */
const KEPT_BYTES_MAX = 2 * 1024 * 1024;

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
  let memory = new ArrayBuffer();
  return {
    async publish(events, signal) {
      refuseForeignPayloads(events);
      const request = createRequest(options.target, events, memory);
      // It is this call's until that is over.
      memory = new ArrayBuffer();
      try {
        const response = await client.publishJobEvents(only(request), { signal, timeoutMs });
        return counts(response.eventsStored, response.eventsDuplicate);
      } catch (error) {
        throw toCallError(error, options.clock.nowMs());
      } finally {
        memory = memoryOf(request);
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
const EVENTS_TAG = EVENTS_FIELD << 3 | WireType.LengthDelimited;
/** The most that a field's tag and length take. */
const FIELD_OVERHEAD_BYTES = 1 + 5;

/**
 * The log's bytes go out as they are, as a field that the message need not know: decoding and encoding them
 * again would cost time and drop what a newer writer may have added. All of them are one such field to the
 * library, which writes a tag and then what it is given, so that it copies once and not once an event.
 *
 * @param memory to write them to; where it is too small, other memory is taken
 */
export function createRequest(
  target: PublishTarget,
  events: readonly PendingEvent[],
  memory = new ArrayBuffer(),
): PublishJobEventsRequest {
  const request = create(PublishJobEventsRequestSchema, target);
  if (events.length === 0) return request;
  const length = events.reduce((sum, { payload }) => sum + FIELD_OVERHEAD_BYTES + payload.length, 0);
  const bytes = new Uint8Array(memory.byteLength >= length ? memory : new ArrayBuffer(length));
  let end = 0;
  for (const { payload } of events) {
    // The first tag is the library's.
    if (end > 0) bytes[end++] = EVENTS_TAG;
    end = writeLength(bytes, end, payload.length);
    bytes.set(payload, end);
    end += payload.length;
  }
  const data = bytes.subarray(0, end);
  request.$unknown = [{ no: EVENTS_FIELD, wireType: WireType.LengthDelimited, data }];
  return request;
}

function writeLength(bytes: Uint8Array, at: number, length: number): number {
  for (; length >= 0x80; length >>>= 7) bytes[at++] = length & 0x7f | 0x80;
  bytes[at++] = length;
  return at;
}

/**
 * The memory of a request that is over, for the next one. It is moved, so that a request that were still
 * being written by mistake would fail and not take on other events.
 */
function memoryOf({ $unknown }: PublishJobEventsRequest): ArrayBuffer {
  const buffer = $unknown?.[0]?.data.buffer as ArrayBuffer | undefined;
  return buffer === undefined || buffer.byteLength > KEPT_BYTES_MAX ? new ArrayBuffer() : buffer.transfer();
}

/** A server without the extension leaves both at zero, and it cannot have taken a batch without either. */
function counts(stored: bigint, duplicates: bigint): PublishResult {
  return stored === 0n && duplicates === 0n ? {} : { stored: Number(stored), duplicates: Number(duplicates) };
}
