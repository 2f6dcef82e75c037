/**
 * What a failed call to the server says about what was asked for: nothing yet, that it was refused, or that
 * we were.
 */
import type { RefusalReason } from "../events/error_info.ts";

/**
 * - `transient`: may pass by itself, so it is retried for ever.
 * - `authentication`: passes when somebody renews the credentials, so it is retried for ever too, but seldom.
 * - `refused`: may be the fault of what was sent, as of one event among many, or may not; whoever sent it
 *   finds out.
 */
export type CallErrorKind = "transient" | "refused" | "authentication";

export interface CallErrorDetails {
  kind: CallErrorKind;
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
   * The server itself says that it does not want what this request asks for: a Connect error of one of the
   * codes that speak of the request, and neither a page of something on the way nor a complaint about its
   * size.
   */
  isServersWord?: boolean;
  /** Why exactly, when the server says so. */
  reason?: RefusalReason;
}

export class CallError extends Error implements CallErrorDetails {
  override readonly name = "CallError";
  readonly kind: CallErrorKind;
  readonly code: string;
  readonly httpStatus?: number;
  readonly retryAfterMs?: number;
  readonly tooLarge: boolean;
  readonly isBroken: boolean;
  readonly isServersWord: boolean;
  readonly reason?: RefusalReason;

  constructor(message: string, details: CallErrorDetails, options?: ErrorOptions) {
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
