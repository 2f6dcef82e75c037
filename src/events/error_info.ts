/**
 * `google.rpc.ErrorInfo` as a detail of a Connect error: the exact reason of a refusal, for programs. A code
 * alone may mean anything (wire contract), and a message is for people. Other servers send none, and other
 * clients do not look.
 *
 * Only its fields 1 (reason) and 2 (domain) are used; the message is from google/rpc/error_details.proto.
 */
import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";

export const ERROR_INFO_TYPE = "google.rpc.ErrorInfo";
/** Reasons are unique within a domain; those of others are not ours to understand. */
const DOMAIN = "airunner";

/**
 * - `TASK_TOKEN_UNKNOWN`: the server did not hand out this token, as far as it knows.
 * - `EXECUTION_UNKNOWN`: the token is the server's, and its store has no such execution.
 * - `EXECUTION_SUPERSEDED`: the job was given out again since, to a later execution.
 * - `EXECUTION_ENDED`: the execution no longer runs, and none has come after it.
 * - `REQUEST_INVALID`: something in the request is not as it has to be; the message says what.
 * - `JOB_NOT_ENDED`: what was asked for is done with jobs that have ended.
 * - `JOB_ADOPTED`: the job was made from a worker's log, which does not have all of its parameters.
 * - `REQUEST_ID_USED`: another call has used this request id for something else.
 * - `ADOPTION_OTHER_LOG`: there is an execution of that number, and it is not the one that this log is of.
 * - `ADOPTION_JOB_RUNS`: another execution of the job runs.
 * - `ADOPTION_JOB_HAS_EVENTS`: another execution of the job has events, or a result.
 */
export const REFUSAL_REASONS = [
  "TASK_TOKEN_UNKNOWN",
  "EXECUTION_UNKNOWN",
  "EXECUTION_SUPERSEDED",
  "EXECUTION_ENDED",
  "REQUEST_INVALID",
  "JOB_NOT_ENDED",
  "JOB_ADOPTED",
  "REQUEST_ID_USED",
  "ADOPTION_OTHER_LOG",
  "ADOPTION_JOB_RUNS",
  "ADOPTION_JOB_HAS_EVENTS",
] as const;
export type RefusalReason = (typeof REFUSAL_REASONS)[number];

export interface ErrorDetail {
  type: string;
  value: Uint8Array;
}

export function refusalDetail(reason: RefusalReason): ErrorDetail {
  const writer = new BinaryWriter();
  writer.tag(1, WireType.LengthDelimited).string(reason);
  writer.tag(2, WireType.LengthDelimited).string(DOMAIN);
  return { type: ERROR_INFO_TYPE, value: writer.finish() };
}

/**
 * The reason among an error's details; undefined when none of them is ours, or it is one that a newer server
 * has.
 */
export function refusalReason(details: readonly unknown[]): RefusalReason | undefined {
  for (const detail of details) {
    if (!isErrorInfo(detail)) continue;
    const { reason, domain } = decode(detail.value);
    if (domain === DOMAIN) return REFUSAL_REASONS.find((known) => known === reason);
  }
  return undefined;
}

function isErrorInfo(detail: unknown): detail is ErrorDetail {
  if (typeof detail !== "object" || detail === null) return false;
  const { type, value } = detail as Record<string, unknown>;
  return type === ERROR_INFO_TYPE && value instanceof Uint8Array;
}

function decode(bytes: Uint8Array): { reason?: string; domain?: string } {
  const found: { reason?: string; domain?: string } = {};
  try {
    const reader = new BinaryReader(bytes);
    while (reader.pos < reader.len) {
      const [field, type] = reader.tag();
      if (field === 1) found.reason = reader.string();
      else if (field === 2) found.domain = reader.string();
      else reader.skip(type);
    }
  } catch {
    // Whoever sent this does not speak it: no reason is known then.
    return {};
  }
  return found;
}
