/**
 * Sends what a server lacks of one log, because an operator asked for it: the same sender as in the worker,
 * but with an end. A worker tries for ever; here somebody waits, so a server that is away, does not let us in
 * or refuses everything ends it, and what was sent by then is recorded in the log.
 */
import type { Transport } from "@connectrpc/connect";
import type { BackoffSettings } from "../client/backoff.ts";
import { createPublisher, ORPHANED_LOG_SOURCE, type Publisher } from "../delivery/publisher.ts";
import { type CallError } from "../client/call_error.ts";
import { toCallError } from "../client/to_call_error.ts";
import { REQUEST_LIMITS, Sender, type SenderObserver } from "../delivery/sender.ts";
import type { SendAttempt } from "../delivery/sender_observer.ts";
import type { Clock } from "../platform/clock.ts";
import type { Logger } from "../platform/logging/logger.ts";
import type { Random } from "../platform/random.ts";
import type { Execution } from "../wal/execution.ts";
import type { Log } from "../wal/log.ts";
import { completeJob, type JobEnd, resultOf } from "../job/complete_job.ts";
import type { JobClient } from "../client/job_client.ts";
import { messageOf } from "../platform/error_text.ts";

export interface ReplayContext {
  transport: Transport;
  jobClient: Pick<JobClient, "complete">;
  requestTimeoutMs: number;
  backoff: BackoffSettings;
  clock: Clock;
  random: Random;
  logger: Logger;
}

export interface ReplayOptions {
  /** Opened so that just what is to be sent is pending in it. */
  log: Log;
  execution: Execution & { task_token: string };
  /** Undefined sends as fast as the server takes it. */
  eventsPerSecondMax: number | undefined;
  /** Called with how many of the log's events are done with. */
  onProgress(events: number): void;
}

/**
 * `sent`: nothing that was asked for is left, though some of it may have been given up. Everything else is
 * left in the log.
 */
export type ReplayEnd = "sent" | "refused" | "unreachable" | "authentication" | "interrupted" | "failed";

export interface ReplayResult {
  end: ReplayEnd;
  sent: number;
  /** How many of them the server had before; it does not have to say. */
  duplicates: number;
  /** Events that the server refuses while it takes others. */
  gaveUp: number;
  /** Why it ended, for every end but `sent`. */
  reason: string | undefined;
}

/** A server that does not answer for this long is away; a restart takes less. */
const PATIENCE_MS = 30_000;

/**
 * Refusals of one event alone before others have to prove that it is to blame. They follow refusals of an
 * earlier run.
 */
const ATTEMPTS_MAX = 3;

/**
 * Refusals of single events in a row, without one acceptance: the attempts at the first, and as many others.
 * Then it is not the events, and whoever waits is told.
 */
const REFUSALS_MAX = ATTEMPTS_MAX + 3;

/** An operator does not wait for a minute between two tries. */
const BACKOFF_MAX_MS = 5000;

export async function replayLog(
  context: ReplayContext,
  options: ReplayOptions,
  signal: AbortSignal,
): Promise<ReplayResult> {
  const { log, execution, eventsPerSecondMax } = options;
  const { transport, clock, random, logger, requestTimeoutMs: deadlineMs } = context;
  const watch = new Watch(options, clock);
  const ended = AbortSignal.any([signal, watch.over]);
  const target = { taskToken: execution.task_token, jobId: execution.job_id, source: ORPHANED_LOG_SOURCE };
  const publisher = watch.watched(
    paced(createPublisher({ transport, target, deadlineMs, clock }), eventsPerSecondMax, clock),
  );
  // A batch is what goes out at once, so at a low rate it is a second's worth.
  const batchEventsMax = Math.max(
    1,
    Math.min(REQUEST_LIMITS.batchEventsMax, Math.floor(eventsPerSecondMax ?? Infinity)),
  );
  const backoff = { ...context.backoff, maxMs: Math.min(BACKOFF_MAX_MS, context.backoff.maxMs) };
  const settings = { batchEventsMax, attemptsMax: ATTEMPTS_MAX, backoff };
  const sender = new Sender({ log, publisher, settings, clock, random, logger, observe: watch });
  const running = sender.run(ended).catch((error: unknown) => watch.stop("failed", messageOf(error)));
  if (await sender.flushed(ended)) watch.stop("sent", undefined);
  else if (signal.aborted) watch.stop("interrupted", "it was interrupted");
  // Ends by itself when the log could not be read or written, which is the reason then.
  await running;
  return watch.result;
}

/**
 * Tells the server how the job ended, once it has all of the log. `outstanding` and `aborted` leave that to
 * do: somebody waits here, so a server that refuses or does not answer is not tried for long.
 */
export async function completeReplayed(
  { jobClient: server, backoff, clock, random, logger }: ReplayContext,
  { execution, log, end }: { execution: ReplayOptions["execution"]; log: Pick<Log, "counts">; end: JobEnd },
  signal: AbortSignal,
): ReturnType<typeof completeJob> {
  const over = new AbortController();
  const late = AbortSignal.any([signal, over.signal]);
  clock.sleep(PATIENCE_MS, late).then(() => over.abort());
  const options = {
    server,
    taskToken: execution.task_token,
    result: resultOf(execution.job_id, end, log.counts.failed),
    backoff,
    clock,
    random,
    logger,
  };
  try {
    return await completeJob(options, late);
  } finally {
    over.abort();
  }
}

/** Sees every answer of the server, counts, and decides when it is over. */
class Watch implements SenderObserver {
  readonly #over = new AbortController();
  readonly #options: ReplayOptions;
  readonly #clock: Clock;
  readonly result: ReplayResult = { end: "sent", sent: 0, duplicates: 0, gaveUp: 0, reason: undefined };
  #isOver = false;
  #lastError: CallError | undefined;
  #awaySinceMs: number | undefined;
  #refusals = 0;

  constructor(options: ReplayOptions, clock: Clock) {
    this.#options = options;
    this.#clock = clock;
  }

  /** Aborts when there is no point in going on. */
  get over(): AbortSignal {
    return this.#over.signal;
  }

  /** The first reason counts: what follows from it is not the reason. */
  stop(end: ReplayEnd, reason: string | undefined): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.result.end = end;
    this.result.reason = reason;
    this.#over.abort();
  }

  watched(publisher: Publisher): Publisher {
    return {
      publish: async (events, signal) => {
        try {
          return await publisher.publish(events, signal);
        } catch (error) {
          this.#lastError = toCallError(error, this.#clock.nowMs());
          throw this.#lastError;
        }
      },
    };
  }

  attempt({ result, events }: SendAttempt): void {
    const why = this.#lastError?.message ?? "no answer";
    switch (result) {
      case "accepted":
        this.#refusals = 0;
        this.#awaySinceMs = undefined;
        return;
      case "authentication":
        return this.stop("authentication", why);
      case "transient":
        this.#awaySinceMs ??= this.#clock.elapsedMs();
        if (this.#clock.elapsedMs() - this.#awaySinceMs >= PATIENCE_MS) this.stop("unreachable", why);
        return;
      case "refused":
        this.#awaySinceMs = undefined;
        if (events === 1 && ++this.#refusals >= REFUSALS_MAX) this.stop("refused", why);
        return;
      case "aborted":
        return;
    }
  }

  acknowledged(count: number): void {
    this.result.sent += count;
    this.#progress();
  }

  duplicates(count: number): void {
    this.result.duplicates += count;
  }

  failed(): void {
    this.result.gaveUp++;
    this.#progress();
  }

  #progress(): void {
    this.#options.onProgress(this.result.sent + this.result.gaveUp);
  }
}

/** Waits before each call until the events before it have used up their share of time. */
function paced(publisher: Publisher, eventsPerSecondMax: number | undefined, clock: Clock): Publisher {
  if (eventsPerSecondMax === undefined) return publisher;
  let freeAtMs = clock.elapsedMs();
  return {
    async publish(events, signal) {
      const waitMs = freeAtMs - clock.elapsedMs();
      if (waitMs > 0) await clock.sleep(waitMs, signal);
      freeAtMs = Math.max(freeAtMs, clock.elapsedMs()) + 1000 * events.length / eventsPerSecondMax;
      return await publisher.publish(events, signal);
    },
  };
}
