/**
 * Who waits for what: wake-ups for the readers of a job's events, and the line of workers before a queue.
 * All of it lives in this process's memory; nothing is polled.
 */

/**
 * Wakes everybody who waits for a job. A wake-up says "look again" and carries nothing, so one too many does
 * no harm.
 */
export class WakeUps {
  readonly #waiting = new Map<string, Set<() => void>>();

  /**
   * Resolves at the next `wake` for the job, or when the signal aborts. The caller is on the list before this
   * returns, so one that finds nothing and then calls this without awaiting in between misses no wake-up.
   */
  wait(jobId: string, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const waiters = this.#waiting.get(jobId) ?? new Set();
      this.#waiting.set(jobId, waiters);
      const done = () => {
        signal.removeEventListener("abort", done);
        waiters.delete(done);
        if (waiters.size === 0 && this.#waiting.get(jobId) === waiters) this.#waiting.delete(jobId);
        resolve();
      };
      waiters.add(done);
      signal.addEventListener("abort", done, { once: true });
    });
  }

  wake(jobId: string): void {
    for (const done of [...this.#waiting.get(jobId) ?? []]) done();
  }

  /** How many wait, for all jobs together. */
  get waiting(): number {
    let count = 0;
    for (const waiters of this.#waiting.values()) count += waiters.size;
    return count;
  }
}

interface Waiter<Request, Thing> {
  request: Request;
  settle(thing: Thing | undefined, error?: unknown): void;
}

/**
 * The lines before the queues. A thing is handed to the one who has waited longest, directly: there is no
 * moment in which it belongs to nobody, nor one in which a waiter that went away could swallow it.
 */
export class WaitingLines<Request, Thing> {
  readonly #lines = new Map<string, Set<Waiter<Request, Thing>>>();

  /** Resolves with what this waiter was handed, or undefined when the signal aborted first. */
  wait(queue: string, request: Request, signal: AbortSignal): Promise<Thing | undefined> {
    if (signal.aborted) return Promise.resolve(undefined);
    return new Promise((resolve, reject) => {
      const line = this.#lines.get(queue) ?? new Set();
      this.#lines.set(queue, line);
      const leave = () => waiter.settle(undefined);
      const waiter: Waiter<Request, Thing> = {
        request,
        settle: (thing, error) => {
          signal.removeEventListener("abort", leave);
          line.delete(waiter);
          if (line.size === 0 && this.#lines.get(queue) === line) this.#lines.delete(queue);
          if (error === undefined) resolve(thing);
          else reject(error);
        },
      };
      line.add(waiter);
      signal.addEventListener("abort", leave, { once: true });
    });
  }

  /**
   * Serves the line in order until it is empty or `take` has nothing more. When `take` throws, the waiter it
   * was called for gets the error: it asked, and can ask again.
   */
  serve(queue: string, take: (request: Request) => Thing | undefined): void {
    for (const waiter of [...this.#lines.get(queue) ?? []]) {
      let thing: Thing | undefined;
      try {
        thing = take(waiter.request);
      } catch (error) {
        waiter.settle(undefined, error);
        continue;
      }
      if (thing === undefined) return;
      waiter.settle(thing);
    }
  }

  /** How many stand before the queue. */
  length(queue: string): number {
    return this.#lines.get(queue)?.size ?? 0;
  }
}
