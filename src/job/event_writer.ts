/**
 * Puts a job's events into its log: gives each its sequence, one after another, and stores it before
 * anything else happens to it. A full disk makes it wait, never drop.
 *
 * What gathers while a write is under way is appended together and so shares the next one and its sync. The
 * log takes appends that are outstanding in their order or turns them away together, so a failed write turns
 * away the last ones of those appended, never one in between; these are appended again, in their order.
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

/**
 * Output batches that may wait for those that are being stored: enough to keep reading meanwhile. More of
 * them would be read past the disk budget, which counts what is stored.
 */
const BATCHES_WAITING_MAX = 2;
const RETRY_FIRST_MS = 250;
const RETRY_LAST_MS = 5000;
/** A full disk is worth a line each minute, not each try. */
const REMIND_AFTER_MS = 60_000;

/** The worker is being stopped while an event could not be stored. */
export class WritingGivenUpError extends Error {
  override name = "WritingGivenUpError";
}

/** An event on its way, and who waits for it. */
interface Queued {
  readonly event: NewEvent;
  resolve(): void;
  reject(error: unknown): void;
}

export class EventWriter {
  readonly #options: EventWriterOptions;
  readonly #broken = new AbortController();
  #nextSequence: bigint;
  #queue: Queued[] = [];
  /** Resolves when the queue is empty and nothing of it is being stored. */
  #storing: Promise<void> | undefined;
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
    await this.#storing;
    if (this.broken.aborted) throw this.broken.reason;
  }

  /** Takes an event that is encoded, or sure to be: its sequences would be missing if it failed later. */
  #enqueue(event: NewEvent, sequencesUsed: number): Promise<void> {
    this.#nextSequence += BigInt(sequencesUsed);
    const stored = new Promise<void>((resolve, reject) => this.#queue.push({ event, resolve, reject }));
    this.#storing ??= this.#run();
    return stored;
  }

  /** Stores what is queued, group after group. Never rejects. */
  async #run(): Promise<void> {
    while (this.#queue.length > 0) {
      const group = this.#queue;
      this.#queue = [];
      try {
        await this.#store(group);
      } catch (error) {
        this.#broken.abort(error);
      }
      // After an error nothing is stored any more, neither of the group nor of what came since.
      if (!this.broken.aborted) continue;
      for (const queued of [...group, ...this.#queue.splice(0)]) queued.reject(this.broken.reason);
    }
    // Nothing is awaited between finding the queue empty and this, so that nothing is left in it.
    this.#storing = undefined;
  }

  /** Resolves when all of the group is durable. */
  async #store(group: readonly Queued[]): Promise<void> {
    if (this.broken.aborted) throw this.broken.reason;
    const { clock, logger, giveUp, log: { path } } = this.#options;
    let rest = group;
    for (let waitMs = RETRY_FIRST_MS, waitedMs = 0, remindAtMs = 0;;) {
      const { failed, error } = await this.#append(rest);
      if (failed.length === 0) {
        if (waitedMs > 0) logger.info("Output is being stored again", { after_ms: Math.round(waitedMs) });
        return;
      }
      // Only a write that was rolled back may be tried again; after a failed sync nothing may.
      if (!(error instanceof LogWriteError)) throw error;
      if (giveUp.aborted) throw givenUp(path, error);
      if (waitedMs >= remindAtMs) {
        logger.error(pausedMessage(error), { path });
        remindAtMs = waitedMs + REMIND_AFTER_MS;
      }
      rest = failed;
      await clock.sleep(waitMs, giveUp);
      waitedMs += waitMs;
      waitMs = Math.min(waitMs * 2, RETRY_LAST_MS);
    }
  }

  /** Appends these together, and answers those that are durable. The others are the last ones of them. */
  async #append(group: readonly Queued[]): Promise<{ failed: Queued[]; error: unknown }> {
    const { log, onStored } = this.#options;
    const results = await Promise.allSettled(group.map(({ event }) => log.append(event)));
    const failed: Queued[] = [];
    let error: unknown;
    for (const [index, result] of results.entries()) {
      const queued = group[index];
      if (result.status === "rejected") {
        if (failed.push(queued) === 1) error = result.reason;
        continue;
      }
      if (failed.length > 0) {
        throw new Error(`${log.path} took event ${queued.event.sequence} out of its order`);
      }
      onStored?.(queued.event.sequence, queued.event.payload.length);
      queued.resolve();
    }
    return { failed, error };
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
