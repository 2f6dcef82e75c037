/**
 * The requests of one call that are being stored while its next ones are read: so many, and no more.
 */

/**
 * For one call: some batches of a worker, so that the disk has something to do while more of them come in.
 * What a call holds in memory is this and one request.
 */
const BYTES_MAX = 512 * 1024;

export class InFlight {
  #bytes = 0;
  readonly #tasks = new Set<Promise<void>>();
  #failure: { error: unknown } | undefined;

  /**
   * Begins the work once there is room for it; one piece of any size always finds room. @throws what earlier
   * work failed with, before it begins anything
   */
  async add(bytes: number, begin: () => Promise<void>): Promise<void> {
    while (this.#tasks.size > 0 && this.#bytes + bytes > BYTES_MAX) await Promise.race(this.#tasks);
    this.#throwFailure();
    this.#bytes += bytes;
    const task: Promise<void> = begin()
      .catch((error) => void (this.#failure ??= { error }))
      .finally(() => {
        this.#bytes -= bytes;
        this.#tasks.delete(task);
      });
    this.#tasks.add(task);
  }

  /** Resolves when all of it is done. @throws what the first that failed failed with */
  async done(): Promise<void> {
    await Promise.all(this.#tasks);
    this.#throwFailure();
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }
}
