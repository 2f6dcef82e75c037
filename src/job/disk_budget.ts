/**
 * How much the worker may let pile up on disk before jobs have to wait: output that the server has not
 * taken yet, and the space that must stay free. Shared by all jobs of one data directory.
 *
 * It is asked before a job's pipe is read. What was read is always stored, so the budget may be passed
 * by the few batches that are on their way.
 */
import { statfs } from "node:fs";
import { promisify } from "node:util";
import type { Clock } from "../platform/clock.ts";
import type { Logger } from "../platform/logging/logger.ts";

export interface DiskBudgetOptions {
  directory: string;
  /** Bytes of unsent events on disk, over all logs of the directory. */
  unsentBytesMax: number;
  /** Bytes that stay free on the file system; on a small one a twentieth of it, if that is less. */
  freeBytesMin: number;
  clock: Clock;
  logger: Logger;
  /** The seam for tests. */
  space?(directory: string): Promise<{ freeBytes: number; totalBytes: number }>;
}

/** How long an answer about free space holds, and how often it is asked for while jobs wait. */
const SPACE_CHECK_MS = 500;
const REMIND_AFTER_MS = 60_000;

export class DiskBudget {
  readonly #options: DiskBudgetOptions;
  #unsentBytes = 0;
  #checkedAtMs = -Infinity;
  /** Bytes that may be stored until space is too little, as of the last check and what was stored since. */
  #spareBytes = 0;
  #checking: Promise<void> | undefined;
  #remindedAtMs = -Infinity;
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

  /** Resolves when more output may be read, or when `signal` aborts. */
  async waitForRoom(signal: AbortSignal): Promise<void> {
    for (;;) {
      const lack = await this.lack();
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

  #wake(): void {
    const woken = this.#woken;
    this.#woken = new AbortController();
    woken.abort();
  }

  /** Why nothing may be read now, or undefined when it may. */
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
    const { directory, freeBytesMin, clock, space = spaceOf } = this.#options;
    const { freeBytes, totalBytes } = await space(directory);
    this.#spareBytes = freeBytes - Math.min(freeBytesMin, totalBytes / 20);
    this.#checkedAtMs = clock.elapsedMs();
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

async function spaceOf(directory: string): Promise<{ freeBytes: number; totalBytes: number }> {
  const { bavail, blocks, bsize } = await promisify(statfs)(directory);
  return { freeBytes: bavail * bsize, totalBytes: blocks * bsize };
}
