/**
 * Whether logs can be written: what the last write said, and which logs take no more.
 */
import type { Clock } from "../platform/clock.ts";

/**
 * A writer that failed tries again within 5 s, and a job that could not get a log within about a minute.
 * After this without either nobody wants to write any more, and the failure says nothing about now.
 */
const FAILURE_HOLDS_MS = 120_000;

export class WriteHealth {
  readonly #clock: Clock;
  #failure: { noSpace: boolean; atMs: number } | undefined;
  readonly #sealed = new Set<string>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  succeeded(): void {
    this.#failure = undefined;
  }

  failed(noSpace: boolean): void {
    this.#failure = { noSpace, atMs: this.#clock.elapsedMs() };
  }

  sealed(path: string): void {
    this.#sealed.add(path);
  }

  /** Why writing fails, if the last write did. */
  get failure(): "no_space" | "io" | undefined {
    if (this.#failure === undefined) return undefined;
    if (this.#clock.elapsedMs() - this.#failure.atMs > FAILURE_HOLDS_MS) return undefined;
    return this.#failure.noSpace ? "no_space" : "io";
  }

  /**
   * Sealed logs that are still where they were: whoever has looked at one moves it away, or starts the worker
   * again.
   */
  sealedLogs(exists: (path: string) => boolean): string[] {
    return [...this.#sealed].filter(exists).sort();
  }
}
