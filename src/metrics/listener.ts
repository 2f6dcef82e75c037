/**
 * The small HTTP server beside a worker: /metrics for Prometheus, /healthz and /readyz for whoever watches
 * processes.
 *
 * It is of no importance to delivery. An address that is taken, as by a second worker on the host, is
 * reported and tried again from time to time, so that it is there when the other one has gone; the worker
 * never waits for it.
 */
import { aborted } from "../platform/aborted.ts";
import type { Clock } from "../platform/clock.ts";
import { isAddressTaken } from "../platform/door/sockets.ts";
import type { Logger } from "../platform/logging/logger.ts";
import { METRICS_CONTENT_TYPE } from "./registry.ts";
import type { Network } from "../platform/network.ts";

export interface MetricsListenerOptions {
  network: Network;
  listen: { hostname: string; port: number };
  /** The text of /metrics. */
  metrics(): Promise<string>;
  /** Why the process is not ready; empty when it is. */
  reasonsNotReady(): Promise<readonly string[]>;
  clock: Clock;
  logger: Logger;
}

export interface MetricsListener {
  close(): Promise<void>;
}

/**
 * A worker's pages are read by Prometheus and by whoever watches processes: a few programs, which ask and go.
 */
const CONNECTIONS_MAX = 32;
const DEADLINES = { headerMs: 20_000, idleMs: 120_000, bodyMs: 20_000, streamMs: 60_000 };

/** How soon a listener takes over from a process that has ended. */
const RETRY_MS = 10_000;

export function startMetricsListener(options: MetricsListenerOptions): MetricsListener {
  const closing = new AbortController();
  const finished = listen(options, closing.signal);
  return {
    async close() {
      closing.abort();
      await finished;
    },
  };
}

async function listen(options: MetricsListenerOptions, closing: AbortSignal): Promise<void> {
  const { network, listen: { hostname, port }, clock, logger } = options;
  for (let attempt = 1; !closing.aborted; attempt++) {
    try {
      const door = network.openDoor({ hostname, port }, {
        connectionsMax: CONNECTIONS_MAX,
        deadlines: DEADLINES,
        handler: (request) => answerOrFail(request, options),
        clock,
        logger,
        descriptorsHint: "raise the worker's limit of open files (ulimit -n, LimitNOFILE=)",
      });
      logger.info("Serving metrics", { url: urlOf(hostname, door.port) });
      await aborted(closing);
      return await door.close(0);
    } catch (error) {
      // Once: who runs two workers on a host knows.
      if (attempt === 1) reportNotListening(error, hostname, port, logger);
      await clock.sleep(RETRY_MS, closing);
    }
  }
}

function reportNotListening(error: unknown, hostname: string, port: number, logger: Logger): void {
  const why = isAddressTaken(error)
    ? "another program, perhaps another worker, has the port"
    : error instanceof Error
    ? error.message
    : String(error);
  logger.error(
    "Cannot serve metrics - retrying. The worker goes on without them and delivers as ever. " +
      "Next: give this worker an address of its own with --metrics-listen, or switch them off with --metrics-listen=off",
    { address: urlOf(hostname, port), error: why },
  );
}

function urlOf(hostname: string, port: number): string {
  return `http://${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;
}

async function answerOrFail(request: Request, options: MetricsListenerOptions): Promise<Response> {
  try {
    return await answer(request, options);
  } catch (error) {
    options.logger.error("Metrics could not be collected", {
      error: error instanceof Error ? error.stack ?? error.message : String(error),
    });
    return text(500, "The metrics could not be collected; the worker's log says why\n");
  }
}

const PATHS = "/metrics, /healthz and /readyz";

async function answer(
  request: Request,
  { metrics, reasonsNotReady }: MetricsListenerOptions,
): Promise<Response> {
  const pathname = pathOf(request);
  if (pathname !== "/metrics" && pathname !== "/healthz" && pathname !== "/readyz") {
    return text(404, `There is nothing at this path, only at ${PATHS}\n`);
  }
  if (request.method !== "GET" && request.method !== "HEAD") {
    return text(405, "Only GET and HEAD are answered\n", { allow: "GET, HEAD" });
  }
  switch (pathname) {
    case "/metrics":
      return text(200, await metrics(), { "content-type": METRICS_CONTENT_TYPE });
    case "/healthz":
      return text(200, "ok\n");
    case "/readyz": {
      const reasons = await reasonsNotReady();
      return reasons.length === 0
        ? text(200, "ready\n")
        : text(503, reasons.map((reason) => reason + "\n").join(""));
    }
  }
}

/** The path as it came; the rest of the request's URL is the header Host, whatever that says. */
function pathOf(request: Request): string | undefined {
  return /^[a-z+]+:\/\/[^/]*(\/[^?#]*)/i.exec(request.url)?.[1];
}

function text(status: number, body: string, headers: Record<string, string> = {}): Response {
  return new Response(body, {
    status,
    headers: {
      "content-type": "text/plain; charset=utf-8",
      "cache-control": "no-store",
      "x-content-type-options": "nosniff",
      ...headers,
    },
  });
}
