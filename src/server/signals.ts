/**
 * What one part of a server tells the others: "look again". A signal carries nothing but the name of what
 * changed, so one too many does no harm; the truth is in the store. Here they stay in this process's
 * memory, for a database that is this process's alone; servers that share one carry them to each other.
 */

/** One kind of news, each piece of it by the name of what changed. */
export interface Topic {
  /** Something changed. To be called when it is in the store. */
  signal(key: string): void;
  /** Watches one thing; nothing that is signalled from now on is missed. */
  watch(key: string): Watch;
  /** Is told of everything, within `signal`, until what it returns is called; it must not throw. */
  listen(listener: (key: string) => void): () => void;
}

/**
 * The way to wait for a change without missing one: `clear`, look into the store, and when it has nothing
 * new, `wait`. What is signalled while looking ends the waiting at once.
 */
export interface Watch extends Disposable {
  clear(): void;
  /** Resolves when something was signalled since the last `clear`, or when the signal aborts. */
  wait(signal: AbortSignal): Promise<void>;
}

export interface Signals {
  /** A queue may have a job. By queue. */
  readonly jobs: Topic;
  /** A job has new events, a new execution, or was deleted. By job id. */
  readonly events: Topic;
  /** A job was cancelled. By job id. */
  readonly cancellations: Topic;
  /** A key may do something else than before. By fingerprint. */
  readonly keys: Topic;
}

/** Signals within this process. */
export class LocalSignals implements Signals {
  readonly jobs = new LocalTopic();
  readonly events = new LocalTopic();
  readonly cancellations = new LocalTopic();
  readonly keys = new LocalTopic();
}

class LocalTopic implements Topic {
  readonly #watches = new Map<string, Set<LocalWatch>>();
  readonly #listeners = new Set<(key: string) => void>();

  signal(key: string): void {
    for (const watch of [...this.#watches.get(key) ?? []]) watch.ring();
    for (const listener of [...this.#listeners]) listener(key);
  }

  watch(key: string): Watch {
    const watches = this.#watches.get(key) ?? new Set();
    this.#watches.set(key, watches);
    const watch = new LocalWatch(() => {
      watches.delete(watch);
      if (watches.size === 0 && this.#watches.get(key) === watches) this.#watches.delete(key);
    });
    watches.add(watch);
    return watch;
  }

  listen(listener: (key: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** How many watch, for all keys together. */
  get watching(): number {
    let count = 0;
    for (const watches of this.#watches.values()) count += watches.size;
    return count;
  }
}

class LocalWatch implements Watch {
  readonly #leave: () => void;
  #hasRung = false;
  #wake: (() => void) | undefined;

  constructor(leave: () => void) {
    this.#leave = leave;
  }

  ring(): void {
    this.#hasRung = true;
    this.#wake?.();
  }

  clear(): void {
    this.#hasRung = false;
  }

  wait(signal: AbortSignal): Promise<void> {
    if (this.#hasRung || signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = this.#wake = () => {
        signal.removeEventListener("abort", wake);
        this.#wake = undefined;
        resolve();
      };
      signal.addEventListener("abort", wake, { once: true });
    });
  }

  [Symbol.dispose](): void {
    this.#leave();
  }
}
