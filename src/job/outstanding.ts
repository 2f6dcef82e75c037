/**
 * Jobs that are delivered and whose servers refuse to complete them: tried for beside everything else of a
 * worker, so that they hold neither a slot nor a place among the deliveries, and left for the next run when
 * the worker ends.
 */

/**
 * Each holds its log open. What is beyond is left on disk, and looked at again with the logs of earlier runs.
 */
const OUTSTANDING_MAX = 64;

export class OutstandingCompletions {
  readonly #works = new Set<Promise<void>>();
  #settled = 0;
  #left = 0;

  get size(): number {
    return this.#works.size;
  }

  get hasRoom(): boolean {
    return this.#works.size < OUTSTANDING_MAX;
  }

  /**
   * Counts `work`, which never rejects, until it ends; it tells whether the job is settled with the server.
   */
  add(work: Promise<boolean>): void {
    const counted = work.then((isSettled) => {
      this.#works.delete(counted);
      if (isSettled) this.#settled++;
      else this.#left++;
    });
    this.#works.add(counted);
  }

  /** Waits until none goes on, and adds what became of them. */
  async addTo(result: { jobsCompleted: number; jobsLeft: number }): Promise<void> {
    while (this.#works.size > 0) await Promise.all(this.#works);
    result.jobsCompleted += this.#settled;
    result.jobsLeft += this.#left;
  }
}
