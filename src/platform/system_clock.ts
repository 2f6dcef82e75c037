/**
 * The machine's time.
 */
import { setImmediate } from "node:timers";
import type { Clock, NextTurn } from "./clock.ts";

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  elapsedMs: () => performance.now(),
  sleep(durationMs, signal) {
    if (signal?.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", wake);
        resolve();
      };
      const timer = setTimeout(wake, durationMs);
      signal?.addEventListener("abort", wake, { once: true });
    });
  },
};

export const systemNextTurn: NextTurn = (action) => void setImmediate(action);
