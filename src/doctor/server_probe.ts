/**
 * Asks servers and workers how they are, in calls that change nothing.
 */
import { messageOf } from "../platform/error_text.ts";
import type { Network } from "../platform/network.ts";
import { NotFound } from "../platform/system_errors.ts";
import { CredentialsError } from "../client/credentials_error.ts";
import { readCaCertificates } from "../client/ca_certificates.ts";
import { explainTlsError } from "../client/tls_error.ts";
import { type ClientContext, ServerClient, type ServerSettings } from "../client/server_client.ts";
import { ServerError } from "../client/server_error.ts";
import type { ServerAnswer, SignInAnswer, WorkerAnswer } from "./probe.ts";

/** A server that takes longer than this to say that it is there is in trouble. */
const ANSWER_MS_MAX = 5000;
/** A worker on this host has it at once, or waits for a disk. */
const WORKER_ANSWER_MS_MAX = 4000;
/** Reasons are a line each, and a page of another program has no end. */
const REASONS_BYTES_MAX = 4096;

export async function askServer(
  server: string,
  caFile: string | undefined,
  context: ClientContext,
): Promise<ServerAnswer> {
  const { clock, network } = context;
  const url = `${server.replace(/\/+$/, "")}/healthz`;
  const startedAtMs = clock.elapsedMs();
  const sentAtMs = clock.nowMs();
  try {
    using client = network.openHttpClient({ caCerts: await readCaCertificates(caFile, context) });
    const response = await client.request(url, {
      redirect: "manual",
      signal: AbortSignal.timeout(ANSWER_MS_MAX),
    });
    const receivedAtMs = clock.nowMs();
    const tookMs = clock.elapsedMs() - startedAtMs;
    await response.body?.cancel();
    const dateMs = Date.parse(response.headers.get("date") ?? "");
    const aheadMs = Number.isNaN(dateMs) ? undefined : clockDifferenceMs({ dateMs, sentAtMs, receivedAtMs });
    return { kind: "answer", status: response.status, tookMs, aheadMs };
  } catch (error) {
    return { kind: "none", why: reasonOf(error) };
  }
}

/**
 * How far our clock is ahead of the server's, the least that explains what was seen: the server read its
 * clock, in whole seconds, at some time between our sending and receiving. Pure.
 */
export function clockDifferenceMs(
  { dateMs, sentAtMs, receivedAtMs }: { dateMs: number; sentAtMs: number; receivedAtMs: number },
): number {
  const leastAheadMs = sentAtMs - (dateMs + 1000);
  const mostAheadMs = receivedAtMs - dateMs;
  if (leastAheadMs > 0) return leastAheadMs;
  return mostAheadMs < 0 ? mostAheadMs : 0;
}

function reasonOf(error: unknown): string {
  if (error instanceof Error && error.name === "TimeoutError") {
    return `nothing came within ${ANSWER_MS_MAX / 1000} s`;
  }
  const message = messageOf(error);
  const explained = explainTlsError(message);
  if (explained !== undefined) return explained;
  // The runtime repeats the address, and says in which of its layers it was, before it comes to the point.
  return message.replace(/^error sending request .*?(?=client error)/, "").replace(
    /^client error \(Connect\): /,
    "",
  )
    .replace(/^tcp connect error: /, "");
}

export async function signIn(
  settings: ServerSettings & { queue: string },
  context: ClientContext,
): Promise<SignInAnswer> {
  const requestTimeout = Math.min(settings.requestTimeout, ANSWER_MS_MAX);
  try {
    using client = await ServerClient.connect({ ...settings, requestTimeout }, context);
    await client.call((jobs, options) =>
      jobs.listJobs({ queue: settings.queue, page: 1, pageSize: 1 }, options)
    );
    return { kind: "accepted", isSigned: await credentialsFile(settings, context) !== undefined };
  } catch (error) {
    const why = messageOf(error);
    const kind = kindOf(error);
    if (kind !== "refused") return { kind, why };
    return { kind, why, credentialsFile: await credentialsFile(settings, context) };
  }
}

/**
 * The list of key pairs that the client goes by: the data directory's own, or else the one in the home
 * directory.
 */
async function credentialsFile(
  { dataDir }: ServerSettings,
  context: ClientContext,
): Promise<string | undefined> {
  const home = context.env("HOME");
  for (const directory of [dataDir, ...(home ? [`${home}/.airunner`] : [])]) {
    const path = `${directory}/credentials/config.json`;
    try {
      await context.files.stat(path);
      return path;
    } catch (error) {
      if (!(error instanceof NotFound)) throw error;
    }
  }
  return undefined;
}

function kindOf(error: unknown): "refused" | "unreachable" | "other" {
  // A key that cannot be used lets nobody in either.
  if (error instanceof CredentialsError) return "refused";
  if (!(error instanceof ServerError)) return "other";
  if (error.kind === "authentication") return "refused";
  return error.kind === "unreachable" ? "unreachable" : "other";
}

export async function askWorker(
  listen: { hostname: string; port: number } | "off",
  network: Network,
): Promise<WorkerAnswer> {
  if (listen === "off") return { kind: "none" };
  const url = `http://${hostOf(listen.hostname)}:${listen.port}/readyz`;
  using client = network.openHttpClient();
  try {
    const response = await client.request(url, {
      redirect: "manual",
      signal: AbortSignal.timeout(WORKER_ANSWER_MS_MAX),
    });
    const text = (await response.text()).slice(0, REASONS_BYTES_MAX);
    if (response.status === 200 && text === "ready\n") return { kind: "ready" };
    if (response.status === 503) return { kind: "not_ready", reasons: text.split("\n").filter(Boolean) };
    return { kind: "stranger", status: response.status };
  } catch {
    // Nobody listens there, or whoever does is no worker.
    return { kind: "none" };
  }
}

/** An address to listen on is not always one to connect to. */
function hostOf(hostname: string): string {
  if (hostname === "0.0.0.0") return "127.0.0.1";
  if (hostname === "::" || hostname === "[::]") return "[::1]";
  return hostname.includes(":") && !hostname.startsWith("[") ? `[${hostname}]` : hostname;
}
