/**
 * How a worker hears that a job which it runs is to be cancelled: by a call that stays open, which registers
 * the worker and names what it runs. When that changes, a new call is opened, and the old one is closed once
 * the new one answers, so that nothing falls between the two. A server tells each call of every cancellation
 * that concerns it, also of those from before, so nothing is lost while none is open.
 *
 *     nothing open    -> call opened, answered                        -> open
 *     open            -> other jobs run: another call, as above       -> open
 *                     -> 45 s of silence, or it ended: after a wait   -> nothing open
 *     the server does not know the call                               -> asked again in an hour, or when it
 *                                                                        is back from wherever it was
 */
import { type BackoffSettings, nextDelayMs } from "../client/backoff.ts";
import { CallError } from "../client/call_error.ts";
import {
  isUnsupported,
  UNSUPPORTED_WAIT_MS,
  type WorkerClient,
  type WorkerIdentity,
} from "../client/worker_client.ts";
import { aborted } from "../platform/aborted.ts";
import type { Clock } from "../platform/clock.ts";
import type { Logger } from "../platform/logging/logger.ts";
import type { Random } from "../platform/random.ts";

/** A server gives a sign of life every 15 s; this is three of them missed. */
const SILENCE_MAX_MS = 45_000;
/**
 * Jobs that are over within this time need no call of their own. A cancellation is to be heard within 1 s.
 */
const SETTLE_MS = 100;

export interface CancellationsOptions {
  client: Pick<WorkerClient, "watch" | "serverIsBack">;
  /** As of now: concurrency may change. */
  worker(): WorkerIdentity;
  backoff: BackoffSettings;
  clock: Clock;
  random: Random;
  logger: Logger;
}

/** An execution whose cancellation is listened for until it is disposed of. */
export interface Listening extends Disposable {
  /** Aborts when the job is to be cancelled, with a string that says why as its reason; it may be empty. */
  readonly signal: AbortSignal;
}

interface Listener {
  readonly jobId: string;
  readonly taskToken: string;
  readonly controller: AbortController;
}

/** One call. */
interface Call {
  /** Whether it was answered; resolves when that is known. */
  readonly opened: Promise<boolean>;
  /** Aborts when it is over, with the error that ended it, if there was one. */
  readonly over: AbortSignal;
  close(): void;
}

export class Cancellations {
  readonly #options: CancellationsOptions;
  readonly #listeners = new Set<Listener>();
  /** Aborts, and is replaced, when other executions run. */
  #changed = new AbortController();
  /** The same when the server has answered again. */
  #isBack = new AbortController();
  #isUnsupportedSaid = false;
  /** Calls that are not over yet. None of them rejects. */
  readonly #reading = new Set<Promise<void>>();

  constructor(options: CancellationsOptions) {
    this.#options = options;
  }

  listen(jobId: string, taskToken: string): Listening {
    const controller = new AbortController();
    const listener = { jobId, taskToken, controller };
    this.#listeners.add(listener);
    this.#notify();
    return {
      signal: controller.signal,
      [Symbol.dispose]: () => {
        if (this.#listeners.delete(listener)) this.#notify();
      },
    };
  }

  /** The server answers again after a while in which it did not, so it may be worth asking. */
  serverIsBack(): void {
    this.#options.client.serverIsBack();
    const isBack = this.#isBack;
    this.#isBack = new AbortController();
    isBack.abort();
  }

  /** Registers the worker and hears of cancellations until `signal` aborts. Never rejects for a call. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    let current: Call | undefined;
    try {
      for (let failures = 0; !signal.aborted;) {
        const changed = this.#changed.signal;
        const next = this.#open(signal);
        if (!await next.opened) {
          await this.#waitAfter(next.over.reason, ++failures, signal);
          continue;
        }
        current?.close();
        current = next;
        failures = 0;
        await firstOf(changed, next.over, signal);
        if (next.over.aborted) await this.#waitAfter(next.over.reason, ++failures, signal);
        else await clock.sleep(SETTLE_MS, signal);
      }
    } finally {
      current?.close();
      await Promise.all(this.#reading);
    }
  }

  #notify(): void {
    const changed = this.#changed;
    this.#changed = new AbortController();
    changed.abort();
  }

  async #waitAfter(error: unknown, failures: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    const { clock, random, backoff, logger } = this.#options;
    const worthwhile = AbortSignal.any([signal, this.#isBack.signal]);
    const { message, retryAfterMs } = error as Partial<CallError>;
    if (error instanceof CallError && isUnsupported(error)) {
      if (!this.#isUnsupportedSaid) {
        logger.debug("The server does not tell workers of cancellations; jobs run to their ends", {
          error: message,
        });
      }
      this.#isUnsupportedSaid = true;
      await clock.sleep(UNSUPPORTED_WAIT_MS, worthwhile);
      return;
    }
    this.#isUnsupportedSaid = false;
    const delayMs = nextDelayMs(failures, backoff, random, retryAfterMs);
    const isRefused = error instanceof CallError && error.kind === "authentication" && failures === 1;
    const fields = { error: message ?? "the server ended the call", delay_ms: delayMs };
    if (isRefused) logger.warn("Not allowed to hear of cancellations - retrying", fields);
    else logger.debug("Cannot hear of cancellations at the moment - retrying", fields);
    await clock.sleep(delayMs, worthwhile);
  }

  #open(signal: AbortSignal): Call {
    const { client, worker } = this.#options;
    const opened = Promise.withResolvers<boolean>();
    const closing = new AbortController();
    const over = new AbortController();
    const tokens = [...this.#listeners].map(({ taskToken }) => taskToken);
    const read = async () => {
      const silence = this.#limitSilence();
      const ending = new AbortController();
      firstOf(signal, closing.signal, silence.signal, over.signal).then(() => ending.abort());
      try {
        for await (const event of client.watch(worker(), tokens, ending.signal)) {
          silence.broken();
          opened.resolve(true);
          if (event.kind === "cancellation") this.#cancel(event.jobId, event.reason);
        }
        over.abort(silence.signal.aborted ? new Error(`no sign of life for ${SILENCE_MAX_MS / 1000} s`) : {});
      } catch (error) {
        over.abort(error);
      } finally {
        silence.end();
        opened.resolve(false);
      }
    };
    const reading = read().finally(() => this.#reading.delete(reading));
    this.#reading.add(reading);
    return { opened: opened.promise, over: over.signal, close: () => closing.abort() };
  }

  /** A signal that aborts when nothing was heard for too long. */
  #limitSilence() {
    const { clock } = this.#options;
    const tooLong = new AbortController();
    let heard = new AbortController();
    const wait = () => {
      const until = heard.signal;
      clock.sleep(SILENCE_MAX_MS, until).then(() => {
        if (!until.aborted) tooLong.abort();
      });
    };
    wait();
    return {
      signal: tooLong.signal,
      broken() {
        heard.abort();
        heard = new AbortController();
        wait();
      },
      end: () => heard.abort(),
    };
  }

  /** All executions of the job that run here: a worker may have been given it again while it ran it. */
  #cancel(jobId: string, reason: string): void {
    for (const { jobId: theirs, controller } of this.#listeners) {
      if (theirs === jobId) controller.abort(reason);
    }
  }
}

/**
 * Resolves when one of them aborts. Not by `AbortSignal.any`: nothing but its listener would hold on to such
 * a signal, and the runtime lets go of both then.
 */
async function firstOf(...signals: AbortSignal[]): Promise<void> {
  const over = new AbortController();
  await Promise.race(signals.map((signal) => aborted(signal, over.signal)));
  over.abort();
}
