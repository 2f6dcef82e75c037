/**
 * A number of slots for work that is to be done a few at a time; whoever finds them all taken waits for one,
 * in the order in which they came.
 */
export class Slots {
  readonly #line = new Set<() => void>();
  #free: number;

  constructor(count: number) {
    this.#free = count;
  }

  /**
   * Does the work when there is a slot for it; undefined, and nothing is done, when the signal aborted first.
   */
  async run<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T | undefined> {
    if (!await this.#take(signal)) return undefined;
    try {
      return await work();
    } finally {
      this.#giveBack();
    }
  }

  #take(signal: AbortSignal): Promise<boolean> {
    if (signal.aborted) return Promise.resolve(false);
    if (this.#free > 0) {
      this.#free--;
      return Promise.resolve(true);
    }
    return new Promise((resolve) => {
      const settle = (isTaken: boolean) => {
        this.#line.delete(take);
        signal.removeEventListener("abort", leave);
        resolve(isTaken);
      };
      const take = () => settle(true);
      const leave = () => settle(false);
      this.#line.add(take);
      signal.addEventListener("abort", leave, { once: true });
    });
  }

  /** Hands the slot on, so that nobody who comes later can have it in between. */
  #giveBack(): void {
    const next = this.#line.values().next().value;
    if (next === undefined) this.#free++;
    else next();
  }
}
