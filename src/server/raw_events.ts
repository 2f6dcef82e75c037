/**
 * JobEventsService with events as bytes: on the wire an embedded message and a bytes field are the same, so
 * these methods speak exactly the contract's binary encoding, but an event is stored and sent as the bytes it
 * came as.
 *
 * Encoding each event again cost half of the server's time while events came in, and would not always
 * give the same bytes. In JSON an event is an object, so calls in JSON go through the generated service.
 */
import { clone, createFileRegistry, type Message } from "@bufbuild/protobuf";
import type { GenMessage } from "@bufbuild/protobuf/codegenv2";
import {
  FieldDescriptorProto_Type,
  file_google_protobuf_duration,
  file_google_protobuf_timestamp,
  FileDescriptorProtoSchema,
} from "@bufbuild/protobuf/wkt";
import type { DescMethodClientStreaming, DescMethodServerStreaming, FileRegistry } from "@bufbuild/protobuf";
import {
  file_job_v1_job,
  JobEventsService,
  type PublishJobEventsResponseSchema,
  type StreamJobEventsRequestSchema,
} from "../events/gen/job/v1/job_pb.ts";

export interface RawPublishRequest {
  taskToken: string;
  jobId: string;
  /** JobEvent messages. */
  events: Uint8Array[];
}

export interface RawStreamResponse {
  /** A JobEvent message. */
  event: Uint8Array;
}

/** The fields that are bytes here and messages in the contract. */
const RAW_FIELDS: Readonly<Record<string, string>> = {
  PublishJobEventsRequest: "events",
  StreamJobEventsResponse: "event",
};

const methods = rawFile().getService(JobEventsService.typeName)!.method;

// The descriptors were made just above to have these shapes; the compiler cannot follow.
export const rawPublishJobEvents = methods.publishJobEvents as DescMethodClientStreaming<
  GenMessage<Message & RawPublishRequest>,
  typeof PublishJobEventsResponseSchema
>;
export const rawStreamJobEvents = methods.streamJobEvents as DescMethodServerStreaming<
  typeof StreamJobEventsRequestSchema,
  GenMessage<Message & RawStreamResponse>
>;

function rawFile(): FileRegistry {
  const file = clone(FileDescriptorProtoSchema, file_job_v1_job.proto);
  for (const message of file.messageType) {
    const field = message.field.find(({ name }) => name === RAW_FIELDS[message.name]);
    if (!field) continue;
    field.type = FieldDescriptorProto_Type.BYTES;
    field.typeName = "";
  }
  const imports = [file_google_protobuf_timestamp, file_google_protobuf_duration];
  return createFileRegistry(file, (name) => imports.find(({ proto }) => proto.name === name));
}
