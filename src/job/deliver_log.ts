/**
 * Delivery of one log, from its first event to its archive: what a job that runs and a log that an
 * earlier run left have in common.
 */
import { createPublisher, ORPHANED_LOG_SOURCE } from "../delivery/publisher.ts";
import { type PendingSource, Sender } from "../delivery/sender.ts";
import type { Logger } from "../platform/logging/logger.ts";
import { CallError } from "../client/call_error.ts";
import { isForgotten } from "../client/worker_client.ts";
import type { CompletionMark } from "../wal/completion.ts";
import { LogSealedError, LogWriteError } from "../wal/errors.ts";
import { RECORD_OVERHEAD_BYTES } from "../wal/format.ts";
import type { Log } from "../wal/log.ts";
import { aborted } from "../platform/aborted.ts";
import { archiveDelivered } from "./archive_delivered.ts";
import {
  completeJob,
  type CompleteJobOptions,
  completeOutstanding,
  type JobEnd,
  resultOf,
} from "./complete_job.ts";
import { compareEvents } from "./compare_events.ts";
import type { LogAccount } from "./disk_budget.ts";
import type { JobContext } from "./job_context.ts";
import { keepVisible, releaseJob } from "./keep_visible.ts";
import { RefusalProof } from "./refusal_proof.ts";
import { SealedEvents } from "./sealed_log.ts";
import { messageOf } from "../platform/error_text.ts";

export interface DeliveryOptions {
  context: JobContext;
  log: Log;
  jobId: string;
  taskToken: string;
  /** The queue the job came from; it is updated and released there. */
  queue: string;
  /** Whether an earlier run left the log. */
  isOrphan: boolean;
  /** Whether the server may be asked to adopt the execution if it does not know it: `forgotten` then. */
  mayAdopt: boolean;
  logger: Logger;
}

/**
 * `completed`: the server has all of it, and how the job ended is settled with it. `outstanding`: the server
 * has all of it and refuses to hear how the job ended; the delivery goes on by itself, and so does its log.
 * `released`: it has all of it, and the job is back in its queue. `differs`: it said so, and has other events
 * all the same; how the job ended is settled, or the job is back in its queue. `forgotten`: it does not know
 * the execution, and may be asked to adopt it. `left`: the rest stays on disk for the next run.
 */
export type DeliveryResult = "completed" | "outstanding" | "released" | "differs" | "forgotten" | "left";

export class LogDelivery {
  readonly #options: DeliveryOptions;
  readonly #account: LogAccount;
  readonly #over = new AbortController();
  readonly #keeping: Promise<void>;
  /** Ends the signs of life, which is what a job that is given back must not show any more. */
  readonly #givenBack = new AbortController();
  readonly #proof: RefusalProof;
  /** Aborts when the server says that it does not know the execution, if that is of interest. */
  readonly #forgotten = new AbortController();
  /** Whether the server is known to have other events than it acknowledged. */
  #differs = false;
  /** The log is this object's own from then on. */
  #isOutstanding = false;
  #sender: Sender;
  #sending: Promise<void>;
  #lastDurableSequence: bigint;

  /** Starts sending at once and goes on until `close()`, or until the worker has to end at once. */
  constructor(options: DeliveryOptions) {
    this.#options = options;
    const { context, log, taskToken, queue, isOrphan, logger } = options;
    const { clock, random, settings, stop } = context;
    this.#proof = new RefusalProof(settings.refusalProofMs);
    this.#lastDurableSequence = log.lastSequence;
    this.#account = context.budget.account();
    if (log.counts.pending > 0) this.#account.stored(log.counts.bytes);
    this.#sender = this.#createSender(accounted(log, this.#account));
    this.#sending = this.#send();
    this.#keeping = keepVisible(
      {
        server: context.jobClient,
        queue,
        taskToken,
        visibilityTimeoutSeconds: settings.visibilityTimeoutSeconds,
        startNow: isOrphan,
        onAccepted: () => this.#proof.contradicted(),
        onRefused: (error) => this.#onRefused(error),
        backoff: settings.backoff,
        clock,
        random,
        logger,
      },
      AbortSignal.any([this.#givenBack.signal, this.#over.signal, stop]),
      AbortSignal.any([this.#over.signal, stop]),
    ).catch((error) => {
      // The job goes on; at worst the server gives it to another worker as well.
      logger.error("Unexpected error, for which the job's visibility is not extended any more", {
        error: messageOf(error),
      });
    });
  }

  #onRefused({ reason }: CallError): void {
    if (this.#options.mayAdopt && isForgotten(reason)) this.#forgotten.abort();
  }

  #createSender(log: PendingSource): Sender {
    const { context, jobId, taskToken, isOrphan, logger } = this.#options;
    const { transport, clock, random, settings, observe } = context;
    const target = { taskToken, jobId, source: isOrphan ? ORPHANED_LOG_SOURCE : undefined };
    const publisher = createPublisher({ transport, target, deadlineMs: settings.requestTimeoutMs, clock });
    return new Sender({
      log,
      publisher: {
        publish: async (events, signal) => {
          try {
            return await publisher.publish(events, signal);
          } catch (error) {
            if (error instanceof CallError) this.#onRefused(error);
            throw error;
          }
        },
      },
      settings: { ...settings.sender, backoff: settings.backoff },
      clock,
      random,
      logger,
      observe: observe.sender,
    });
  }

  async #send(): Promise<void> {
    const { context, log, logger } = this.#options;
    try {
      await this.#sender.run(AbortSignal.any([this.#over.signal, context.stop]));
    } catch (error) {
      // `finish` goes on with what a sealed log still gives.
      if (log.sealed !== undefined) return;
      context.observe.damageFound?.(log.path);
      logger.error("Delivery ended: the log cannot be read. What is unsent stays in it", {
        path: log.path,
        error: messageOf(error),
      });
    }
  }

  /** What is certain to be on stable storage; the log itself may have written more. */
  get lastDurableSequence(): bigint {
    return this.#lastDurableSequence;
  }

  /** Counts a stored event against the disk budget. */
  stored(sequence: bigint, payloadBytes: number): void {
    this.#lastDurableSequence = sequence;
    this.#account.stored(payloadBytes + RECORD_OVERHEAD_BYTES);
  }

  /**
   * Waits until the server has everything, and then completes the job that ended, or gives back the one
   * that did not (`end` undefined). Leaves it at that when the worker is stopping and time is up.
   */
  async finish(end: JobEnd | undefined): Promise<DeliveryResult> {
    const { context, log, taskToken, queue, logger } = this.#options;
    const over = new AbortController();
    const leave = AbortSignal.any([leaveSignal(context, over.signal), this.#forgotten.signal]);
    try {
      let isDelivered = log.sealed === undefined && await this.#synced() &&
        await this.#sender.flushed(leave);
      // Also when it was sealed while it was being delivered, which ends the sender.
      if (!isDelivered && log.sealed !== undefined && !leave.aborted) {
        isDelivered = await this.#deliverSealed(leave);
      }
      if (!isDelivered || !await this.#compare(leave)) return this.#left();
      if (end === undefined) {
        this.#givenBack.abort();
        await this.#keeping;
        await releaseJob({ server: context.jobClient, queue, taskToken, logger }, leave);
        context.onReleased();
        return this.#differs ? await this.#settled("differs") : "released";
      }
      const completion = await completeJob(this.#completeOptions(end), leave);
      if (completion !== "outstanding") return await this.#settled(completion);
      if (!context.outstanding.hasRoom) return this.#left();
      this.#isOutstanding = true;
      context.outstanding.add(this.#finishLater(end));
      return "outstanding";
    } finally {
      over.abort();
    }
  }

  #completeOptions(end: JobEnd): CompleteJobOptions & { server: JobContext["jobClient"] } {
    const { context, log, jobId, taskToken, logger } = this.#options;
    const { jobClient: server, settings: { backoff }, clock, random } = context;
    const result = resultOf(jobId, end, log.counts.failed);
    const onRefused = (error: CallError) => this.#onRefused(error);
    return { server, taskToken, result, onRefused, backoff, clock, random, logger };
  }

  /** Says in the log what became of the job. Without that, the log is one that is still to be completed. */
  async #settled(
    completion: CompletionMark | "aborted",
  ): Promise<"completed" | "differs" | "forgotten" | "left"> {
    const { log, logger } = this.#options;
    if (completion === "aborted") return this.#left();
    if (log.sealed !== undefined) return "completed";
    try {
      await log.settleCompletion(this.#differs ? "differs" : completion);
      return this.#differs ? "differs" : "completed";
    } catch (error) {
      if (!(error instanceof LogWriteError || error instanceof LogSealedError)) throw error;
      logger.warn(
        "Could not note in the log that its job is completed; the next run asks again, which does no harm",
        {
          path: log.path,
          error: error.message,
        },
      );
      return log.sealed === undefined ? "left" : "completed";
    }
  }

  /**
   * Until the worker is asked to stop: it keeps the log, and so its token, for whoever comes next. Gives
   * whether it is settled.
   */
  async #finishLater(end: JobEnd): Promise<boolean> {
    const { context, log, logger } = this.#options;
    let result: DeliveryResult = "left";
    try {
      const options = { ...this.#completeOptions(end), proof: this.#proof };
      result = await this.#settled(await completeOutstanding(options, context.drain));
    } catch (error) {
      logger.error("Completing a job ended because of an unexpected error; its log stays on disk", {
        path: log.path,
        error: error instanceof Error ? error.stack ?? error.message : String(error),
      });
    }
    try {
      await this.#end();
    } catch (error) {
      logger.error("Cannot close a log", { path: log.path, error: messageOf(error) });
      return false;
    }
    // A sealed one stays where it is, for inspection.
    if (log.sealed !== undefined) return result === "completed";
    if (result === "completed") await archiveDelivered(context, log.path, end, logger);
    // One that differs is for people to look at, and not taken up again in this run.
    else if (result !== "differs") context.logsInHand.delete(log.path);
    return result === "completed";
  }

  /**
   * What is not durable yet (`Sync: interval`) is not given to the sender either, so that nothing would seem
   * to be pending and the job would be completed without its last events. False when the log was sealed over
   * it.
   */
  async #synced(): Promise<boolean> {
    const { log } = this.#options;
    try {
      await log.sync();
      return true;
    } catch (error) {
      if (log.sealed === undefined) throw error;
      return false;
    }
  }

  /**
   * Sends what a sealed log still gives. The sender that ran on it has ended or ends at its next
   * acknowledgement.
   */
  async #deliverSealed(leave: AbortSignal): Promise<boolean> {
    const { log } = this.#options;
    const [oldest] = await log.pending({ events: 1, bytes: 1 });
    if (oldest === undefined) return true;
    const rest = new SealedEvents({
      files: this.#options.context.files,
      path: log.path,
      fromOffset: oldest.offset,
      lastSequence: this.#lastDurableSequence,
    });
    const before = this.#sending;
    this.#sender = this.#createSender(rest);
    this.#sending = Promise.all([before, this.#send()]).then(() => rest.close());
    return await this.#sender.flushed(leave);
  }

  /** False when it was ended before that was known. A sealed log stays where it is whatever comes out. */
  async #compare(signal: AbortSignal): Promise<boolean> {
    const { context, log, taskToken, logger } = this.#options;
    if (log.sealed !== undefined) return true;
    const { workerClient: server, files, settings: { backoff }, clock, random } = context;
    const comparison = await compareEvents({
      server,
      taskToken,
      log,
      files,
      send: (events, signal) => this.#sendBeside(events, signal),
      onRefused: (error) => this.#onRefused(error),
      backoff,
      clock,
      random,
      logger,
    }, signal);
    this.#differs = comparison === "differs";
    return comparison !== "aborted";
  }

  /** Sends events that the log no longer takes for pending. */
  async #sendBeside(events: PendingSource, signal: AbortSignal): Promise<boolean> {
    const over = new AbortController();
    const sender = this.#createSender(events);
    const sending = sender.run(AbortSignal.any([over.signal, signal]));
    try {
      return await Promise.race([sender.flushed(signal), sending.then(() => false)]);
    } finally {
      over.abort();
      await sending;
    }
  }

  #left(): "left" | "forgotten" {
    const { log, logger } = this.#options;
    if (this.#forgotten.signal.aborted && log.sealed === undefined) return "forgotten";
    const { pending } = log.counts;
    const what = pending > 0 ? "Left for the next run" : "Left for the next run: delivered, not completed";
    logger.warn(`${what}; nothing is lost`, { path: log.path, pending });
    return "left";
  }

  /**
   * Ends sending and lets go of the log, unless the job is outstanding: then that happens when it no longer
   * is.
   */
  async close(): Promise<void> {
    if (!this.#isOutstanding) await this.#end();
  }

  async #end(): Promise<void> {
    this.#over.abort();
    await Promise.all([this.#sending, this.#keeping]);
    this.#account.close();
    await this.#options.log.close();
  }
}

/** Aborts when what is left of a job has to stay for the next run. `over` lets go of the worker's signals. */
function leaveSignal({ drain, stop, clock, settings }: JobContext, over: AbortSignal): AbortSignal {
  const late = new AbortController();
  const leave = AbortSignal.any([stop, late.signal]);
  aborted(drain, over)
    .then(() => clock.sleep(settings.deliveryGraceMs, AbortSignal.any([over, stop])))
    .then(() => late.abort());
  return leave;
}

/** The log as the sender sees it, with what leaves it counted. */
function accounted(log: Log, account: LogAccount): PendingSource {
  return {
    pending: (limit) => log.pending(limit),
    waitForPending: (signal) => log.waitForPending(signal),
    async acknowledge(events) {
      await log.acknowledge(events);
      for (const { length } of events) account.sent(length);
    },
    async fail(event, reason) {
      await log.fail(event, reason);
      account.sent(event.length);
    },
    get sealed() {
      return log.sealed;
    },
  };
}
