/**
 * `airunner server`: the small server, until it is stopped.
 */
import { dirname } from "node:path";
import { startServer } from "../../server/server.ts";
import type { Call } from "../call.ts";
import { createDirectory } from "../create_directory.ts";
import { ExitCode } from "../exit_code.ts";
import { ServerMetrics } from "../../metrics/server_metrics.ts";
import { tellServiceManager } from "../../platform/service_manager.ts";
import { stopSignals } from "../terminal/stop_signals.ts";
import { VERSION } from "../../platform/version.ts";

type Server = Call<
  [],
  object,
  "listen" | "data" | "visibilityTimeout" | "authorizedKeys" | "publicUrl" | "allowUnauthenticated"
>;

export async function run({ context, settings, logger }: Server): Promise<number> {
  await createDirectory(context.files, dirname(settings.data));
  const metrics = await ServerMetrics.create(VERSION, context.clock);
  const server = await startServer({
    listen: settings.listen,
    dataFile: settings.data,
    logger,
    clock: context.clock,
    authorizedKeysDir: settings.authorizedKeys,
    publicUrls: settings.publicUrl === undefined ? undefined : [settings.publicUrl],
    allowUnauthenticated: settings.allowUnauthenticated,
    defaultVisibilitySeconds: Math.ceil(settings.visibilityTimeout / 1000),
    observe: metrics.observe,
    renderMetrics: (state) => metrics.render(state),
  });
  const { drain, stop, release } = stopSignals(context.signals, logger);
  try {
    await context.stderr.write(`Listening on ${server.url}\n`);
    await context.stderr.flush();
    tellServiceManager("ready", context, logger);
    await Promise.race([server.finished, aborted(drain)]);
    tellServiceManager("stopping", context, logger);
    await Promise.race([server.stop(), aborted(stop)]);
  } finally {
    release();
  }
  if (stop.aborted) return ExitCode.INTERRUPTED;
  // A server that nobody stopped has failed, and its log says why.
  return drain.aborted ? ExitCode.DONE : ExitCode.FAILED;
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
