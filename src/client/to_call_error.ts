/**
 * Makes a call's error of whatever a call threw, so that one answer means one thing whoever asked. Pure.
 */
import { Code, ConnectError } from "@connectrpc/connect";
import { codeToString } from "@connectrpc/connect/protocol-connect";
import { refusalReason } from "../events/error_info.ts";
import { parseRetryAfterMs } from "./backoff.ts";
import { answerOf, isProtocolError } from "./http_answer.ts";
import { CallError, type CallErrorKind } from "./call_error.ts";
import { CredentialsError } from "./credentials_error.ts";
import { messageOf } from "../platform/error_text.ts";

/** `nowMs` is the wall clock, for a Retry-After that is a date. */
export function toCallError(error: unknown, nowMs: number): CallError {
  if (error instanceof CallError) return error;
  if (!(error instanceof ConnectError)) {
    // The credentials' own errors: no key, no token. Whoever repairs them finds everything still there.
    const kind = error instanceof CredentialsError ? "authentication" : "transient";
    return new CallError(messageOf(error), { kind, code: codeToString(Code.Unknown) }, { cause: error });
  }
  const httpStatus = answerOf(error)?.status;
  const tooLarge = isTooLarge(error, httpStatus);
  const kind = tooLarge ? "refused" : kindOf(error);
  const retryAfterMs = parseRetryAfterMs(error.metadata.get("retry-after"), nowMs);
  // The transport's own `unavailable` has what happened as its cause; one that a server sent has none.
  const isBroken = error.code === Code.Unavailable && httpStatus === undefined && error.cause !== undefined;
  const details = {
    kind,
    code: codeToString(error.code),
    httpStatus,
    retryAfterMs,
    tooLarge,
    isBroken,
    isServersWord: kind === "refused" && !tooLarge && isServersWord(error),
    reason: refusalReason(error.details),
  };
  return new CallError(error.rawMessage, details, { cause: error });
}

/** How servers refuse a token or a job that they do not know, or a job that is over. */
const CODES_ABOUT_THE_REQUEST: ReadonlySet<Code> = new Set([
  Code.InvalidArgument,
  Code.NotFound,
  Code.AlreadyExists,
  Code.FailedPrecondition,
]);

function isServersWord(error: ConnectError): boolean {
  return CODES_ABOUT_THE_REQUEST.has(error.code) && (answerOf(error)?.hasCode ?? error.cause === undefined);
}

/** The sizes that a server or a proxy complains about: "message size 5 is larger than configured max 4". */
const SIZE_COMPLAINT = /\b(message|request|payload|body|entity)\b.*\b(larger|too large|too big|size)\b/i;

function isTooLarge(error: ConnectError, httpStatus: number | undefined): boolean {
  if (httpStatus === 413) return true;
  // The code means "slow down" as well, with status 429 or without.
  return error.code === Code.ResourceExhausted && SIZE_COMPLAINT.test(error.rawMessage);
}

function kindOf(error: ConnectError): CallErrorKind {
  if (isProtocolError(error)) return "transient";
  const answer = answerOf(error);
  // A code that the server named says more than the status it travelled with.
  if (answer !== undefined && !answer.hasCode) return kindOfStatus(answer.status);
  return KIND_OF_CODE[error.code];
}

const KIND_OF_CODE: Record<Code, CallErrorKind> = {
  [Code.Canceled]: "transient",
  [Code.Unknown]: "transient",
  [Code.DeadlineExceeded]: "transient",
  [Code.ResourceExhausted]: "transient",
  [Code.Aborted]: "transient",
  [Code.Internal]: "transient",
  [Code.Unavailable]: "transient",
  [Code.DataLoss]: "transient",
  [Code.Unauthenticated]: "authentication",
  [Code.PermissionDenied]: "authentication",
  [Code.InvalidArgument]: "refused",
  [Code.OutOfRange]: "refused",
  [Code.FailedPrecondition]: "refused",
  [Code.NotFound]: "refused",
  [Code.AlreadyExists]: "refused",
  [Code.Unimplemented]: "refused",
};

function kindOfStatus(status: number): CallErrorKind {
  // 407 comes from a proxy that wants credentials of its own.
  if (status === 401 || status === 403 || status === 407) return "authentication";
  if (status === 408 || status === 425 || status === 429) return "transient";
  // 2xx without a Connect response and redirections come from something between us and the server.
  return status >= 400 && status < 500 ? "refused" : "transient";
}
