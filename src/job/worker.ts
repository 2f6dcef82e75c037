/**
 * Takes jobs from a queue and runs them, for as long as it is let: the loops around `run_job.ts`.
 *
 * A slot is taken while a job's process runs. What is left to deliver afterwards goes on beside the next
 * jobs, up to a limit, so that a slow server slows the worker down instead of filling its disk.
 */
import { WORKER_TIMES } from "./worker_options.ts";
import { DAY_MS } from "../platform/time_units.ts";
import { nextDelayMs } from "../client/backoff.ts";
import { aborted } from "../platform/aborted.ts";
import { Cancellations } from "./cancellations.ts";
import { DiskBudget } from "./disk_budget.ts";
import type { JobContext } from "./job_context.ts";
import { createJobClient, type DequeuedJob } from "../client/job_client.ts";
import { CallError } from "../client/call_error.ts";
import { createWorkerClient, shownName, type WorkerIdentity } from "../client/worker_client.ts";
import { takeNoMoreThan } from "./excess_jobs.ts";
import { OutstandingCompletions } from "./outstanding.ts";
import { releaseJob } from "./keep_visible.ts";
import { removeOldArchives } from "./remove_old_archives.ts";
import { runJob } from "./run_job.ts";
import { takeUpLogs } from "./take_up.ts";
import { HomeError, WorkerHome } from "./worker_home.ts";
import {
  type WorkerChanges,
  type WorkerEnd,
  type WorkerOptions,
  type WorkerResult,
  type WorkerSettings,
} from "./worker_options.ts";
import { workerState } from "./worker_state.ts";
import { messageOf } from "../platform/error_text.ts";

/** A released job is in its queue again after a second, which the server may notice a little later. */
const RELEASED_WAIT_MS = 2000;
/**
 * A slow server's job must not come just when nobody waits for it any more: so many of its answers are waited
 * for.
 */
const ONCE_WAIT_ANSWERS = 4;

/**
 * A stopped worker's jobs have been killed, and have this long to be gone; with everything else it is over
 * within 2 s.
 */
const STOPPED_WAIT_MS = 1200;

/** A server that ends empty answers at once is asked again no faster than this. */
const EMPTY_ANSWER_MS = 1000;

export async function runWorker(options: WorkerOptions): Promise<WorkerResult> {
  return await new Worker(options).run();
}

class Worker {
  readonly #options: WorkerOptions;
  readonly #settings: WorkerSettings;
  readonly #context: JobContext;
  readonly #home: WorkerHome;
  readonly #cancellations: Cancellations;
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
    const settings = { ...WORKER_TIMES, ...options.settings };
    // Its own copy: senders hold on to it, and it may change in their hands.
    settings.backoff = { ...settings.backoff };
    this.#settings = settings;
    this.#concurrency = options.concurrency;
    const { clock, logger, walDir, transport } = options;
    this.#home = new WorkerHome(options);
    const stopping = AbortSignal.any([options.drain, options.stop, this.#closing.signal]);
    const workerClient = createWorkerClient({
      transport,
      clock,
      requestTimeoutMs: settings.requestTimeoutMs,
      logger,
    });
    this.#cancellations = new Cancellations({
      client: workerClient,
      worker: () => this.#identity,
      backoff: settings.backoff,
      clock,
      random: options.random,
      logger,
    });
    this.#context = {
      ...options,
      settings,
      observe: options.observe ?? {},
      jobClient: createJobClient({
        transport,
        clock,
        requestTimeoutMs: settings.requestTimeoutMs,
        visibilityTimeoutSeconds: settings.visibilityTimeoutSeconds,
        worker: { id: options.workerId, name: options.workerName },
      }),
      workerClient,
      cancellations: this.#cancellations,
      budget: new DiskBudget({
        directory: walDir,
        unsentBytesMax: settings.unsentBytesMax,
        freeBytesMin: settings.freeBytesMin,
        files: options.files,
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

  get #identity(): WorkerIdentity {
    const { workerId: id, workerName, version, queue } = this.#options;
    return { id, name: shownName(workerName), version, queue, concurrency: this.#concurrency };
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
    const { logger, stop } = this.#options;
    await this.#home.settle();
    using _home = this.#home;
    const { drain, budget, observe, outstanding } = this.#context;
    observe.workerStarted?.(workerState(() => this.#processes, drain, budget, outstanding));
    const announced = aborted(drain).then(() => {
      const running = this.#processes;
      if (!this.#closing.signal.aborted) logger.debug("No new jobs are taken", { running });
    });
    const beside = [announced, this.#takeUpRepeatedly(), this.#retainRepeatedly()];
    const over = new AbortController();
    aborted(stop, over.signal).then(() => over.abort());
    const listening = this.#cancellations.run(over.signal);
    await this.#unlessStopped(async () => {
      try {
        this.#result.end = await this.#takeJobs();
      } finally {
        // Whatever it was that ended the taking of jobs, those that run are seen through to their ends.
        this.#closing.abort();
        await Promise.all([...beside, ...this.#jobs]);
        // Until the last of them has ended, somebody may want to cancel it.
        over.abort();
        await listening;
      }
    });
    await outstanding.addTo(this.#result);
    if (stop.aborted) this.#result.end = "stopped";
    const { end, jobsCompleted, jobsLeft } = this.#result;
    logger.info("Worker ended", { reason: end, jobs_completed: jobsCompleted, jobs_left: jobsLeft });
    return this.#result;
  }

  /** Waits for `work`, but not for long once the worker is stopped: a disk or a process may never answer. */
  async #unlessStopped(work: () => Promise<void>): Promise<void> {
    const { clock, logger, stop } = this.#options;
    const over = new AbortController();
    const working = work().then(() => true).finally(() => over.abort());
    const late = aborted(stop, over.signal).then(() => clock.sleep(STOPPED_WAIT_MS, over.signal))
      // When both are over at the same time, the work's own end is what counts, and its error what is told.
      .then(() => over.signal.aborted ? working : false);
    if (await Promise.race([working, late])) return;
    // Its error would be one too late.
    working.catch(() => {});
    this.#result.jobsLeft += this.#jobs.size;
    logger.warn(
      "Stopped without waiting any longer; logs stay as they are, and the next run goes on from there",
      {
        jobs: this.#jobs.size,
      },
    );
  }

  /** The dequeue loop. Resolves with why no more jobs are taken. */
  async #takeJobs(): Promise<WorkerEnd> {
    const { clock, random, once } = this.#options;
    const { drain, jobClient } = this.#context;
    let reachedAtMs = clock.elapsedMs();
    let wasReached = false;
    for (let failures = 0; !drain.aborted;) {
      try {
        await this.#waitForSlot();
        await this.#home.settle();
        const wasQuiet = this.#isQuiet;
        const taken = await this.#dequeue();
        const isIdle = once && taken === 0 && wasQuiet && this.#isQuiet;
        // A server that cannot be reached gives no jobs either.
        if (isIdle) await jobClient.ping(drain);
        if (drain.aborted) break;
        if (isIdle) return "idle";
        reachedAtMs = clock.elapsedMs();
        wasReached = true;
        if (failures > 0) this.#cancellations.serverIsBack();
        failures = 0;
      } catch (error) {
        if (drain.aborted) break;
        // With something unsent it goes on for as long as it takes.
        if (!this.#isQuiet) reachedAtMs = clock.elapsedMs();
        const isGivenUp = once && this.#isQuiet &&
          clock.elapsedMs() - reachedAtMs >= this.#settings.onceConnectMs;
        let retryAfterMs: number | undefined;
        if (error instanceof CallError) {
          if (error.kind === "authentication" && !wasReached) return this.#endWith("authentication", error);
          if (isGivenUp) return this.#endWith("unreachable", error);
          retryAfterMs = error.retryAfterMs;
        } else if (isGivenUp) {
          throw error;
        }
        const delayMs = nextDelayMs(++failures, this.#settings.backoff, random, retryAfterMs);
        this.#reportFailure(error, delayMs);
        await clock.sleep(delayMs, drain);
      }
    }
    return "drained";
  }

  #endWith(end: WorkerEnd, error: CallError): WorkerEnd {
    this.#result.error = error;
    return end;
  }

  #reportFailure(error: unknown, delayMs: number): void {
    const { logger } = this.#options;
    if (!(error instanceof CallError)) {
      // The server has no part in it. Jobs that run have none either, and go on.
      logger.error("Cannot take jobs because of an error on this machine - retrying", {
        delay_ms: delayMs,
        error: error instanceof HomeError ? error.message : stackOf(error),
      });
      return;
    }
    const { kind, message, code } = error;
    const fields = { code, delay_ms: delayMs, error: message };
    if (kind === "authentication") logger.error("Not allowed to take jobs any more - retrying", fields);
    else logger.warn("Failed to take jobs - retrying", fields);
  }

  /** Asks for as many jobs as there are slots, and starts what comes. Gives how many came. */
  async #dequeue(): Promise<number> {
    const { clock, queue, once } = this.#options;
    const { jobClient, drain } = this.#context;
    const waitMs = once ? await this.#onceWaitMs() : this.#settings.dequeueWaitMs;
    const askedAtMs = clock.elapsedMs();
    const slots = this.#concurrency - this.#processes;
    const given = jobClient.dequeue(queue, slots, waitMs, drain);
    const taken = await takeNoMoreThan(slots, given, (job) => this.#start(job), this.#context);
    const waitedMs = clock.elapsedMs() - askedAtMs;
    const pauseMs = Math.min(waitMs, EMPTY_ANSWER_MS) - waitedMs;
    if (taken === 0 && pauseMs > 0) await clock.sleep(pauseMs, drain);
    return taken;
  }

  /** How long a run that ends by itself waits for jobs until it takes the queue for empty. */
  async #onceWaitMs(): Promise<number> {
    const { clock } = this.#options;
    const { jobClient, drain } = this.#context;
    if (this.#answerMs === undefined) {
      const askedAtMs = clock.elapsedMs();
      await jobClient.ping(drain);
      this.#answerMs = clock.elapsedMs() - askedAtMs;
    }
    const releasedWaitMs = this.#releasedAtMs + RELEASED_WAIT_MS - clock.elapsedMs();
    return Math.max(this.#settings.onceWaitMs, ONCE_WAIT_ANSWERS * this.#answerMs, releasedWaitMs);
  }

  async #start(dequeued: DequeuedJob): Promise<void> {
    const { drain, stop, jobClient: server, queue, logger } = this.#context;
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
      else if (outcome === "left" || outcome === "differs") this.#result.jobsLeft++;
      this.#startFailures = outcome === "not_started" ? this.#startFailures + 1 : 0;
    } catch (error) {
      // A mistake of ours in one job must not end the others; its log stays and is taken up by the next run.
      this.#result.jobsLeft++;
      this.#context.logger.error("Job was dropped because of an unexpected error; its log stays on disk", {
        job_id: dequeued.job.jobId,
        error: stackOf(error),
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
        await this.#home.settle();
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
        await removeOldArchives(this.#options, archiveDir, this.#settings.retentionDays);
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

function stackOf(error: unknown): string {
  return error instanceof Error ? error.stack ?? error.message : String(error);
}
