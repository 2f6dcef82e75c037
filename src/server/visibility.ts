/**
 * The alarm that gives jobs back to their queues: one timer, set to the moment at which the next running
 * execution expires.
 */
import type { Clock } from "../platform/clock.ts";
import type { Logger } from "../platform/logging/logger.ts";

/**
 * Timers of the platform take 2^31 - 1 ms at most, and a wall clock may be set while one runs: look again
 * after an hour.
 */
const NAP_MS_MAX = 3_600_000;
/** After a failure, which is the database's: soon enough to matter, seldom enough not to fill the log. */
const RETRY_MS = 1_000;

export interface ExpirySource {
  nextExpiryMs(): Promise<number | undefined>;
  /** Requeues what has expired by now. */
  requeueExpired(): Promise<void>;
}

export class VisibilityAlarm {
  readonly #source: ExpirySource;
  readonly #clock: Clock;
  readonly #logger: Logger;
  #stopped = false;
  #nap = new AbortController();
  #wakesAtMs = Infinity;

  constructor(source: ExpirySource, clock: Clock, logger: Logger) {
    this.#source = source;
    this.#clock = clock;
    this.#logger = logger;
  }

  /** Resolves after `stop`. Never rejects: an error is logged and the alarm set again. */
  async run(): Promise<void> {
    while (!this.#stopped) {
      const nap = this.#nap = new AbortController();
      // While it looks, whatever it is told may be what it has just missed, so that it looks again.
      this.#wakesAtMs = Infinity;
      this.#wakesAtMs = await this.#next();
      await this.#clock.sleep(Math.max(0, this.#wakesAtMs - this.#clock.nowMs()), nap.signal);
    }
  }

  /**
   * To be told when an execution may expire at `expiresAtMs`: an alarm that would ring too late is set anew.
   */
  reschedule(expiresAtMs: number): void {
    if (expiresAtMs < this.#wakesAtMs) this.#nap.abort();
  }

  stop(): void {
    this.#stopped = true;
    this.#nap.abort();
  }

  /** Requeues what is due and says when to look again. */
  async #next(): Promise<number> {
    const nowMs = this.#clock.nowMs();
    try {
      await this.#source.requeueExpired();
      return Math.min(await this.#source.nextExpiryMs() ?? Infinity, nowMs + NAP_MS_MAX);
    } catch (error) {
      this.#logger.error("Cannot requeue expired jobs; trying again", { error: (error as Error).message });
      return nowMs + RETRY_MS;
    }
  }
}
