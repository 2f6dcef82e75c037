/**
 * `JobEvent` to bytes and back: the payload of a log record and of a publish call.
 */
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { EventType, type JobEvent, JobEventSchema, StreamType } from "./gen/job/v1/job_pb.ts";

export { EventType, type JobEvent, StreamType };

type EventData = Exclude<MessageInitShape<typeof JobEventSchema>["eventData"], undefined>;

/** The event type that goes with each kind of event data. */
const TYPE_OF_CASE = {
  processStart: EventType.PROCESS_START,
  processEnd: EventType.PROCESS_END,
  processError: EventType.PROCESS_ERROR,
  heartbeat: EventType.HEARTBEAT,
  output: EventType.OUTPUT,
  terminalResize: EventType.TERMINAL_RESIZE,
  outputBatch: EventType.OUTPUT_BATCH,
  containerCreate: EventType.CONTAINER_CREATE,
  containerRemove: EventType.CONTAINER_REMOVE,
  imagePullStart: EventType.IMAGE_PULL_START,
  imagePullProgress: EventType.IMAGE_PULL_PROGRESS,
  imagePullComplete: EventType.IMAGE_PULL_COMPLETE,
  gitCloneStart: EventType.GIT_CLONE_START,
  gitCloneEnd: EventType.GIT_CLONE_END,
  gitCloneError: EventType.GIT_CLONE_ERROR,
} as const;

type NamedEventData = Extract<EventData, { case: keyof typeof TYPE_OF_CASE }>;

/** An event whose type is derived from its data, so that the two can never disagree. */
export function createEvent(sequence: bigint, timestampMs: number, eventData: NamedEventData): JobEvent {
  return create(JobEventSchema, {
    sequence,
    timestamp: timestampFromMs(timestampMs),
    eventType: TYPE_OF_CASE[eventData.case],
    eventData,
  });
}

export function encodeEvent(event: JobEvent): Uint8Array<ArrayBuffer> {
  return toBinary(JobEventSchema, event);
}

/**
 * The event in `payload`, or undefined when the bytes are not one: a log's payloads may come from
 * another writer, so that is an answer and not an error. Byte fields alias `payload`.
 */
export function decodeEvent(payload: Uint8Array): JobEvent | undefined {
  try {
    return fromBinary(JobEventSchema, payload);
  } catch {
    return undefined;
  }
}

/** `OUTPUT_BATCH` and so on; `UNKNOWN_99` for a type that a newer writer knows. */
export function eventTypeName(type: EventType): string {
  return EventType[type] ?? `UNKNOWN_${type}`;
}

/** A piece of a job's output, in the order in which the job wrote it. */
export interface OutputPiece {
  stream: StreamType;
  timestampMs: number;
  bytes: Uint8Array;
}

/** The output that an event carries; nothing for events of other kinds. */
export function* outputOf(event: JobEvent): Generator<OutputPiece> {
  if (event.eventData.case === "output") {
    const timestampMs = event.timestamp
      ? Number(event.timestamp.seconds) * 1000 + Math.floor(event.timestamp.nanos / 1e6)
      : 0;
    // The event has no field for the stream; a terminal has only one.
    yield { stream: StreamType.STDOUT, timestampMs, bytes: event.eventData.value.output };
  } else if (event.eventData.case === "outputBatch") {
    const batch = event.eventData.value;
    for (const item of batch.outputs) {
      yield {
        stream: item.streamType,
        timestampMs: Number(batch.firstTimestampMs) + item.timestampDeltaMs,
        bytes: item.output,
      };
    }
  }
}

/** The sequences that an event uses up, both ends included: those of an output batch up to its end. */
export function sequencesOf({ sequence, eventData }: JobEvent): { first: bigint; last: bigint } {
  const last = eventData.case === "outputBatch" ? eventData.value.endSequence : sequence;
  // What is no range of the contract stands for itself alone.
  return { first: sequence, last: last < sequence ? sequence : last };
}
