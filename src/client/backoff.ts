/**
 * How long to wait before something that failed is tried again. Pure: randomness comes in as an argument.
 */
import type { Random } from "../platform/random.ts";

export interface BackoffSettings {
  /** Delay after the first failure, before jitter. */
  initialMs: number;
  /** No delay of ours is ever longer, jitter included. */
  maxMs: number;
  /** Each delay is this many times the one before. */
  factor: number;
  /** Share of the delay that is left to chance, 0 to 1: with 0.5 a delay of 10 s becomes 5 s to 15 s. */
  jitter: number;
}

/** For waits whose other numbers are settings. */
export const BACKOFF_JITTER = 0.5;

/**
 * A server's Retry-After counts up to here. It is a request by the other side that may be wrong by years
 * (a clock, a unit), and while it is obeyed nothing is delivered.
 */
export const RETRY_AFTER_MAX_MS = 300_000;

/**
 * Milliseconds to wait after the `failures`-th failure in a row (1 is the first; Infinity asks for the
 * longest delay). Jitter keeps workers that lost the same server from coming back in step. `retryAfterMs`
 * is the least that the server asked for.
 */
export function nextDelayMs(
  failures: number,
  settings: BackoffSettings,
  random: Random,
  retryAfterMs = 0,
): number {
  if (!(failures >= 1)) throw new RangeError(`A delay follows at least one failure, got ${failures}`);
  // Far enough in a row the power is Infinity, which the minimum takes care of.
  const steadyMs = Math.min(settings.maxMs, settings.initialMs * settings.factor ** (failures - 1));
  const jitteredMs = steadyMs * (1 + settings.jitter * (2 * random() - 1));
  return Math.round(
    Math.max(Math.min(settings.maxMs, jitteredMs), Math.min(retryAfterMs, RETRY_AFTER_MAX_MS)),
  );
}

/**
 * The wait that a Retry-After header asks for, which is either whole seconds or an HTTP date (RFC 9110,
 * 10.2.3). Undefined when there is none, or none that can be understood.
 */
export function parseRetryAfterMs(header: string | null, nowMs: number): number | undefined {
  const text = header?.trim() ?? "";
  if (/^\d+$/.test(text)) return Number(text) * 1_000;
  // Date.parse reads far more than HTTP dates, "-5" and "1.5" among them; all HTTP dates begin with a
  // weekday's name.
  if (!/^[A-Za-z]{3}/.test(text)) return undefined;
  const atMs = Date.parse(text);
  return Number.isNaN(atMs) ? undefined : Math.max(0, atMs - nowMs);
}
