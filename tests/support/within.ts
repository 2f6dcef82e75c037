/**
 * A bound for waits in tests: what never comes fails its test, with what is known by then, and does not hang
 * the run.
 */
import { systemClock } from "../../src/platform/system_clock.ts";

/** Far beyond what anything takes on a busy machine. */
const LIMIT_MS = 60_000;

/** @throws {Error} with `describe`'s text when the promise is not settled after `limitMs` */
export async function within<T>(
  promise: Promise<T>,
  describe: () => string,
  limitMs: number = LIMIT_MS,
): Promise<T> {
  const over = new AbortController();
  const late = systemClock.sleep(limitMs, over.signal).then(() => {
    if (!over.signal.aborted) throw new Error(`Not after ${limitMs / 1000} s: ${describe()}`);
    return promise;
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    over.abort();
    late.catch(() => {});
  }
}

/**
 * Looks again and again until what is looked for is there, each look being a call that takes its time: for
 * what no event tells of.
 */
export async function until(look: () => Promise<boolean>, describe: () => string): Promise<void> {
  let isOver = false;
  const looking = async () => {
    while (!isOver && !await look()) continue;
  };
  try {
    await within(looking(), describe);
  } finally {
    isOver = true;
  }
}
