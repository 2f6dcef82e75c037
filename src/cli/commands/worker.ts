/**
 * `airunner worker`: takes jobs and runs them, until it is stopped.
 */
import { BACKOFF_DEFAULT } from "../../delivery/backoff.ts";
import { DEFAULT_LIMITS } from "../../job/batcher.ts";
import { runWorker, type WorkerResult, type WorkerSettings } from "../../job/worker.ts";
import type { Clock } from "../../platform/clock.ts";
import type { Logger } from "../../platform/logger.ts";
import type { Call } from "../call.ts";
import { CommandError } from "../command_error.ts";
import { createDirectory } from "../create_directory.ts";
import { ExitCode } from "../exit_code.ts";
import { WorkerMetrics } from "../metrics_worker.ts";
import { connectTransport, requireServer } from "../server_client.ts";
import type { WORKER_SETTINGS } from "../setting_groups.ts";
import { stopSignals } from "../stop_signals.ts";
import { VERSION } from "../version.ts";

type Worker = Call<[], { once?: true }, (typeof WORKER_SETTINGS)[number]>;

/** What the runbook's `Sync: interval` may lose in a power failure. */
const SYNC_INTERVAL_MS = 100;

export async function run({ context, options, settings, logger }: Worker): Promise<number> {
  const server = requireServer(settings);
  const transport = await connectTransport(settings, context);
  for (const directory of [settings.dataDir, settings.walDir, settings.archiveDir]) {
    await createDirectory(directory);
  }
  logger.info("Starting worker", {
    version: VERSION,
    server,
    queue: settings.queue,
    concurrency: settings.concurrency,
    data_dir: settings.dataDir,
  });
  if (settings.sync === "interval") {
    logger.warn("Sync is interval: a power failure can lose the last output", {
      interval_ms: SYNC_INTERVAL_MS,
    });
  }
  const metrics = await workerMetrics(settings, context.clock, logger);
  const listener = metrics?.start();
  const signals = stopSignals(context.signals, logger);
  try {
    const running = runWorker({
      transport,
      serverUrl: transport.server,
      queue: settings.queue,
      concurrency: settings.concurrency,
      once: options.once ?? false,
      workerName: settings.workerName ?? context.hostname(),
      version: VERSION,
      walDir: settings.walDir,
      archiveDir: settings.archiveDir,
      settings: workerSettings(settings),
      environment: context.environment(),
      clock: context.clock,
      random: context.random,
      logger,
      observe: metrics?.observe,
      drain: signals.drain,
      stop: signals.stop,
    });
    const result = await Promise.race([running, signals.abandoned]);
    return result ? exitCodeOf(result, server) : ExitCode.INTERRUPTED;
  } finally {
    signals.release();
    transport.close();
    await listener?.close();
  }
}

/** Undefined when they are switched off; then nothing is counted either. */
async function workerMetrics(
  settings: Worker["settings"],
  clock: Clock,
  logger: Logger,
): Promise<WorkerMetrics | undefined> {
  const { metricsListen: listen, walDir, archiveDir, archiveOnComplete, readyMaxUnsentAge } = settings;
  if (listen === "off") return undefined;
  return await WorkerMetrics.create({
    listen,
    walDir,
    archiveDir,
    keepsDelivered: !archiveOnComplete,
    unsentAgeMaxMs: readyMaxUnsentAge,
    version: VERSION,
    clock,
    logger,
  });
}

function workerSettings(settings: Worker["settings"]): Partial<WorkerSettings> {
  return {
    shutdownGraceMs: settings.gracePeriod,
    visibilityTimeoutSeconds: Math.ceil(settings.visibilityTimeout / 1000),
    requestTimeoutMs: settings.requestTimeout,
    limits: { ...DEFAULT_LIMITS, flushAfterMs: settings.flushInterval },
    sync: settings.sync === "interval"
      ? { mode: "interval", intervalMs: SYNC_INTERVAL_MS }
      : { mode: "always" },
    sender: { attemptsMax: settings.retryAttempts },
    backoff: {
      ...BACKOFF_DEFAULT,
      initialMs: settings.retryInitialInterval,
      maxMs: settings.retryMaxInterval,
      factor: settings.retryMultiplier,
    },
    archiveOnComplete: settings.archiveOnComplete,
    compressionLevel: settings.compressionLevel,
    retentionDays: settings.retentionDays,
    unsentBytesMax: settings.walMaxBytes,
    freeBytesMin: settings.minFreeSpace,
  };
}

/** @throws CommandError when the worker ended for a reason that the user has to see to */
function exitCodeOf({ end, error }: WorkerResult, server: string): number {
  switch (end) {
    case "idle":
    case "drained":
      return ExitCode.DONE;
    case "stopped":
      return ExitCode.INTERRUPTED;
    case "authentication":
      throw new CommandError(
        `${server} does not let us in: ${error?.message ?? "no reason given"}. What is unsent stays on disk.`,
        ExitCode.AUTHENTICATION,
        "Check --credential and the key pairs in ~/.airunner/credentials; the server must list the public key.",
        { cause: error },
      );
    case "unreachable":
      throw new CommandError(
        `Cannot reach ${server}: ${error?.message ?? "no answer"}. What is unsent stays on disk.`,
        ExitCode.UNREACHABLE,
        "Check the address and whether the server runs, then try again.",
        { cause: error },
      );
  }
}
