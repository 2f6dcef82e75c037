/**
 * Delivers what commands that were run here have left: their logs are taken up as a worker does it, with the
 * worker's own machinery, and then it is over. Nobody waits for it, and a server that does not answer is not
 * waited for long: the logs stay, and the next command, worker or replay goes on with them.
 */
import type { Transport } from "@connectrpc/connect";
import { nextDelayMs } from "../client/backoff.ts";
import { CallError } from "../client/call_error.ts";
import { createJobClient } from "../client/job_client.ts";
import { createWorkerClient } from "../client/worker_client.ts";
import type { SendAttempt } from "../delivery/sender_observer.ts";
import { DiskBudget } from "../job/disk_budget.ts";
import { JOB_TIMES, type JobContext, type JobSettings } from "../job/job_context.ts";
import { OutstandingCompletions } from "../job/outstanding.ts";
import { takeUpLogs } from "../job/take_up.ts";
import { WorkerHome } from "../job/worker_home.ts";
import type { Host } from "../platform/host.ts";
import type { Logger } from "../platform/logging/logger.ts";

export interface DeliverOptions {
  readonly transport: Transport;
  readonly serverUrl: string;
  readonly queue: string;
  readonly workerName: string;
  readonly version: string;
  readonly walDir: string;
  readonly archiveDir: string;
  readonly settings: Omit<JobSettings, keyof typeof JOB_TIMES | "shutdownGraceMs">;
  readonly host: Pick<Host, "files" | "clock" | "random" | "processes">;
  readonly logger: Logger;
  /** Aborts when somebody has had enough. */
  readonly stop: AbortSignal;
}

/** A server that takes nothing for so long is away; a restart takes less. */
const PATIENCE_MS = 30_000;

/** Resolves when everything is delivered that the server takes; `false` when it does not answer. */
export async function deliverLogs(options: DeliverOptions): Promise<boolean> {
  const { host, logger, walDir, archiveDir, stop } = options;
  using home = new WorkerHome({ walDir, archiveDir, logger, files: host.files });
  await home.settle();
  const giveUp = new AbortController();
  const over = new AbortController();
  const patience = new Patience(options);
  const context = contextOf(options, patience, AbortSignal.any([giveUp.signal, stop]));
  if (!await isAnswering(context)) return false;
  const waiting = patience.run(AbortSignal.any([over.signal, stop])).then((isOver) =>
    isOver && giveUp.abort()
  );
  try {
    await takeUpLogs(
      context,
      ({ source, server }) => source === "exec" && [options.serverUrl, ""].includes(server),
    );
    return !giveUp.signal.aborted;
  } finally {
    over.abort();
    await waiting;
    // What the server refuses to complete is left for the next.
    giveUp.abort();
    await context.outstanding.addTo({ jobsCompleted: 0, jobsLeft: 0 });
  }
}

/** Asks before any log is opened, again and again for as long as a restart takes. */
async function isAnswering(
  { jobClient, logger, drain, clock, random, settings }: JobContext,
): Promise<boolean> {
  const untilMs = clock.elapsedMs() + PATIENCE_MS;
  for (let failures = 1;; failures++) {
    try {
      await jobClient.ping(drain);
      return true;
    } catch (error) {
      if (!(error instanceof CallError)) throw error;
      const waitMs = nextDelayMs(failures, settings.backoff, random, error.retryAfterMs);
      if (error.kind === "authentication" || drain.aborted || clock.elapsedMs() + waitMs > untilMs) {
        logger.warn("The server does not answer; the logs stay for the next run", { error: error.message });
        return false;
      }
      await clock.sleep(waitMs, drain);
    }
  }
}

/** Notices that the server takes nothing any more. */
class Patience {
  readonly #options: DeliverOptions;
  #heardAtMs: number;

  constructor(options: DeliverOptions) {
    this.#options = options;
    this.#heardAtMs = options.host.clock.elapsedMs();
  }

  attempt({ result }: SendAttempt): void {
    // A refusal is an answer, and the sender finds out what to make of it.
    if (result === "accepted" || result === "refused") this.#heardAtMs = this.#options.host.clock.elapsedMs();
  }

  /** Resolves to true when it is at its end, to false when the signal aborts before. */
  async run(signal: AbortSignal): Promise<boolean> {
    const { host: { clock }, logger } = this.#options;
    while (!signal.aborted) {
      const waitMs = this.#heardAtMs + PATIENCE_MS - clock.elapsedMs();
      if (waitMs <= 0) {
        logger.warn("The server takes nothing any more; the rest stays for the next run");
        return true;
      }
      await clock.sleep(waitMs, signal);
    }
    return false;
  }
}

function contextOf(options: DeliverOptions, patience: Patience, drain: AbortSignal): JobContext {
  const { transport, host, logger, walDir } = options;
  const settings = {
    ...JOB_TIMES,
    ...options.settings,
    shutdownGraceMs: 0,
    // Whoever is asked to end here has been waiting already.
    deliveryGraceMs: 0,
  };
  const { requestTimeoutMs, visibilityTimeoutSeconds } = settings;
  const { clock } = host;
  return {
    ...options,
    ...host,
    settings,
    jobClient: createJobClient({ transport, clock, requestTimeoutMs, visibilityTimeoutSeconds }),
    workerClient: createWorkerClient({ transport, clock, requestTimeoutMs, logger }),
    // What has ended cannot be cancelled any more.
    cancellations: { listen: () => ({ signal: new AbortController().signal, [Symbol.dispose]() {} }) },
    budget: new DiskBudget({
      directory: walDir,
      unsentBytesMax: Infinity,
      freeBytesMin: 0,
      files: host.files,
      clock,
      logger,
    }),
    environment: {},
    logsInHand: new Set(),
    logsToArchive: new Map(),
    outstanding: new OutstandingCompletions(),
    onReleased() {},
    observe: { sender: { attempt: (attempt) => patience.attempt(attempt) } },
    drain,
  };
}
