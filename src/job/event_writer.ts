/**
 * Puts a job's events into its log: gives each its sequence, one after another, and stores it before
 * anything else happens to it. A full disk makes it wait, never drop.
 *
 * Events are appended one at a time. That keeps their order through a failed and repeated append, and
 * costs little, because a batch of output is large against the sync that makes it durable.
 */
import { createEvent, encodeEvent } from "../events/event.ts";
import type { Clock } from "../platform/clock.ts";
import type { Logger } from "../platform/logging/logger.ts";
import { LogWriteError } from "../wal/errors.ts";
import type { Log, NewEvent } from "../wal/log.ts";
import { batchPayload, type OutputBatch } from "./batcher.ts";

/** What the writer needs of a log. */
export type EventLog = Pick<Log, "append" | "path" | "lastSequence" | "counts">;
export type EventData = Parameters<typeof createEvent>[2];

export interface EventWriterOptions {
  log: EventLog;
  clock: Clock;
  logger: Logger;
  /** Ends the waiting for a full disk; what is not stored by then is not stored. */
  giveUp: AbortSignal;
  /** From the server's ExecutionConfig, handed on to players of the output. */
  playbackIntervalMs?: number;
  /** Told of each event once it is durable. */
  onStored?(sequence: bigint, payloadBytes: number): void;
}

/** Output batches that may wait for the one that is being stored: enough to keep reading meanwhile. */
const BATCHES_WAITING_MAX = 2;
const RETRY_FIRST_MS = 250;
const RETRY_LAST_MS = 5000;
/** A full disk is worth a line each minute, not each try. */
const REMIND_AFTER_MS = 60_000;

/** The worker is being stopped while an event could not be stored. */
export class WritingGivenUpError extends Error {
  override name = "WritingGivenUpError";
}

export class EventWriter {
  readonly #options: EventWriterOptions;
  readonly #broken = new AbortController();
  #nextSequence: bigint;
  #tail: Promise<void> = Promise.resolve();
  #batchesWaiting: Promise<void>[] = [];

  constructor(options: EventWriterOptions) {
    this.#options = options;
    this.#nextSequence = options.log.lastSequence + 1n;
  }

  /** Aborts when the log takes no more events, with the error as its reason. Nothing is stored after that. */
  get broken(): AbortSignal {
    return this.#broken.signal;
  }

  /** Resolves when the event is durable. Its place among the events is taken by the time the call returns. */
  async write(data: EventData): Promise<void> {
    const timestampMs = this.#options.clock.nowMs();
    const sequence = this.#nextSequence;
    const payload = encodeEvent(createEvent(sequence, timestampMs, data));
    await this.#enqueue({ sequence, timestampMs, payload }, 1);
  }

  /**
   * Takes batches in this order, and resolves when there is room for more of them: which may be before
   * they are durable. `settled()` tells when that is. Rejects when the log takes no more.
   */
  async writeBatches(batches: readonly OutputBatch[]): Promise<void> {
    // All are taken before anything is awaited, so that batches of another caller stay behind them.
    for (const batch of batches) {
      const sequence = this.#nextSequence;
      const payload = batchPayload(batch, sequence, this.#options.playbackIntervalMs);
      const count = batch.items.length;
      this.#options.logger.debug("Flushing output batch", {
        start_seq: sequence,
        end_seq: sequence + BigInt(count) - 1n,
      });
      const stored = this.#enqueue({ sequence, timestampMs: batch.firstTimestampMs, payload }, count);
      const waiting = stored.finally(() => {
        this.#batchesWaiting = this.#batchesWaiting.filter((other) => other !== waiting);
      });
      // Met again by whoever waits for room or asks `settled`.
      waiting.catch(() => {});
      this.#batchesWaiting.push(waiting);
    }
    while (this.#batchesWaiting.length > BATCHES_WAITING_MAX) await this.#batchesWaiting[0];
    if (this.broken.aborted) throw this.broken.reason;
  }

  /** Whether output batches are on their way to the disk. */
  get isWriting(): boolean {
    return this.#batchesWaiting.length > 0;
  }

  /** Resolves when the output batches that are on their way now are durable, or never will be. */
  async written(): Promise<void> {
    await Promise.allSettled(this.#batchesWaiting);
  }

  /** Resolves when everything that was written is durable; rejects when it never will be. */
  async settled(): Promise<void> {
    await this.#tail;
    if (this.broken.aborted) throw this.broken.reason;
  }

  /** Takes an event that is encoded, or sure to be: its sequences would be missing if it failed later. */
  #enqueue(event: NewEvent, sequencesUsed: number): Promise<void> {
    this.#nextSequence += BigInt(sequencesUsed);
    const stored = this.#tail.then(() => this.#store(event));
    this.#tail = stored.catch((error) => this.#broken.abort(error));
    return stored;
  }

  async #store(event: NewEvent): Promise<void> {
    if (this.broken.aborted) throw this.broken.reason;
    const { log, clock, logger, giveUp, onStored } = this.#options;
    for (let waitMs = RETRY_FIRST_MS, waitedMs = 0, remindAtMs = 0;;) {
      try {
        await log.append(event);
        if (waitedMs > 0) logger.info("Output is being stored again", { after_ms: Math.round(waitedMs) });
        onStored?.(event.sequence, event.payload.length);
        return;
      } catch (error) {
        // Only a write that was rolled back may be tried again; after a failed sync nothing may.
        if (!(error instanceof LogWriteError)) throw error;
        if (giveUp.aborted) throw givenUp(log.path, error);
        if (waitedMs >= remindAtMs) {
          logger.error(pausedMessage(error), { path: log.path });
          remindAtMs = waitedMs + REMIND_AFTER_MS;
        }
      }
      await clock.sleep(waitMs, giveUp);
      waitedMs += waitMs;
      waitMs = Math.min(waitMs * 2, RETRY_LAST_MS);
    }
  }
}

function pausedMessage(error: LogWriteError): string {
  const why = error.noSpace ? "no space left on device" : String(error.cause ?? error.message);
  return `Cannot store output: ${why}. The job is paused and nothing is lost; it goes on once the write succeeds` +
    (error.noSpace ? ". Free space, for example with: airunner wal cleanup --older-than=7d" : "");
}

function givenUp(path: string, cause: LogWriteError): WritingGivenUpError {
  return new WritingGivenUpError(
    `Stopped while ${path} could not be written: the output that was still waiting for it is not stored; ` +
      "everything before it is",
    { cause },
  );
}
