/**
 * Delivers a log's events, in order, until the server has stored each of them.
 *
 * Woken by appends, it sends the oldest pending events in batches and acknowledges what was accepted.
 * Whatever may pass is retried for ever; what the server refuses is narrowed down (`narrowing.ts`). No
 * event is sent before all its predecessors were stored or given up, but for the probes that a refusal
 * leads to.
 *
 * Nothing here holds what cannot be lost: the log keeps every event until its acknowledgement is written,
 * and an acknowledgement that was not written means that the events are sent again after a restart.
 */
import type { Clock } from "../platform/clock.ts";
import type { Logger } from "../platform/logging/logger.ts";
import type { Random } from "../platform/random.ts";
import { type BackoffSettings, nextDelayMs } from "../client/backoff.ts";
import { Narrowing, NEIGHBOURS_MAX } from "./narrowing.ts";
import type { PendingEvent, PendingSource } from "./pending_source.ts";
import { type CallError } from "../client/call_error.ts";
import { toCallError } from "../client/to_call_error.ts";
import type { Publisher, PublishResult } from "./publisher.ts";
import type { SenderObserver } from "./sender_observer.ts";

export type { PendingEvent, PendingSource, SenderObserver };

export interface SenderSettings {
  batchEventsMax: number;
  /** Payload bytes; a larger event goes alone. */
  batchBytesMax: number;
  /** Refusals of one event alone before it may be given up. */
  attemptsMax: number;
  backoff: BackoffSettings;
}

/** What one request holds at most, where nobody wants less. */
export const REQUEST_LIMITS = { batchEventsMax: 256, batchBytesMax: 1024 * 1024 } as const;

/** Room beside the head for its neighbours: a record is at most 10 MiB, so that one always fits. */
const PROBE_BYTES_MAX = 10 * 1024 * 1024;

export interface SenderOptions {
  log: PendingSource;
  publisher: Publisher;
  settings: Pick<SenderSettings, "attemptsMax" | "backoff"> & Partial<SenderSettings>;
  clock: Clock;
  random: Random;
  logger: Logger;
  observe?: SenderObserver;
}

/** Undefined when the call was aborted together with the run. */
type Attempt = { result: PublishResult } | { error: CallError } | undefined;

export class Sender {
  readonly #log: PendingSource;
  readonly #publisher: Publisher;
  readonly #settings: SenderSettings;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #logger: Logger;
  readonly #observe: SenderObserver;
  readonly #narrowing: Narrowing;
  /**
   * Offsets of events that the server has and the log does not know of: accepted probes, failed
   * acknowledgements.
   */
  readonly #stored = new Set<number>();
  /** Proves that the server takes events when no other is pending. */
  #lastAccepted: PendingEvent | undefined;
  /** The head, when it was proved to be bad and only its record could not be written. */
  #condemned: { offset: number; error: CallError } | undefined;
  /** Failures in a row that were followed by a delay. */
  #failures = 0;
  #outageSinceMs: number | undefined;
  #state: "new" | "busy" | "idle" | "stopped" = "new";
  #waiters = new Set<(flushed: boolean) => void>();

  constructor(options: SenderOptions) {
    this.#log = options.log;
    this.#publisher = options.publisher;
    this.#settings = { ...REQUEST_LIMITS, ...options.settings };
    this.#clock = options.clock;
    this.#random = options.random;
    this.#logger = options.logger;
    this.#observe = options.observe ?? {};
    const { batchEventsMax, batchBytesMax, attemptsMax } = this.#settings;
    this.#narrowing = new Narrowing({ batchEventsMax, batchBytesMax, attemptsMax });
  }

  /**
   * Delivers until `signal` aborts or the log is closed, and resolves then; a call in flight is aborted and
   * its events stay pending. Rejects when the log cannot be read or takes no more records. To be called
   * once.
   */
  async run(signal: AbortSignal): Promise<void> {
    if (this.#state !== "new") throw new TypeError("A sender runs once: create another for the next run");
    this.#state = "busy";
    let wokenForNothing = false;
    try {
      while (!signal.aborted) {
        const { batchEvents: events, batchBytes: bytes } = this.#narrowing;
        const pending = await this.#log.pending({ events, bytes });
        if (pending.length > 0) {
          wokenForNothing = false;
          await this.#advance(pending, signal);
          continue;
        }
        if (wokenForNothing) return; // Woken with nothing pending: the log was closed.
        wokenForNothing = true;
        this.#state = "idle";
        this.#answerWaiters(true);
        await this.#log.waitForPending(signal);
        this.#state = "busy";
      }
    } finally {
      this.#state = "stopped";
      this.#answerWaiters(false);
    }
  }

  /**
   * True as soon as nothing is pending and no call is in flight; false when `signal` aborts or the run ends
   * before that. A closed log shows nothing as pending, so the caller closes it after the run only.
   */
  async flushed(signal?: AbortSignal): Promise<boolean> {
    if (this.#state === "idle") {
      // An event may have been appended that has not woken the run yet.
      const pending = await this.#log.pending({ events: 1, bytes: 1 });
      if (pending.length === 0 && this.#isIdle()) return true;
    }
    if (signal?.aborted || this.#state === "stopped") return false;
    return await new Promise((resolve) => {
      const answer = (flushed: boolean) => {
        signal?.removeEventListener("abort", abort);
        this.#waiters.delete(answer);
        resolve(flushed);
      };
      const abort = () => answer(false);
      signal?.addEventListener("abort", abort);
      this.#waiters.add(answer);
    });
  }

  #isIdle(): boolean {
    return this.#state === "idle";
  }

  #answerWaiters(flushed: boolean): void {
    for (const answer of [...this.#waiters]) answer(flushed);
  }

  /** One step on a non-empty beginning of what is pending. */
  async #advance(pending: PendingEvent[], signal: AbortSignal): Promise<void> {
    const isStored = (event: PendingEvent) => this.#stored.has(event.offset);
    if (isStored(pending[0])) {
      const end = pending.findIndex((event) => !isStored(event));
      await this.#acknowledge(end === -1 ? pending : pending.slice(0, end), signal);
      return;
    }
    if (this.#condemned?.offset === pending[0].offset) {
      return await this.#giveUp(pending[0], this.#condemned.error, signal);
    }
    const end = pending.findIndex(isStored);
    const batch = end === -1 ? pending : pending.slice(0, end);
    const attempt = await this.#attempt(batch, signal);
    if (attempt === undefined) return;
    if ("error" in attempt) return await this.#refusedOrFailed(batch, attempt.error, signal);
    this.#narrowing.accepted(batch.length);
    this.#lastAccepted = batch[batch.length - 1];
    this.#reportSuccess(batch.length);
    await this.#acknowledge(batch, signal);
  }

  async #refusedOrFailed(
    batch: readonly PendingEvent[],
    error: CallError,
    signal: AbortSignal,
  ): Promise<void> {
    if (error.kind !== "refused") return await this.#failed(batch.length, error, signal);
    const verdict = this.#narrowing.refused(batch.length, payloadBytes(batch), error.tooLarge);
    switch (verdict) {
      case "halve":
        // Without a delay, unless the server asks for one: it takes eight calls to find one event in 256.
        return await this.#pause(
          batch.length,
          error,
          error.retryAfterMs ? this.#nextDelayMs(error) : 0,
          signal,
        );
      case "retry":
        return await this.#backOff(1, error, signal);
      case "probe":
        return await this.#probe(batch[0], error, signal);
    }
  }

  /** A failure that says nothing about the events. */
  async #failed(count: number, error: CallError, signal: AbortSignal): Promise<void> {
    this.#narrowing.interrupted();
    await this.#backOff(count, error, signal);
  }

  /** Lets the server prove that it takes other events of this log. */
  async #probe(head: PendingEvent, refusal: CallError, signal: AbortSignal): Promise<void> {
    for (const candidate of await this.#probeCandidates(head)) {
      const attempt = await this.#attempt([candidate], signal);
      if (attempt === undefined) return;
      if ("result" in attempt) {
        // It waits for the head's fate: records in the log are in order, and an acknowledgement covers all
        // before it.
        if (candidate !== this.#lastAccepted) this.#stored.add(candidate.offset);
        this.#lastAccepted = candidate;
        if (this.#narrowing.probeAccepted() === "give_up") await this.#giveUp(head, refusal, signal);
        return; // Else the head is tried once more at once: the server may have come back just now.
      }
      if (attempt.error.kind !== "refused") return await this.#failed(1, attempt.error, signal);
    }
    this.#narrowing.probesRefused();
    await this.#backOff(1, refusal, signal, "kept: no other event of this log was accepted either");
  }

  /** Neighbours that the server does not have yet, then the last event that it took. */
  async #probeCandidates(head: PendingEvent): Promise<PendingEvent[]> {
    // However often a proof is interrupted, no more than this is ever sent ahead of the head.
    const events = Math.min(NEIGHBOURS_MAX, this.#stored.size + this.#narrowing.neighboursWanted);
    const pending = await this.#log.pending({
      events: 1 + events,
      bytes: head.length + PROBE_BYTES_MAX,
    });
    const neighbours = pending.filter(({ offset }) => offset !== head.offset && !this.#stored.has(offset));
    const candidates = this.#narrowing.probes(neighbours.length).map((index) => neighbours[index]);
    return this.#lastAccepted === undefined ? candidates : [...candidates, this.#lastAccepted];
  }

  async #giveUp(event: PendingEvent, error: CallError, signal: AbortSignal): Promise<void> {
    const attempts = this.#narrowing.refusals;
    this.#condemned = undefined;
    try {
      await this.#log.fail(event, { code: error.code, message: error.message, attempts });
    } catch (cause) {
      this.#condemned = { offset: event.offset, error };
      return await this.#recordFailed("Failed to record an event as given up - retrying", cause, signal);
    }
    this.#narrowing.gaveUp();
    this.#failures = 0;
    this.#observe.failed?.(event);
    this.#logger.error("Gave up an event that the server refuses - it stays in the log, the others go on", {
      sequence: event.sequence,
      code: error.code,
      http_status: error.httpStatus,
      attempts,
      error: error.message,
    });
  }

  /** Records what the server has. Events that cannot be recorded are remembered instead of sent again. */
  async #acknowledge(events: readonly PendingEvent[], signal: AbortSignal): Promise<void> {
    try {
      await this.#log.acknowledge(events);
    } catch (cause) {
      for (const { offset } of events) this.#stored.add(offset);
      return await this.#recordFailed("Failed to record events as sent - retrying", cause, signal);
    }
    for (const { offset } of events) this.#stored.delete(offset);
    this.#observe.acknowledged?.(events.length);
  }

  /** A full disk passes, so the record is tried again; a log that takes no more ends the run. */
  async #recordFailed(message: string, cause: unknown, signal: AbortSignal): Promise<void> {
    if (this.#log.sealed !== undefined) throw cause;
    const delayMs = nextDelayMs(++this.#failures, this.#settings.backoff, this.#random);
    this.#logger.warn(message, {
      delay_ms: delayMs,
      error: cause instanceof Error ? cause.message : String(cause),
    });
    await this.#clock.sleep(delayMs, signal);
  }

  async #attempt(events: readonly PendingEvent[], signal: AbortSignal): Promise<Attempt> {
    this.#logger.debug("Attempting to send unsent records", { unsent_count: events.length });
    const startMs = this.#clock.elapsedMs();
    const report = (result: "accepted" | "aborted" | CallError["kind"], error?: CallError) =>
      this.#observe.attempt?.({
        result,
        code: error?.code,
        httpStatus: error?.httpStatus,
        isBroken: error?.isBroken,
        events: events.length,
        durationMs: this.#clock.elapsedMs() - startMs,
      });
    try {
      const result = await this.#publisher.publish(events, signal);
      report("accepted");
      if (result.duplicates) this.#observe.duplicates?.(result.duplicates);
      return { result };
    } catch (cause) {
      if (signal.aborted) {
        report("aborted");
        return undefined;
      }
      const error = toCallError(cause, this.#clock.nowMs());
      report(error.kind, error);
      return { error };
    }
  }

  #nextDelayMs(error: CallError): number {
    // Credentials do not come back within seconds, and a server may lock out who knocks too often.
    const failures = error.kind === "authentication" ? Infinity : Math.max(1, this.#failures);
    return nextDelayMs(failures, this.#settings.backoff, this.#random, error.retryAfterMs);
  }

  async #backOff(count: number, error: CallError, signal: AbortSignal, note?: string): Promise<void> {
    this.#failures++;
    this.#outageSinceMs ??= this.#clock.elapsedMs();
    await this.#pause(count, error, this.#nextDelayMs(error), signal, note);
  }

  async #pause(
    count: number,
    error: CallError,
    delayMs: number,
    signal: AbortSignal,
    note?: string,
  ): Promise<void> {
    this.#logger.warn("Failed to send events - retrying", {
      count,
      code: error.code,
      http_status: error.httpStatus,
      attempt: this.#failures,
      delay_ms: delayMs,
      error: error.message,
      note,
    });
    this.#observe.retry?.(delayMs);
    if (delayMs > 0) await this.#clock.sleep(delayMs, signal);
  }

  #reportSuccess(count: number): void {
    if (this.#outageSinceMs === undefined) {
      this.#logger.debug("Successfully sent records", { count });
    } else {
      const outForMs = Math.round(this.#clock.elapsedMs() - this.#outageSinceMs);
      this.#logger.info("Successfully sent records", { count, out_for_ms: outForMs });
    }
    this.#failures = 0;
    this.#outageSinceMs = undefined;
  }
}

function payloadBytes(events: readonly PendingEvent[]): number {
  return events.reduce((total, { payload }) => total + payload.length, 0);
}
