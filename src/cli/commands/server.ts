/**
 * `airunner server`: the small server, until it is stopped.
 */
import { dirname } from "node:path";
import { ServerMetrics } from "../../metrics/server_metrics.ts";
import { messageOf } from "../../platform/error_text.ts";
import type { Logger } from "../../platform/logging/logger.ts";
import { readSecretFile } from "../../platform/private_file.ts";
import { tellServiceManager } from "../../platform/service_manager.ts";
import { shellWord } from "../../platform/text.ts";
import { VERSION } from "../../platform/version.ts";
import type { CertificatePaths } from "../../server/certificate_files.ts";
import { startServer } from "../../server/server.ts";
import { tlsFiles } from "../settings/server_tls.ts";
import { closeToOthers } from "../../platform/process_protection.ts";
import type { Call } from "../call.ts";
import { CommandError } from "../command_error.ts";
import { connectionLimits } from "../../setup/connection_limits.ts";
import { retentionPolicy } from "../../setup/retention_policy.ts";
import { createDirectory } from "./create_directory.ts";
import { ExitCode } from "../../screens/exit_code.ts";
import type { CONNECTION_SETTINGS, RETENTION_SETTINGS } from "../../config/server_settings.ts";
import { stopSignals } from "../terminal/stop_signals.ts";

/** Well below the minute that each sign of life asks for. */
const UPGRADE_SIGN_EVERY_MS = 10_000;

type Server = Call<
  [],
  { devTls?: true },
  | "tlsCert"
  | "tlsKey"
  | "listen"
  | "data"
  | "visibilityTimeout"
  | "authorizedKeys"
  | "publicUrl"
  | "allowUnauthenticated"
  | (typeof RETENTION_SETTINGS)[number]
  | (typeof CONNECTION_SETTINGS)[number]
>;

export async function run({ context, options, settings, logger }: Server): Promise<number> {
  // A job on the same machine must not find the secret behind its worker's tokens in here.
  closeToOthers(logger);
  await createDirectory(context.files, dirname(settings.data));
  const isDev = options.devTls ?? false;
  const tls = await tlsFiles(settings, isDev, context);
  const metrics = await ServerMetrics.create(VERSION, context);
  const server = await startServer({
    listen: settings.listen,
    dataFile: settings.data,
    host: context,
    logger,
    authorizedKeysDir: settings.authorizedKeys,
    publicUrls: settings.publicUrl === undefined ? undefined : [settings.publicUrl],
    allowUnauthenticated: settings.allowUnauthenticated,
    defaultVisibilitySeconds: Math.ceil(settings.visibilityTimeout / 1000),
    observe: metrics.observe,
    renderMetrics: (state) => metrics.render(state),
    openMetrics: settings.metricsOpen,
    metricsToken: await tokenReader(settings.metricsTokenFile, logger),
    limits: connectionLimits(settings),
    tls,
    retention: retentionPolicy(settings),
    onUpgrade: upgradeTeller(context, logger),
  });
  // Without TLS there is nothing to read again, and a hangup ends the program as it does any other.
  const releaseHangup = tls && context.signals.takeHangup(() => void server.reloadCertificate());
  const { drain, stop, release } = stopSignals(context.signals, logger);
  try {
    await context.stderr.write(
      `Listening on ${server.url}\n${
        isDev ? devWords(settings.publicUrl ?? `https://localhost:${server.port}`, tls!) : ""
      }`,
    );
    await context.stderr.flush();
    tellServiceManager("ready", context, logger);
    await Promise.race([server.finished, aborted(drain)]);
    tellServiceManager("stopping", context, logger);
    await Promise.race([server.stop(), aborted(stop)]);
  } finally {
    release();
    releaseHangup?.();
  }
  if (stop.aborted) return ExitCode.INTERRUPTED;
  // A server that nobody stopped has failed, and its log says why.
  return drain.aborted ? ExitCode.DONE : ExitCode.FAILED;
}

/** What a client has to type, which has to be told to trust a certificate that vouches for itself. */
function devWords(url: string, { certFile }: CertificatePaths): string {
  return "Its certificate vouches for itself: fit for a first try, and for nothing else. Clients type:\n" +
    `  export AIRUNNER_CA_FILE=${shellWord(certFile)}\n` +
    `  export AIRUNNER_SERVER=${shellWord(url)}\n`;
}

/**
 * A large database takes minutes, in which whoever started the server must not take it for one that hangs.
 */
function upgradeTeller({ clock, env }: Server["context"], logger: Logger): () => Promise<void> {
  let nextMs = -Infinity;
  return () => {
    if (clock.elapsedMs() >= nextMs) {
      tellServiceManager("starting", { env }, logger);
      nextMs = clock.elapsedMs() + UPGRADE_SIGN_EVERY_MS;
    }
    return Promise.resolve();
  };
}

/**
 * Reads the token at each request, so that it can be changed. @throws CommandError when there is none to
 * begin with
 */
async function tokenReader(
  path: string | undefined,
  logger: Logger,
): Promise<(() => Promise<string>) | undefined> {
  if (path === undefined) return undefined;
  const token = await readSecretFile(path).catch((cause) => {
    throw new CommandError(
      `Cannot read the token for metrics: ${messageOf(cause)}`,
      ExitCode.CONFIGURATION,
      `Write one: (umask 077; head -c 32 /dev/urandom | base64 > ${shellWord(path)})`,
      { cause },
    );
  });
  if (token === "") {
    throw new CommandError(
      `The token for metrics is empty: ${path}`,
      ExitCode.CONFIGURATION,
      `Write one: (umask 077; head -c 32 /dev/urandom | base64 > ${shellWord(path)})`,
    );
  }
  return async () => {
    try {
      return await readSecretFile(path);
    } catch (error) {
      // Nobody gets in with it then; a key still does.
      logger.error("Cannot read the token for metrics", { path, error: messageOf(error) });
      return "";
    }
  };
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
