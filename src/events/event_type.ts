/**
 * The type of an event without decoding the event: counting the types of a log of 2 GiB must not build an
 * object for every line of output in it.
 */
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { eventTypeName } from "./event.ts";

/** Field number of `JobEvent.event_type` in the wire contract. */
const EVENT_TYPE_FIELD = 3;

/** `OUTPUT_BATCH` and so on; undefined when the payload is not a protobuf message. */
export function payloadTypeName(payload: Uint8Array): string | undefined {
  let type = 0;
  try {
    const reader = new BinaryReader(payload);
    while (reader.pos < reader.len) {
      const [field, wireType] = reader.tag();
      if (field === EVENT_TYPE_FIELD && wireType === WireType.Varint) type = reader.int32();
      else reader.skip(wireType, field);
    }
    // A length that leads past the end is skipped without complaint.
    if (reader.pos > reader.len) return undefined;
  } catch {
    // Payloads may come from any writer, so bytes that are no event are an answer, as in decodeEvent.
    return undefined;
  }
  return eventTypeName(type);
}
