/**
 * A log that never holds up or ends the command whose output goes into it: what the disk does not take within
 * some seconds is left out, and said. Its sequences stay missing, which whoever reads the job is told.
 *
 *     recording       append fails                    -> tried again for a second, then not recording
 *                     append hangs                    -> waited for, and then nothing is recorded any more
 *     not recording   append, at most once a second   -> recording, with a gap; or left out
 *                     the last events                 -> each is tried
 *     sealed          everything is left out: nobody knows what the disk has
 */
import type { EventLog } from "../job/event_writer.ts";
import { messageOf } from "../platform/error_text.ts";
import type { Clock } from "../platform/clock.ts";
import { LogSealedError, LogWriteError } from "../wal/errors.ts";
import type { NewEvent } from "../wal/log.ts";

/**
 * How long a disk that is full, or fails, may hold up the command: what frees space does so within that or
 * not.
 */
const RETRY_FOR_MS = 1000;
const RETRY_MS = 250;
/** How long one may that does not answer at all. A busy one takes seconds. */
const HANGS_MS_MAX = 10_000;
/** How often a disk that took nothing is tried. */
const TRY_AGAIN_MS = 1000;

/** Told when recording stops and goes on. Must not throw. */
export interface RecordingObserver {
  stopped(why: string): void;
  resumed(eventsLeftOut: number): void;
}

export class LenientLog implements EventLog {
  readonly #log: EventLog;
  readonly #clock: Clock;
  readonly #observe: RecordingObserver;
  #isRecording = true;
  #isDead = false;
  #isLast = false;
  #leftOut = 0;
  #leftOutInAll = 0;
  #triedAtMs = -Infinity;

  constructor(log: EventLog, clock: Clock, observe: RecordingObserver) {
    this.#log = log;
    this.#clock = clock;
    this.#observe = observe;
  }

  get path(): string {
    return this.#log.path;
  }

  get lastSequence(): bigint {
    return this.#log.lastSequence;
  }

  get counts(): EventLog["counts"] {
    return this.#log.counts;
  }

  /** Events that are not in the log. */
  get eventsLeftOut(): number {
    return this.#leftOutInAll;
  }

  /** What comes now says how the command ended, and is worth a try each. */
  lastEvents(): void {
    this.#isLast = true;
  }

  async append(event: NewEvent): Promise<void> {
    if (!this.#isDead && (this.#isRecording || this.#isTimeToTry())) {
      const why = await this.#tryToAppend(event);
      if (why === undefined) return this.#appended();
      if (this.#isRecording) this.#observe.stopped(why);
      this.#isRecording = false;
    }
    this.#leftOut++;
    this.#leftOutInAll++;
  }

  #isTimeToTry(): boolean {
    return this.#isLast || this.#clock.elapsedMs() - this.#triedAtMs >= TRY_AGAIN_MS;
  }

  #appended(): void {
    if (this.#isRecording) return;
    this.#isRecording = true;
    this.#observe.resumed(this.#leftOut);
    this.#leftOut = 0;
  }

  /** Undefined when it is in the log, otherwise why not. Only one that was recording gets time for it. */
  async #tryToAppend(event: NewEvent): Promise<string | undefined> {
    const untilMs = this.#clock.elapsedMs() + (this.#isRecording ? RETRY_FOR_MS : 0);
    for (;;) {
      const why = await this.#appendInTime(event);
      this.#triedAtMs = this.#clock.elapsedMs();
      if (why === undefined || this.#isDead || this.#triedAtMs >= untilMs) return why;
      await this.#clock.sleep(RETRY_MS);
    }
  }

  async #appendInTime(event: NewEvent): Promise<string | undefined> {
    const over = new AbortController();
    const late = this.#clock.sleep(HANGS_MS_MAX, over.signal).then(() => {
      // An append that still goes on may put the event there after all; nothing may come before it then.
      if (!over.signal.aborted) this.#isDead = true;
      return `the disk has not answered for ${HANGS_MS_MAX / 1000} s`;
    });
    const appended = this.#log.append(event).then(() => undefined, (error) => this.#whyNot(error));
    try {
      return await Promise.race([appended, late]);
    } finally {
      over.abort();
    }
  }

  #whyNot(error: unknown): string {
    if (error instanceof LogWriteError) {
      return error.noSpace ? "no space left on device" : messageOf(error.cause ?? error);
    }
    if (error instanceof LogSealedError || error instanceof Error) this.#isDead = true;
    return messageOf(error);
  }
}

/** For a command of which nothing can be recorded. */
export const NO_LOG: EventLog = {
  path: "",
  lastSequence: 0n,
  get counts(): EventLog["counts"] {
    throw new Error("There is no log");
  },
  append: () => Promise.resolve(),
};
