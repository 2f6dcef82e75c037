/**
 * Time that passes when a test says so, for code that runs beside real processes and sockets.
 */
import type { Clock } from "../../src/platform/clock.ts";
import { within } from "./within.ts";

interface Sleeper {
  durationMs: number;
  wakeAtMs: number;
  wake(): void;
}

export class ManualClock implements Clock {
  #elapsedMs = 0;
  readonly #startMs: number;
  readonly #sleepers = new Set<Sleeper>();
  #watchers: (() => void)[] = [];

  constructor(startMs = 1_700_000_000_000) {
    this.#startMs = startMs;
  }

  nowMs(): number {
    return this.#startMs + this.#elapsedMs;
  }

  elapsedMs(): number {
    return this.#elapsedMs;
  }

  sleep(durationMs: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return Promise.resolve();
    // No time passes; others only get a turn.
    if (durationMs === 0) return new Promise((resolve) => setTimeout(resolve));
    return new Promise((resolve) => {
      const wake = () => {
        this.#sleepers.delete(sleeper);
        signal?.removeEventListener("abort", wake);
        resolve();
      };
      const sleeper = { durationMs, wakeAtMs: this.#elapsedMs + durationMs, wake };
      this.#sleepers.add(sleeper);
      signal?.addEventListener("abort", wake, { once: true });
      for (const watcher of this.#watchers.splice(0)) watcher();
    });
  }

  /** Resolves when somebody sleeps who asked for exactly this long. */
  async sleeping(durationMs: number): Promise<void> {
    while (![...this.#sleepers].some((sleeper) => sleeper.durationMs === durationMs)) {
      const change = new Promise<void>((resolve) => this.#watchers.push(resolve));
      await within(change, () => `nobody sleeps for ${durationMs} ms`);
    }
  }

  /** Lets time pass at once, and wakes whose time has come, in the order of their times. */
  advance(durationMs: number): void {
    this.#elapsedMs += durationMs;
    const due = [...this.#sleepers].filter(({ wakeAtMs }) => wakeAtMs <= this.#elapsedMs);
    for (const sleeper of due.sort((a, b) => a.wakeAtMs - b.wakeAtMs)) sleeper.wake();
  }

  /** Waits until somebody sleeps for exactly this long, and lets that time pass. */
  async pass(durationMs: number): Promise<void> {
    await this.sleeping(durationMs);
    this.advance(durationMs);
  }
}
