/**
 * Delivers one log as far as that goes: has the server adopt the execution where it does not know it, sends,
 * compares what it has stored with what was sent, and completes a job that had ended.
 */
import { CallError } from "../client/call_error.ts";
import { isForgotten, type WorkerClient } from "../client/worker_client.ts";
import type { PendingSource } from "../delivery/sender.ts";
import { decodeEvent } from "../events/event.ts";
import { adoptLog, type AdoptMode, mayAdopt } from "../job/adopt_log.ts";
import { compareEvents } from "../job/compare_events.ts";
import type { JobEnd } from "../job/complete_job.ts";
import { Story } from "../job/story.ts";
import type { Files } from "../platform/files.ts";
import type { Logger } from "../platform/logging/logger.ts";
import { quietLogger } from "../platform/logging/quiet.ts";
import { LogSealedError, LogWriteError } from "../wal/errors.ts";
import type { Execution } from "../wal/execution.ts";
import { Log } from "../wal/log.ts";
import { readLogFile, scanLog } from "../wal/reader.ts";
import type { IsWanted } from "../wal/selection.ts";
import type { Replayed } from "./replayed.ts";
import { completeReplayed, patient, type ReplayContext, replayLog, type ReplayResult } from "./send.ts";

export interface DeliverOptions {
  /** Where the log lies, and the name under which it was found. */
  path: string;
  name: string;
  server: string;
  adopt: AdoptMode;
  isWanted: IsWanted;
  eventsPerSecondMax: number | undefined;
  files: Files;
  /** Without the log's own logger, which hides its token. */
  context: Omit<ReplayContext, "logger">;
  workerClient: WorkerClient;
  logger: Logger;
  /** Called with how many of how many events are done with; `of` is undefined for those of the plan. */
  onProgress(events: number, of: number | undefined): void;
}

export interface Delivered extends Omit<ReplayResult, "end"> {
  /** `differs`: all of it was sent, and the server has other events all the same. */
  readonly end: ReplayResult["end"] | "differs";
  readonly completion: Replayed["completion"];
  /** How the job ended; undefined when it had not. */
  readonly jobEnd: JobEnd | undefined;
  /** The server has all of it, and nothing is left to do but to archive it. */
  readonly isDone: boolean;
  readonly isAdopted: boolean;
}

const NOTHING: ReplayResult = { end: "sent", sent: 0, duplicates: 0, gaveUp: 0, reason: undefined };

export async function deliverLog(options: DeliverOptions, signal: AbortSignal): Promise<Delivered> {
  const delivery = new Delivery(options, signal);
  try {
    return await delivery.run();
  } finally {
    await delivery.close();
  }
}

class Delivery {
  readonly #options: DeliverOptions;
  readonly #signal: AbortSignal;
  #log: Log | undefined;
  #story = new Story();
  #isAdopted = false;

  constructor(options: DeliverOptions, signal: AbortSignal) {
    this.#options = options;
    this.#signal = signal;
  }

  async run(): Promise<Delivered> {
    const log = await this.#open(this.#options.isWanted);
    if (log.execution?.task_token === undefined) {
      const refusal = await this.#adopt();
      return refusal ?? await this.#deliver(false);
    }
    const { adopt, server } = this.#options;
    return await this.#deliver(mayAdopt(adopt, log.execution, server));
  }

  async close(): Promise<void> {
    await this.#log?.close();
  }

  async #open(isWanted: IsWanted | undefined): Promise<Log> {
    const { path, files, context: { clock }, logger } = this.#options;
    const story = this.#story = new Story();
    return this.#log = await Log.open(path, {
      files,
      clock,
      logger: quietLogger(logger),
      isWanted,
      onRecord(record, kind) {
        const event = kind === "event" ? decodeEvent(record.payload) : undefined;
        if (event !== undefined) story.add(event);
      },
    });
  }

  /** What came of it when it was not adopted. Otherwise the log is open anew, and all of it pending. */
  async #adopt(): Promise<Delivered | undefined> {
    const { workerClient: client, name, server, logger, context: { clock } } = this.#options;
    const log = this.#log!;
    const over = patient(clock, this.#signal);
    try {
      const { startedAtMs } = this.#story;
      const answer = await adoptLog({ client, log, name, server, startedAtMs, logger }, over.signal);
      if (answer.outcome !== "adopted") {
        return this.#ended({ ...NOTHING, end: "refused", reason: answer.message });
      }
    } catch (error) {
      if (!(error instanceof CallError)) throw error;
      if (this.#signal.aborted) {
        return this.#ended({ ...NOTHING, end: "interrupted", reason: "it was interrupted" });
      }
      const end = error.kind === "authentication" ? "authentication" : "unreachable";
      return this.#ended({ ...NOTHING, end, reason: error.message });
    } finally {
      over.end();
    }
    await log.close();
    await this.#open(undefined);
    this.#isAdopted = true;
  }

  async #deliver(canAdopt: boolean): Promise<Delivered> {
    const log = this.#log!;
    const { files, path, eventsPerSecondMax } = this.#options;
    const { execution } = log;
    if (execution?.task_token === undefined) throw new Error("its task token is gone");
    const whose = { ...execution, task_token: execution.task_token };
    const context = this.#contextOf(whose);
    const of = this.#isAdopted ? log.counts.events : undefined;
    const onProgress = (events: number) => this.#options.onProgress(events, of);
    onProgress(0);
    const result = await replayLog(
      context,
      { log, execution: whose, eventsPerSecondMax, onProgress, canAdopt },
      this.#signal,
    );
    if (result.end === "forgotten") return await this.#adoptForgotten(result);
    if (result.end !== "sent" || !await isDelivered(files, path)) return this.#ended(result);
    const forgotten = new AbortController();
    const onRefused = ({ reason }: CallError) => {
      if (canAdopt && isForgotten(reason)) forgotten.abort();
    };
    const signal = AbortSignal.any([this.#signal, forgotten.signal]);
    const differs = await this.#compare(context, whose, onRefused, signal) === "differs";
    const end = this.#story.end ??
      (log.isAdopted ? this.#story.abandonedEnd(log.execution?.source) : undefined);
    let completion: Replayed["completion"];
    if (end !== undefined && !signal.aborted) {
      completion = await this.#complete(context, { execution: whose, log, end, onRefused }, differs, signal);
    }
    if (forgotten.signal.aborted) return await this.#adoptForgotten(result);
    if (differs) return { ...this.#ended(result, completion, end), end: "differs" };
    return { ...this.#ended(result, completion, end), isDone: completion !== "outstanding" };
  }

  async #adoptForgotten(result: ReplayResult): Promise<Delivered> {
    const refusal = await this.#adopt();
    if (refusal === undefined) return await this.#deliver(false);
    // What the server had said before comes first: that it does not know the job.
    return { ...refusal, reason: [result.reason, refusal.reason].filter(Boolean).join("; ") };
  }

  #contextOf({ job_id, task_token }: Execution): ReplayContext {
    const { context, logger } = this.#options;
    const secrets = task_token === undefined ? [] : [task_token];
    return { ...context, logger: quietLogger(logger.with({ job_id }, secrets)) };
  }

  #ended(result: ReplayResult, completion?: Replayed["completion"], jobEnd = this.#story.end): Delivered {
    return { ...result, completion, jobEnd, isDone: false, isAdopted: this.#isAdopted };
  }

  async #compare(
    context: ReplayContext,
    execution: Execution & { task_token: string },
    onRefused: (error: CallError) => void,
    until: AbortSignal,
  ) {
    const { workerClient: server, files } = this.#options;
    const { backoff, clock, random, logger } = context;
    const over = patient(clock, until);
    const send = async (events: PendingSource, signal: AbortSignal) => {
      const options = {
        log: events,
        execution,
        eventsPerSecondMax: this.#options.eventsPerSecondMax,
        onProgress() {},
        canAdopt: false,
      };
      return (await replayLog(context, options, signal)).end === "sent";
    };
    const { task_token: taskToken } = execution;
    try {
      return await compareEvents({
        server,
        taskToken,
        log: this.#log!,
        files,
        send,
        onRefused,
        backoff,
        clock,
        random,
        logger,
      }, over.signal);
    } finally {
      over.end();
    }
  }

  /**
   * The log says so from then on, so that nobody asks again. If it cannot, the next one who asks does no
   * harm.
   */
  async #complete(
    context: ReplayContext,
    what: Parameters<typeof completeReplayed>[1] & { log: Log },
    differs: boolean,
    signal: AbortSignal,
  ): Promise<Replayed["completion"]> {
    const completion = await completeReplayed(context, what, signal);
    if (completion === "outstanding" || completion === "aborted") return "outstanding";
    try {
      await what.log.settleCompletion(differs ? "differs" : completion);
    } catch (error) {
      if (!(error instanceof LogWriteError || error instanceof LogSealedError)) throw error;
      context.logger.warn("Could not note in the log that its job is completed", { error: error.message });
    }
    return completion;
  }
}

/** Read anew, because the file is what the next run goes by. */
async function isDelivered(files: Files, path: string): Promise<boolean> {
  const { ledger, damage } = await scanLog(readLogFile(files, path), () => {});
  return damage === undefined && ledger.pending === 0;
}
