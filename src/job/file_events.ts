/**
 * Events that are sent from a log's file without its knowing: it is told of no acknowledgement, so what was
 * delivered is only known here.
 */
import type { PendingEvent, PendingSource } from "../delivery/sender.ts";

/** Reads forward through its events once; it holds no more than what was asked for. */
export class FileEvents implements PendingSource {
  readonly #events: AsyncGenerator<PendingEvent>;
  #ahead: PendingEvent[] = [];
  #isAtEnd = false;

  constructor(events: AsyncGenerator<PendingEvent>) {
    this.#events = events;
  }

  async pending(limit: { events: number; bytes: number }): Promise<PendingEvent[]> {
    let bytes = 0;
    for (let count = 0; count < limit.events; count++) {
      if (count === this.#ahead.length && !await this.#readOne()) return this.#ahead.slice();
      bytes += this.#ahead[count].length;
      if (bytes > limit.bytes) return this.#ahead.slice(0, Math.max(1, count));
    }
    return this.#ahead.slice(0, limit.events);
  }

  /** Nothing is added, so only the signal ends this. */
  waitForPending(signal?: AbortSignal): Promise<void> {
    if (this.#ahead.length > 0 || signal?.aborted) return Promise.resolve();
    return new Promise((resolve) => signal?.addEventListener("abort", () => resolve(), { once: true }));
  }

  // deno-lint-ignore require-await -- as asynchronous as that of a log
  async acknowledge(events: readonly PendingEvent[]): Promise<void> {
    this.#ahead.splice(0, events.length);
  }

  // deno-lint-ignore require-await -- as asynchronous as that of a log
  async fail(event: PendingEvent): Promise<void> {
    this.#ahead = this.#ahead.filter(({ offset }) => offset !== event.offset);
  }

  /** Lets go of the file. */
  async close(): Promise<void> {
    await this.#events.return(undefined);
  }

  async #readOne(): Promise<boolean> {
    if (this.#isAtEnd) return false;
    const next = await this.#events.next();
    if (next.done) this.#isAtEnd = true;
    else this.#ahead.push(next.value);
    return !next.done;
  }
}
