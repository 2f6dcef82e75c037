/**
 * What a sender tells whoever counts: the seam between delivery and metrics.
 */
import type { PendingEvent } from "./pending_source.ts";
import type { CallErrorKind } from "../client/call_error.ts";

export interface SendAttempt {
  result: "accepted" | "aborted" | CallErrorKind;
  /** Connect's name of the code; undefined when the call was accepted or aborted. */
  code?: string;
  /** When it was another than 200. */
  httpStatus?: number;
  /** No answer arrived, or not all of it. */
  isBroken?: boolean;
  events: number;
  durationMs: number;
}

/** Called synchronously; it must not throw. */
export interface SenderObserver {
  /** After each call, probes included. */
  attempt?(attempt: SendAttempt): void;
  /** So many events are recorded as sent. */
  acknowledged?(count: number): void;
  /** The server had so many of an accepted call's events already. */
  duplicates?(count: number): void;
  /** A failed call will be repeated after the delay. */
  retry?(delayMs: number): void;
  /** The event was given up. */
  failed?(event: PendingEvent): void;
}
