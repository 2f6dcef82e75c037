/**
 * What a failed publish call says about the events in it: nothing yet, that they were refused, or that we
 * were. Pure.
 */
import { Code, ConnectError } from "@connectrpc/connect";
import { codeToString } from "@connectrpc/connect/protocol-connect";
import { type RefusalReason, refusalReason } from "../events/error_info.ts";
import { parseRetryAfterMs } from "./backoff.ts";
import { answerOf, isProtocolError } from "./http_answer.ts";

/**
 * - `transient`: may pass by itself, so it is retried for ever.
 * - `authentication`: passes when somebody renews the credentials, so it is retried for ever too, but seldom.
 * - `refused`: may be the events' fault, or may not; the sender finds out.
 */
export type PublishErrorKind = "transient" | "refused" | "authentication";

export interface PublishErrorDetails {
  kind: PublishErrorKind;
  /**
   * Connect's name of the code (`resource_exhausted`), or `invalid_payload` for what we did not even send.
   */
  code: string;
  /** The HTTP status, when it was another than 200. */
  httpStatus?: number;
  /** What the server's Retry-After asked for, uncapped. */
  retryAfterMs?: number;
  /** The server says that the call was too big, so that fewer bytes may pass. */
  tooLarge?: boolean;
  /** No answer arrived, or not all of it: the connection could not be made, or broke off. */
  isBroken?: boolean;
  /**
   * The server itself says that it does not want what this request asks for: a Connect error of one of the codes that speak of the
   * request, and neither a page of something on the way nor a complaint about its size.
   */
  isServersWord?: boolean;
  /** Why exactly, when the server says so. */
  reason?: RefusalReason;
}

export class PublishError extends Error implements PublishErrorDetails {
  override readonly name = "PublishError";
  readonly kind: PublishErrorKind;
  readonly code: string;
  readonly httpStatus?: number;
  readonly retryAfterMs?: number;
  readonly tooLarge: boolean;
  readonly isBroken: boolean;
  readonly isServersWord: boolean;
  readonly reason?: RefusalReason;

  constructor(message: string, details: PublishErrorDetails, options?: ErrorOptions) {
    super(message, options);
    this.kind = details.kind;
    this.code = details.code;
    this.httpStatus = details.httpStatus;
    this.retryAfterMs = details.retryAfterMs;
    this.tooLarge = details.tooLarge ?? false;
    this.isBroken = details.isBroken ?? false;
    this.isServersWord = details.isServersWord ?? false;
    this.reason = details.reason;
  }
}

/** Converts whatever a publish call threw. `nowMs` is the wall clock, for a Retry-After that is a date. */
export function classifyPublishError(error: unknown, nowMs: number): PublishError {
  if (error instanceof PublishError) return error;
  if (!(error instanceof ConnectError)) {
    const message = error instanceof Error ? error.message : String(error);
    // The credentials' own errors: no key, no token. Whoever repairs them finds everything still there.
    const kind = error instanceof Error && error.name === "CredentialsError" ? "authentication" : "transient";
    return new PublishError(message, { kind, code: codeToString(Code.Unknown) }, { cause: error });
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
  return new PublishError(error.rawMessage, details, { cause: error });
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

function kindOf(error: ConnectError): PublishErrorKind {
  if (isProtocolError(error)) return "transient";
  const answer = answerOf(error);
  // A code that the server named says more than the status it travelled with.
  if (answer !== undefined && !answer.hasCode) return kindOfStatus(answer.status);
  return KIND_OF_CODE[error.code];
}

const KIND_OF_CODE: Record<Code, PublishErrorKind> = {
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

function kindOfStatus(status: number): PublishErrorKind {
  // 407 comes from a proxy that wants credentials of its own.
  if (status === 401 || status === 403 || status === 407) return "authentication";
  if (status === 408 || status === 425 || status === 429) return "transient";
  // 2xx without a Connect response and redirections come from something between us and the server.
  return status >= 400 && status < 500 ? "refused" : "transient";
}
