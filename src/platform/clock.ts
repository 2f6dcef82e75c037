/**
 * Time as the rest of the program sees it: a seam, so that the core can be tested without waiting.
 */

export interface Clock {
  /** Wall clock, Unix milliseconds. For timestamps that people and other machines read. */
  nowMs(): number;
  /** Monotonic milliseconds from an arbitrary start. For durations and deadlines. */
  elapsedMs(): number;
  /**
   * Resolves after `durationMs`, or at once when `signal` aborts: being woken early is not an error,
   * so callers look at what they were waiting for rather than catching.
   */
  sleep(durationMs: number, signal?: AbortSignal): Promise<void>;
}

/**
 * Calls an action in the next turn of the event loop, and not of the microtasks: that is when what other
 * connections have sent was read too.
 */
export type NextTurn = (action: () => void) => void;
