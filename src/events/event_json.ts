/**
 * An event as JSON, for people and scripts that look into logs: the JSON mapping of protobuf, without what is
 * secret.
 */
import { type JsonObject, toJson } from "@bufbuild/protobuf";
import type { JobEvent } from "./event.ts";
import { JobEventSchema } from "./gen/job/v1/job_pb.ts";

/** Name and password, or a token in their place, in front of the host of an address. */
const USER_INFO = /^([a-z][a-z0-9+.-]*:\/\/)[^/?#]*@/i;
const USER_INFO_IN_TEXT = /\b([a-z][a-z0-9+.-]*:\/\/)[^\s/?#]*@/gi;

/**
 * The event in the JSON mapping of protobuf: bytes are base64, 64-bit numbers are strings. Undefined when it
 * has no such form, as a time of another writer that no calendar knows.
 */
export function eventToJson(event: JobEvent): JsonObject | undefined {
  try {
    return toJson(JobEventSchema, withoutSecrets(event)) as JsonObject;
  } catch {
    // Numbers out of range are the only reason that the mapping knows; the event's bytes are there all the
    // same.
    return undefined;
  }
}

/**
 * Events carry no environment and no task token. An address to clone from may carry what one signs in with,
 * and git repeats it.
 */
function withoutSecrets(event: JobEvent): JobEvent {
  const { eventData } = event;
  if (eventData.case === "gitCloneStart") {
    const value = { ...eventData.value, repository: eventData.value.repository.replace(USER_INFO, "$1***@") };
    return { ...event, eventData: { case: "gitCloneStart", value } };
  }
  if (eventData.case === "gitCloneError") {
    const { errorMessage, stderrOutput } = eventData.value;
    const value = {
      ...eventData.value,
      errorMessage: errorMessage.replace(USER_INFO_IN_TEXT, "$1***@"),
      stderrOutput: stderrOutput.replace(USER_INFO_IN_TEXT, "$1***@"),
    };
    return { ...event, eventData: { case: "gitCloneError", value } };
  }
  return event;
}
