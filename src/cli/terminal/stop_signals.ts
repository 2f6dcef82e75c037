/**
 * How a program that runs until it is stopped is stopped: the first signal asks it to end in order, the
 * second to end at once, and a third does not wait for it any more.
 */
import type { Logger } from "../../platform/logging/logger.ts";
import type { Signals } from "../context.ts";

export interface StopSignals {
  /** Aborts at the first SIGTERM or SIGINT. */
  readonly drain: AbortSignal;
  /** Aborts at the second. */
  readonly stop: AbortSignal;
  /** Resolves at the third. */
  readonly abandoned: Promise<void>;
  release(): void;
}

export function stopSignals(signals: Signals, logger: Logger): StopSignals {
  const drain = new AbortController();
  const stop = new AbortController();
  const abandoned = Promise.withResolvers<void>();
  const release = signals.take((name) => {
    if (stop.signal.aborted) {
      abandoned.resolve();
    } else if (drain.signal.aborted) {
      logger.warn("Stopping at once", { signal: name });
      stop.abort();
    } else {
      logger.info("Stopping; a second signal stops at once", { signal: name });
      drain.abort();
    }
  });
  return { drain: drain.signal, stop: stop.signal, abandoned: abandoned.promise, release };
}
