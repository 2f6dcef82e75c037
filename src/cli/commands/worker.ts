/**
 * `airunner worker`: takes jobs and runs them, until it is stopped.
 */
import { runWorker } from "../../job/worker.ts";
import type { WorkerChanges, WorkerResult } from "../../job/worker_options.ts";
import { closeToOthers } from "../../platform/process_protection.ts";
import { returnFreedMemory } from "../../platform/freed_memory.ts";
import type { Logger } from "../../platform/logging/logger.ts";
import type { Call } from "../call.ts";
import type { Context } from "../context.ts";
import { CommandError } from "../command_error.ts";
import { createDirectory } from "./create_directory.ts";
import { jobPlace } from "../settings/job_place.ts";
import { ExitCode } from "../../screens/exit_code.ts";
import { WorkerMetrics } from "../../metrics/worker_metrics.ts";
import { reloadOnHangup } from "../settings/reload_settings.ts";
import { connectTransport } from "../../client/server_client.ts";
import type { WORKER_SETTINGS } from "../../config/setting_groups.ts";
import { tellServiceManager } from "../../platform/service_manager.ts";
import { stopSignals } from "../terminal/stop_signals.ts";
import { VERSION } from "../../platform/version.ts";
import { changeableSettings, SYNC_INTERVAL_MS, workerSettings } from "../../setup/worker_settings.ts";
import { requireServer } from "../settings/require_server.ts";
import type { JobObserver } from "../../job/job_context.ts";

type Worker = Call<[], { once?: true }, (typeof WORKER_SETTINGS)[number]>;

export async function run(call: Worker): Promise<number> {
  const { context, options, settings, logger } = call;
  const { server } = requireServer(settings);
  // Before anything secret is read, and before there is a job.
  closeToOthers(logger);
  using place = jobPlace(settings, context);
  const transport = await connectTransport({ ...settings, server }, context);
  for (const directory of [settings.dataDir, settings.walDir, settings.archiveDir]) {
    await createDirectory(context.files, directory);
  }
  if (settings.sync === "interval") {
    logger.warn("Sync is interval: a power failure can lose the last output. Sync: always loses none", {
      interval_ms: SYNC_INTERVAL_MS,
    });
  }
  // What changes at SIGHUP changes in here.
  const live = { ...settings };
  const metrics = await workerMetrics(live, context, logger);
  const listener = metrics?.start();
  const signals = stopSignals(context.signals, logger);
  let change: ((changes: WorkerChanges) => void) | undefined;
  const onChanged = () => change?.(changeableSettings(live));
  const releaseReload = reloadOnHangup({ call, live, logger, onChanged });
  signals.drain.addEventListener("abort", () => tellServiceManager("stopping", context, logger));
  try {
    const running = runWorker({
      transport,
      serverUrl: transport.server,
      queue: settings.queue,
      concurrency: settings.concurrency,
      once: options.once ?? false,
      workerName: settings.workerName ?? context.hostname(),
      workerId: context.randomId(),
      version: VERSION,
      walDir: settings.walDir,
      archiveDir: settings.archiveDir,
      settings: workerSettings(settings),
      environment: place.environment,
      jobUser: place.user,
      workDirectories: place.workDirectories,
      clock: context.clock,
      random: context.random,
      files: context.files,
      nextTurn: context.nextTurn,
      processes: context.processes,
      logger,
      observe: observer(call, server, metrics),
      onChangeable: (given) => change = given,
      drain: signals.drain,
      stop: signals.stop,
    });
    const result = await Promise.race([running, signals.abandoned]);
    return result ? exitCodeOf(result, server) : ExitCode.INTERRUPTED;
  } finally {
    releaseReload();
    signals.release();
    transport.close();
    await listener?.close();
  }
}

/** Counts, and says what is said once. */
function observer(
  { context, settings, logger, loaded }: Worker,
  server: string,
  metrics: WorkerMetrics | undefined,
): JobObserver {
  return {
    ...metrics?.observe,
    archived(rawBytes) {
      metrics?.observe.archived?.(rawBytes);
      returnFreedMemory();
    },
    workerStarted(state) {
      logger.info("Worker started", {
        version: VERSION,
        server,
        queue: settings.queue,
        concurrency: settings.concurrency,
        data_dir: settings.dataDir,
        job_user: settings.jobUser,
        config_file: loaded.file?.path,
      });
      metrics?.observe.workerStarted?.(state);
      // Whether the server answers does not matter: a worker that waits for it is as ready as it can be.
      tellServiceManager("ready", context, logger);
    },
  };
}

/** Undefined when they are switched off; then nothing is counted either. */
async function workerMetrics(
  settings: Worker["settings"],
  { files, processes, network, clock }: Context,
  logger: Logger,
): Promise<WorkerMetrics | undefined> {
  const { metricsListen: listen, walDir, archiveDir } = settings;
  if (listen === "off") return undefined;
  return await WorkerMetrics.create({
    listen,
    walDir,
    archiveDir,
    // Asked each time, because both may change while the worker runs.
    get keepsDelivered() {
      return !settings.archiveOnComplete;
    },
    get unsentAgeMaxMs() {
      return settings.readyMaxUnsentAge;
    },
    version: VERSION,
    files,
    processes,
    network,
    clock,
    logger,
  });
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
        "`airunner keys list` shows who we are; the server must list that key, with the role run: `airunner help authentication`.",
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
