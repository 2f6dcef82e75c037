/**
 * Takes jobs from a queue and runs them, for as long as it is let: the loops around `run_job.ts`.
 *
 * A slot is taken while a job's process runs. What is left to deliver afterwards goes on beside the next
 * jobs, up to a limit, so that a slow server slows the worker down instead of filling its disk.
 */
import type { Transport } from "@connectrpc/connect";
import { nextDelayMs } from "../delivery/backoff.ts";
import type { Clock } from "../platform/clock.ts";
import { systemFiles } from "../platform/files.ts";
import type { Logger } from "../platform/logger.ts";
import type { Random } from "../platform/random.ts";
import { aborted } from "./aborted.ts";
import { DiskBudget } from "./disk_budget.ts";
import { DEFAULT_JOB_SETTINGS, type JobContext, type JobObserver, type JobSettings } from "./job_context.ts";
import { createJobServer, type DequeuedJob, JobServerError } from "./job_server.ts";
import { takeNoMoreThan } from "./excess_jobs.ts";
import { OutstandingCompletions } from "./outstanding.ts";
import { announcePresence } from "./presence.ts";
import { releaseJob } from "./keep_visible.ts";
import { DAY_MS, removeOldArchives } from "./remove_old_archives.ts";
import { runJob } from "./run_job.ts";
import { takeUpLogs } from "./take_up.ts";
import { workerState } from "./worker_state.ts";

export interface WorkerSettings extends JobSettings {
  /** How long one request for jobs waits for them; clients use 90 s (wire contract). */
  dequeueWaitMs: number;
  /** The same for `once`: long enough for an answer. After a job was released it is `RELEASED_WAIT_MS` from then. */
  onceWaitMs: number;
  /** `once` gives up when nothing is unsent and the server has not been reached at all for this long. */
  onceConnectMs: number;
  /** How often the directory is searched for logs that a dead worker left. */
  takeUpIntervalMs: number;
  retentionDays: number;
  unsentBytesMax: number;
  freeBytesMin: number;
}

export const DEFAULT_WORKER_SETTINGS: Readonly<WorkerSettings> = {
  ...DEFAULT_JOB_SETTINGS,
  dequeueWaitMs: 90_000,
  onceWaitMs: 300,
  onceConnectMs: 30_000,
  takeUpIntervalMs: 60_000,
  retentionDays: 30,
  unsentBytesMax: 10 * 1024 ** 3,
  freeBytesMin: 256 * 1024 ** 2,
};

/** What may change while the worker runs; the rest would need other directories, another server or another name. */
export type WorkerChanges =
  & Pick<
    WorkerSettings,
    | "shutdownGraceMs"
    | "limits"
    | "sender"
    | "backoff"
    | "archiveOnComplete"
    | "compressionLevel"
    | "retentionDays"
    | "unsentBytesMax"
    | "freeBytesMin"
  >
  & { concurrency: number };

/** A released job is in its queue again after a second, which the server may notice a little later. */
const RELEASED_WAIT_MS = 2000;
/** A slow server's job must not come just when nobody waits for it any more: so many of its answers are waited for. */
const ONCE_WAIT_ANSWERS = 4;

/** A server that ends empty answers at once is asked again no faster than this. */
const EMPTY_ANSWER_MS = 1000;

export interface WorkerOptions {
  transport: Transport;
  /** The server's address; logs of jobs from other servers are left alone. */
  serverUrl: string;
  queue: string;
  concurrency: number;
  /** Ends when the queue is empty and nothing is unsent. */
  once: boolean;
  workerName: string;
  version: string;
  walDir: string;
  archiveDir: string;
  settings?: Partial<WorkerSettings>;
  /** The worker's own environment variables, of which jobs get those that are not its settings. */
  environment: Readonly<Record<string, string>>;
  clock: Clock;
  random: Random;
  logger: Logger;
  observe?: JobObserver;
  /**
   * Called once, with the function that changes settings from then on. Jobs that run keep the limits and the grace period that
   * they began with; waits between tries, disk limits and retention follow at once.
   */
  onChangeable?(change: (changes: WorkerChanges) => void): void;
  /** A seam for tests of failing disks. */
  files?: JobContext["files"];
  /** First request to stop: no new job, running ones get their grace period. */
  drain: AbortSignal;
  /** Second request to stop: ends at once, logs stay as they are. Also ends what `drain` would. */
  stop: AbortSignal;
}

/**
 * `idle`: the queue is empty (`once`). `drained` and `stopped`: as asked. `authentication`: the server refused
 * the very first request. `unreachable`: `once`, and the server could not be reached.
 */
export type WorkerEnd = "idle" | "drained" | "stopped" | "authentication" | "unreachable";

export interface WorkerResult {
  end: WorkerEnd;
  /** Jobs whose end the server knows. */
  jobsCompleted: number;
  /** Jobs of which something stays on disk for the next run. */
  jobsLeft: number;
  /** What the server or the network answered last, for `authentication` and `unreachable`. */
  error?: JobServerError;
}

export async function runWorker(options: WorkerOptions): Promise<WorkerResult> {
  return await new Worker(options).run();
}

class Worker {
  readonly #options: WorkerOptions;
  readonly #settings: WorkerSettings;
  readonly #context: JobContext;
  /** Aborts when no more jobs are taken, for whatever reason. */
  readonly #closing = new AbortController();
  readonly #jobs = new Set<Promise<void>>();
  #concurrency: number;
  /** Aborts, and is replaced, when settings change. */
  #reconfigured = new AbortController();
  #processes = 0;
  #takingUp = true;
  #startFailures = 0;
  #releasedAtMs = -Infinity;
  /** How long the server took for its first answer; asked for in runs that end by themselves. */
  #answerMs: number | undefined;
  /** Aborts, and is replaced, whenever a slot or a delivery is over. */
  #changed = new AbortController();
  readonly #result: WorkerResult = { end: "drained", jobsCompleted: 0, jobsLeft: 0 };

  constructor(options: WorkerOptions) {
    this.#options = options;
    const settings = { ...DEFAULT_WORKER_SETTINGS, ...options.settings };
    // Its own copy: senders hold on to it, and it may change in their hands.
    settings.backoff = { ...settings.backoff };
    this.#settings = settings;
    this.#concurrency = options.concurrency;
    const { clock, logger, walDir, transport } = options;
    const stopping = AbortSignal.any([options.drain, options.stop, this.#closing.signal]);
    this.#context = {
      ...options,
      settings,
      observe: options.observe ?? {},
      jobServer: createJobServer({
        transport,
        clock,
        requestTimeoutMs: settings.requestTimeoutMs,
        visibilityTimeoutSeconds: settings.visibilityTimeoutSeconds,
      }),
      budget: new DiskBudget({
        directory: walDir,
        unsentBytesMax: settings.unsentBytesMax,
        freeBytesMin: settings.freeBytesMin,
        clock,
        logger,
      }),
      logsInHand: new Set(),
      logsToArchive: new Map(),
      outstanding: new OutstandingCompletions(),
      onReleased: () => this.#releasedAtMs = clock.elapsedMs(),
      drain: stopping,
    };
  }

  #change({ concurrency, backoff, ...changes }: WorkerChanges): void {
    this.#concurrency = concurrency;
    Object.assign(this.#settings, changes);
    Object.assign(this.#settings.backoff, backoff);
    this.#context.budget.setLimits(changes);
    const reconfigured = this.#reconfigured;
    this.#reconfigured = new AbortController();
    reconfigured.abort();
    this.#notify();
  }

  async run(): Promise<WorkerResult> {
    this.#options.onChangeable?.((changes) => this.#change(changes));
    const { walDir, archiveDir, logger, stop } = this.#options;
    for (const directory of [walDir, archiveDir]) {
      await systemFiles.makeDirectory(directory);
    }
    using _presence = announcePresence(walDir);
    const { drain, budget, observe, outstanding } = this.#context;
    observe.workerStarted?.(workerState(() => this.#processes, drain, budget, outstanding));
    const announced = aborted(drain).then(() => {
      const running = this.#processes;
      if (!this.#closing.signal.aborted) logger.debug("No new jobs are taken", { running });
    });
    const beside = [announced, this.#takeUpRepeatedly(), this.#retainRepeatedly()];
    this.#result.end = await this.#takeJobs();
    this.#closing.abort();
    await Promise.all([...beside, ...this.#jobs]);
    await outstanding.addTo(this.#result);
    if (stop.aborted) this.#result.end = "stopped";
    const { end, jobsCompleted, jobsLeft } = this.#result;
    logger.info("Worker ended", { reason: end, jobs_completed: jobsCompleted, jobs_left: jobsLeft });
    return this.#result;
  }

  /** The dequeue loop. Resolves with why no more jobs are taken. */
  async #takeJobs(): Promise<WorkerEnd> {
    const { clock, random, once } = this.#options;
    const { drain, jobServer } = this.#context;
    let reachedAtMs = clock.elapsedMs();
    let wasReached = false;
    for (let failures = 0; !drain.aborted;) {
      await this.#waitForSlot();
      const wasQuiet = this.#isQuiet;
      try {
        const taken = await this.#dequeue();
        const isIdle = once && taken === 0 && wasQuiet && this.#isQuiet;
        // A server that cannot be reached gives no jobs either.
        if (isIdle) await jobServer.ping(drain);
        if (drain.aborted) break;
        if (isIdle) return "idle";
        reachedAtMs = clock.elapsedMs();
        wasReached = true;
        failures = 0;
      } catch (error) {
        if (!(error instanceof JobServerError)) throw error;
        if (drain.aborted) break;
        // With something unsent it goes on for as long as it takes.
        if (!this.#isQuiet) reachedAtMs = clock.elapsedMs();
        const awayMs = clock.elapsedMs() - reachedAtMs;
        if (error.kind === "authentication" && !wasReached) return this.#endWith("authentication", error);
        if (once && this.#isQuiet && awayMs >= this.#settings.onceConnectMs) {
          return this.#endWith("unreachable", error);
        }
        const delayMs = nextDelayMs(++failures, this.#settings.backoff, random, error.retryAfterMs);
        this.#reportFailure(error, delayMs);
        await clock.sleep(delayMs, drain);
      }
    }
    return "drained";
  }

  #endWith(end: WorkerEnd, error: JobServerError): WorkerEnd {
    this.#result.error = error;
    return end;
  }

  #reportFailure({ kind, message, code }: JobServerError, delayMs: number): void {
    const { logger } = this.#options;
    const fields = { code, delay_ms: delayMs, error: message };
    if (kind === "authentication") logger.error("Not allowed to take jobs any more - retrying", fields);
    else logger.warn("Failed to take jobs - retrying", fields);
  }

  /** Asks for as many jobs as there are slots, and starts what comes. Gives how many came. */
  async #dequeue(): Promise<number> {
    const { clock, queue, once } = this.#options;
    const { jobServer, drain } = this.#context;
    const waitMs = once ? await this.#onceWaitMs() : this.#settings.dequeueWaitMs;
    const askedAtMs = clock.elapsedMs();
    const slots = this.#concurrency - this.#processes;
    const given = jobServer.dequeue(queue, slots, waitMs, drain);
    const taken = await takeNoMoreThan(slots, given, (job) => this.#start(job), this.#context);
    const waitedMs = clock.elapsedMs() - askedAtMs;
    const pauseMs = Math.min(waitMs, EMPTY_ANSWER_MS) - waitedMs;
    if (taken === 0 && pauseMs > 0) await clock.sleep(pauseMs, drain);
    return taken;
  }

  /** How long a run that ends by itself waits for jobs until it takes the queue for empty. */
  async #onceWaitMs(): Promise<number> {
    const { clock } = this.#options;
    const { jobServer, drain } = this.#context;
    if (this.#answerMs === undefined) {
      const askedAtMs = clock.elapsedMs();
      await jobServer.ping(drain);
      this.#answerMs = clock.elapsedMs() - askedAtMs;
    }
    const releasedWaitMs = this.#releasedAtMs + RELEASED_WAIT_MS - clock.elapsedMs();
    return Math.max(this.#settings.onceWaitMs, ONCE_WAIT_ANSWERS * this.#answerMs, releasedWaitMs);
  }

  async #start(dequeued: DequeuedJob): Promise<void> {
    const { drain, stop, jobServer: server, queue, logger } = this.#context;
    if (drain.aborted) {
      // It came while we were asked to stop: nothing of it has run, so another worker may have it at once.
      const jobLogger = logger.with({ job_id: dequeued.job.jobId }, [dequeued.taskToken]);
      await releaseJob({ server, queue, taskToken: dequeued.taskToken, logger: jobLogger }, stop);
      return;
    }
    const job = this.#runJob(dequeued).finally(() => {
      this.#jobs.delete(job);
      this.#notify();
    });
    this.#jobs.add(job);
  }

  async #runJob(dequeued: DequeuedJob): Promise<void> {
    let hasSlot = true;
    this.#processes++;
    const freeSlot = () => {
      if (hasSlot) this.#processes--;
      hasSlot = false;
      this.#notify();
    };
    try {
      const outcome = await runJob(this.#context, dequeued, freeSlot);
      if (outcome === "completed") this.#result.jobsCompleted++;
      else if (outcome === "left") this.#result.jobsLeft++;
      this.#startFailures = outcome === "not_started" ? this.#startFailures + 1 : 0;
    } catch (error) {
      // A mistake of ours in one job must not end the others; its log stays and is taken up by the next run.
      this.#result.jobsLeft++;
      this.#context.logger.error("Job was dropped because of an unexpected error; its log stays on disk", {
        job_id: dequeued.job.jobId,
        error: error instanceof Error ? error.stack ?? error.message : String(error),
      });
    } finally {
      freeSlot();
    }
  }

  /** Nothing runs, and nothing is being delivered. */
  get #isQuiet(): boolean {
    return this.#jobs.size === 0 && !this.#takingUp;
  }

  /** Waits until another job may be taken, or until no more are. */
  async #waitForSlot(): Promise<void> {
    const { clock, random } = this.#options;
    const { drain, budget } = this.#context;
    // Jobs that cannot even get a log are not taken and given back in a circle at full speed.
    if (this.#startFailures > 0) {
      await clock.sleep(nextDelayMs(this.#startFailures, this.#settings.backoff, random), drain);
    }
    while (
      !drain.aborted &&
      (this.#processes >= this.#concurrency ||
        this.#jobs.size - this.#processes > Math.max(4, 2 * this.#concurrency))
    ) {
      await aborted(this.#changed.signal, drain);
    }
    await budget.waitForRoom(drain);
  }

  #notify(): void {
    const changed = this.#changed;
    this.#changed = new AbortController();
    changed.abort();
  }

  /** Logs of earlier runs: at the start, and from time to time those of other workers that died. */
  async #takeUpRepeatedly(): Promise<void> {
    const { clock, logger } = this.#options;
    const { drain } = this.#context;
    while (!drain.aborted) {
      this.#takingUp = true;
      try {
        await takeUpLogs(this.#context);
      } catch (error) {
        logger.error("Cannot search for logs of earlier runs - retrying", { error: messageOf(error) });
      }
      this.#takingUp = false;
      await clock.sleep(this.#settings.takeUpIntervalMs, drain);
    }
  }

  /** Removes old archives: at the start, daily, and when settings change. */
  async #retainRepeatedly(): Promise<void> {
    const { clock, logger, archiveDir } = this.#options;
    const { drain } = this.#context;
    while (!drain.aborted) {
      const reconfigured = this.#reconfigured.signal;
      try {
        await removeOldArchives(archiveDir, this.#settings.retentionDays, clock.nowMs(), logger);
      } catch (error) {
        logger.error("Cannot remove old archives - retrying tomorrow", {
          path: archiveDir,
          error: messageOf(error),
        });
      }
      await clock.sleep(DAY_MS, AbortSignal.any([drain, reconfigured]));
    }
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
