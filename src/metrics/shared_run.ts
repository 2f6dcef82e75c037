/**
 * Something slow that many ask for: looking through a directory. All who ask while it runs share one run, and
 * it never takes more than a fixed share of the time, however often somebody asks.
 */
import type { Clock } from "../platform/clock.ts";

export interface SharedRunOptions<T> {
  run(): Promise<T>;
  clock: Clock;
  /** The least time between the end of a run and the next. */
  restMs?: number;
  /** Told of a run that failed; what it would have given is unknown until the next. */
  onError(error: unknown): void;
}

/**
 * After a run of one second there is none for ten: at most a tenth of the time, and for what takes
 * milliseconds no wait.
 */
const REST_FACTOR = 10;

/** What changes faster than it can be looked at is told as it was a moment ago. */
const ATTEMPTS_MAX = 3;

export class SharedRun<T> {
  readonly #options: SharedRunOptions<T>;
  #running: Promise<void> | undefined;
  #latest: T | undefined;
  #restsUntilMs = -Infinity;
  /** A run under way may have missed something. */
  #isOutdated = false;

  constructor(options: SharedRunOptions<T>) {
    this.#options = options;
  }

  /** What the last run gave; undefined before the first has ended, and when the last one failed. */
  get latest(): T | undefined {
    return this.#latest;
  }

  /**
   * What was found, or is being found just now, has changed: nobody who asks from now on, or waits, is given
   * it.
   */
  expire(): void {
    this.#restsUntilMs = -Infinity;
    this.#isOutdated = true;
  }

  /** Runs, or waits for the run under way, `waitMs` at most; gives what is the latest then. */
  async refresh(waitMs: number): Promise<T | undefined> {
    const { clock } = this.#options;
    const early = new AbortController();
    await Promise.race([this.#upToDate(), clock.sleep(waitMs, early.signal)]);
    early.abort();
    return this.#latest;
  }

  async #upToDate(): Promise<void> {
    if (this.#running === undefined && this.#options.clock.elapsedMs() < this.#restsUntilMs) return;
    await (this.#running ??= this.#run());
  }

  async #run(): Promise<void> {
    const { run, clock, restMs = 0, onError } = this.#options;
    const startMs = clock.elapsedMs();
    for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
      this.#isOutdated = false;
      try {
        this.#latest = await run();
      } catch (error) {
        this.#latest = undefined;
        onError(error);
      }
      if (!this.#isOutdated) break;
    }
    const endMs = clock.elapsedMs();
    if (!this.#isOutdated) this.#restsUntilMs = endMs + Math.max(restMs, REST_FACTOR * (endMs - startMs));
    this.#isOutdated = false;
    this.#running = undefined;
  }
}
