/**
 * Says when output that is held has to go to the log: a pure state machine that is told when something was
 * flushed, and asked when the next flush is due.
 *
 *     the first output after a pause        at once
 *     a trickle                             a tenth of a second after the flush before it
 *     while a write is under way            not before it has ended, so that one sync serves all that came
 *     whatever happens                      no later than the bound, `FlushInterval`
 *
 * What is full does not wait for any of this: the batcher gives it out by itself. So a tenth of a second is
 * the most that a process that is killed can lose while the disk keeps up (A0 of the durability contract).
 */

/**
 * Nobody sees a tenth of a second, and ten syncs a second are nothing to a disk: with many jobs that print a
 * little all the time they still are one each, and not one a line.
 */
export const FLUSH_GAP_MS = 100;

export class FlushPace {
  readonly #boundMs: number;
  #flushedAtMs = -Infinity;

  /** @param boundMs how long the first byte of what is held may wait, whatever else is the matter */
  constructor(boundMs: number) {
    this.#boundMs = boundMs;
  }

  /**
   * When what is held since `heldSinceMs` is due, on the monotonic clock; a time in the past means now.
   * @param isWriting whether a flush from before is still on its way to the disk
   */
  dueAtMs(heldSinceMs: number, isWriting: boolean): number {
    const latestMs = heldSinceMs + this.#boundMs;
    return isWriting ? latestMs : Math.min(latestMs, Math.max(heldSinceMs, this.#flushedAtMs + FLUSH_GAP_MS));
  }

  /** Something was given to the log, because it was due or because it was full. */
  flushed(nowMs: number): void {
    this.#flushedAtMs = nowMs;
  }
}
