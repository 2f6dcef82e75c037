/**
 * How long the front door waits for a client, as a function of what the client has done so far. Pure.
 *
 * What may be quiet for as long as it likes is an answer: a worker that waits for a job and a reader that
 * waits for the next event have said all that they have to say. What has to come is a request, once somebody
 * has connected.
 */

export interface Deadlines {
  /** For a request's whole header, from connecting or from its first byte on. */
  headerMs: number;
  /** For the next request, on a connection that had one. */
  idleMs: number;
  /** For a request's whole body, and a second more for each 1,000 bytes of it. */
  bodyMs: number;
  /**
   * For the next byte of a call that stays open, once its client has shown that it may make it; and for
   * taking an answer.
   */
  streamMs: number;
}

/** The reasons why a connection or a request is given up, as metrics and log lines name them. */
export type Expiry = "header" | "idle" | "body" | "stream";

/** A link too slow for this would take half a day for one batch of events. */
const BODY_BYTES_PER_MS = 1;

/** What there is to know about a connection between its requests. */
export interface Waiting {
  /** When it began: when the last answer had been sent, or when the client connected. */
  sinceMs: number;
  /** When the first byte came since then, if one has. */
  firstByteMs: number | undefined;
  hadRequest: boolean;
}

/** Why a connection without a request under way is to be closed now; undefined as long as it may go on. */
export function connectionExpiry(waiting: Waiting, deadlines: Deadlines, nowMs: number): Expiry | undefined {
  const { sinceMs, firstByteMs, hadRequest } = waiting;
  if (firstByteMs === undefined && hadRequest) {
    return nowMs - sinceMs >= deadlines.idleMs ? "idle" : undefined;
  }
  return nowMs - (hadRequest ? firstByteMs! : sinceMs) >= deadlines.headerMs ? "header" : undefined;
}

/** What there is to know about a request's body while its next bytes are waited for. */
export interface BodyWait {
  /**
   * Time spent waiting for its bytes before now. Time in which nobody wanted any is the server's, not the
   * client's.
   */
  waitedMs: number;
  sinceMs: number;
  bytes: number;
  isStream: boolean;
}

/** Why a request is to be given up now; undefined as long as it may go on. */
export function bodyExpiry(wait: BodyWait, deadlines: Deadlines, nowMs: number): Expiry | undefined {
  const nowWaitedMs = nowMs - wait.sinceMs;
  if (wait.isStream) return nowWaitedMs >= deadlines.streamMs ? "stream" : undefined;
  const allowedMs = deadlines.bodyMs + wait.bytes / BODY_BYTES_PER_MS;
  return wait.waitedMs + nowWaitedMs >= allowedMs ? "body" : undefined;
}
