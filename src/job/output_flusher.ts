/**
 * Holds a job's output until its time has come, and gives it to the log then: the batcher says what belongs
 * together, the pace says when. What is held here is in memory alone.
 */
import { aborted } from "../platform/aborted.ts";
import type { Clock } from "../platform/clock.ts";
import { Batcher, type BatchLimits, type OutputBatch, type OutputChunk } from "./batcher.ts";
import type { EventWriter } from "./event_writer.ts";
import { FlushPace } from "./flush_pace.ts";

export interface FlusherOptions {
  readonly limits: BatchLimits;
  readonly clock: Clock;
  readonly writer: Pick<EventWriter, "writeBatches" | "isWriting" | "written">;
}

export class OutputFlusher {
  readonly #options: FlusherOptions;
  readonly #batcher: Batcher;
  readonly #pace: FlushPace;
  /** Aborts when something is held after a time when nothing was. */
  #held = new AbortController();

  constructor(options: FlusherOptions) {
    this.#options = options;
    this.#batcher = new Batcher(options.limits);
    this.#pace = new FlushPace(options.limits.flushAfterMs);
  }

  /** Takes what was read, and resolves when there is room for more. What is due by now goes to the log. */
  async accept(chunk: OutputChunk): Promise<void> {
    const { clock, writer } = this.#options;
    const due = this.#batcher.add(chunk);
    if (due.length > 0) this.#pace.flushed(clock.elapsedMs());
    const dueAtMs = this.#dueAtMs();
    if (dueAtMs !== undefined && dueAtMs <= clock.elapsedMs()) due.push(...this.#take());
    else if (dueAtMs !== undefined && !this.#held.signal.aborted) this.#held.abort("something is held");
    await writer.writeBatches(due);
  }

  /** Flushes what is held whenever its time has come, until `ended` aborts. */
  async run(ended: AbortSignal): Promise<void> {
    const { clock, writer } = this.#options;
    while (!ended.aborted) {
      const dueAtMs = this.#dueAtMs();
      if (dueAtMs === undefined) {
        this.#held = new AbortController();
        await aborted(this.#held.signal, ended);
        continue;
      }
      const waitMs = dueAtMs - clock.elapsedMs();
      if (waitMs > 0) await this.#sleep(waitMs, ended);
      else await writer.writeBatches(this.#take());
    }
  }

  /** Gives what is held to the log, whether it is due or not. */
  async flush(): Promise<void> {
    await this.#options.writer.writeBatches(this.#take());
  }

  /** Sleeps, but no longer than a write is under way if one is: with its end the time that is due changes. */
  async #sleep(waitMs: number, ended: AbortSignal): Promise<void> {
    const { clock, writer } = this.#options;
    if (!writer.isWriting) return await clock.sleep(waitMs, ended);
    const written = new AbortController();
    writer.written().then(() => written.abort("written"));
    await clock.sleep(waitMs, AbortSignal.any([written.signal, ended]));
  }

  #dueAtMs(): number | undefined {
    const heldSinceMs = this.#batcher.heldSinceMs;
    return heldSinceMs === undefined
      ? undefined
      : this.#pace.dueAtMs(heldSinceMs, this.#options.writer.isWriting);
  }

  #take(): OutputBatch[] {
    const batch = this.#batcher.flush();
    if (batch === undefined) return [];
    this.#pace.flushed(this.#options.clock.elapsedMs());
    return [batch];
  }
}
