/**
 * How much the worker may let pile up on disk before jobs have to wait: output that the server has not
 * taken yet, and the space that must stay free. Shared by all jobs of one data directory.
 *
 * It is asked before a job's pipe is read. What was read is always stored, so the budget may be passed
 * by the few batches that are on their way.
 *
 * What cannot be measured does not stop what can be written: while the file system does not say how much room
 * it has, jobs go on, and a disk that is full says so itself at the next write, which then waits.
 */
import { keptFreeBytes } from "../platform/disk_space.ts";
import type { Clock } from "../platform/clock.ts";
import type { Logger } from "../platform/logging/logger.ts";
import { aborted } from "../platform/aborted.ts";
import { messageOf } from "../platform/error_text.ts";
import type { Files, FileSystemSpace } from "../platform/files.ts";

export interface DiskBudgetOptions {
  directory: string;
  /** Bytes of unsent events on disk, over all logs of the directory. */
  unsentBytesMax: number;
  /** The setting for what stays free on the file system. */
  freeBytesMin: number;
  files: Pick<Files, "space">;
  clock: Clock;
  logger: Logger;
}

/** How long an answer about free space holds, and how often it is asked for while jobs wait. */
const SPACE_CHECK_MS = 500;
const REMIND_AFTER_MS = 60_000;
/**
 * A file system that has not answered by then, as one on a network, counts as one that cannot be measured.
 */
const ANSWER_MS_MAX = 3000;

export class DiskBudget {
  readonly #options: DiskBudgetOptions;
  #unsentBytes = 0;
  #checkedAtMs = -Infinity;
  /** Bytes that may be stored until space is too little, as of the last check and what was stored since. */
  #spareBytes = 0;
  #checking: Promise<void> | undefined;
  #remindedAtMs = -Infinity;
  /** When it was last said that space cannot be measured; undefined while it can be. */
  #unmeasuredSaidAtMs: number | undefined;
  #woken = new AbortController();

  constructor(options: DiskBudgetOptions) {
    this.#options = { ...options };
  }

  /** Other limits from now on; whoever waits for room asks again at once. */
  setLimits(
    { unsentBytesMax, freeBytesMin }: Pick<DiskBudgetOptions, "unsentBytesMax" | "freeBytesMin">,
  ): void {
    Object.assign(this.#options, { unsentBytesMax, freeBytesMin });
    this.#checkedAtMs = -Infinity;
    this.#wake();
  }

  get unsentBytes(): number {
    return this.#unsentBytes;
  }

  /** Counts one log's unsent bytes: to be closed when the log is. */
  account(): LogAccount {
    let ownBytes = 0;
    const change = (bytes: number) => {
      // Below zero for a moment when an event is sent before its storing was reported.
      ownBytes += bytes;
      this.#unsentBytes += bytes;
      if (bytes < 0) this.#wake();
      else this.#spareBytes -= bytes;
    };
    return {
      stored: (bytes) => change(bytes),
      sent: (bytes) => change(-bytes),
      close: () => change(-ownBytes),
    };
  }

  /** Resolves when more output may be read, or when `signal` aborts. Never rejects. */
  async waitForRoom(signal: AbortSignal): Promise<void> {
    // Asked before each of tens of thousands of reads a second, nearly always with this answer.
    if (this.#isRoomKnown()) return;
    for (;;) {
      const over = new AbortController();
      const lack = await Promise.race([this.lack(), aborted(signal, over.signal).then(() => undefined)]);
      over.abort();
      if (lack === undefined || signal.aborted) return;
      this.#remind(lack);
      const early = new AbortController();
      const wake = () => early.abort();
      signal.addEventListener("abort", wake);
      this.#woken.signal.addEventListener("abort", wake, { signal: early.signal });
      await this.#options.clock.sleep(SPACE_CHECK_MS, early.signal);
      signal.removeEventListener("abort", wake);
      early.abort();
    }
  }

  /** Whether there is room by the last measurement, and that still holds. */
  #isRoomKnown(): boolean {
    return this.#unsentBytes < this.#options.unsentBytesMax && this.#spareBytes > 0 &&
      this.#options.clock.elapsedMs() - this.#checkedAtMs < SPACE_CHECK_MS;
  }

  #wake(): void {
    const woken = this.#woken;
    this.#woken = new AbortController();
    woken.abort("woken");
  }

  /** Why nothing may be read now, or undefined when it may. Never rejects. */
  async lack(): Promise<string | undefined> {
    if (this.#unsentBytes >= this.#options.unsentBytesMax) {
      return `${this.#unsentBytes} bytes wait for the server, which is the most that may`;
    }
    // A fast job fills a disk sooner than the next check is due.
    if (this.#spareBytes <= 0 || this.#options.clock.elapsedMs() - this.#checkedAtMs >= SPACE_CHECK_MS) {
      // One question for all jobs that ask at the same time.
      this.#checking ??= this.#checkSpace().finally(() => this.#checking = undefined);
      await this.#checking;
    }
    return this.#spareBytes <= 0 ? "no space left on device but what is kept free" : undefined;
  }

  async #checkSpace(): Promise<void> {
    const { freeBytesMin, clock } = this.#options;
    try {
      const { freeBytes, totalBytes } = await this.#measure();
      this.#spareBytes = freeBytes - keptFreeBytes(totalBytes, freeBytesMin);
      this.#measured();
    } catch (error) {
      // Also when the last answer said that there is no room: that may be long past, and only a write can
      // tell.
      this.#spareBytes = Infinity;
      this.#notMeasured(error);
    }
    this.#checkedAtMs = clock.elapsedMs();
  }

  async #measure(): Promise<FileSystemSpace> {
    const { directory, clock, files } = this.#options;
    const answered = new AbortController();
    const late = clock.sleep(ANSWER_MS_MAX, answered.signal).then(() => {
      throw new Error(`the file system has not answered for ${ANSWER_MS_MAX / 1000} s`);
    });
    try {
      return await Promise.race([files.space(directory), late]);
    } finally {
      // Lets go of the timer, whose rejection nobody waits for any more then.
      late.catch(() => {});
      answered.abort();
    }
  }

  #measured(): void {
    if (this.#unmeasuredSaidAtMs === undefined) return;
    this.#unmeasuredSaidAtMs = undefined;
    const { logger, directory } = this.#options;
    logger.info("It can be seen again how much room there is", { directory });
  }

  #notMeasured(error: unknown): void {
    const { clock, directory, logger } = this.#options;
    const nowMs = clock.elapsedMs();
    const saidAtMs = this.#unmeasuredSaidAtMs ?? -Infinity;
    if (nowMs - saidAtMs < REMIND_AFTER_MS) return;
    this.#unmeasuredSaidAtMs = nowMs;
    logger.error(
      "Cannot see how much room there is on disk. Jobs go on and nothing is lost: if the disk is full, they " +
        "wait when that shows in writing. Look at the directory, for example with: airunner doctor",
      { directory, error: messageOf(error) },
    );
  }

  #remind(lack: string): void {
    const nowMs = this.#options.clock.elapsedMs();
    if (nowMs - this.#remindedAtMs < REMIND_AFTER_MS) return;
    this.#remindedAtMs = nowMs;
    this.#options.logger.error(`Jobs are paused: ${lack}. Nothing is lost; they go on when there is room`, {
      directory: this.#options.directory,
      unsent_bytes: this.#unsentBytes,
    });
  }
}

export interface LogAccount {
  stored(bytes: number): void;
  sent(bytes: number): void;
  close(): void;
}
