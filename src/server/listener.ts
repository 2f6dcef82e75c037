/**
 * The listening socket: opened with errors that say what to do, closed without cutting answers short.
 */
import type { Logger } from "../platform/logging/logger.ts";

/** The server cannot start; the message says what happened and what to do next. */
export class ServerStartError extends Error {
  override name = "ServerStartError";
}

export interface Listener {
  readonly url: string;
  /** The same server under the other names of this machine's loopback. */
  readonly urls: readonly string[];
  readonly port: number;
  readonly finished: Promise<void>;
  /** Refuses new requests, waits for the answers under way, at most `deadlineMs`, and closes every connection. */
  close(deadlineMs: number): Promise<void>;
}

/**
 * Deno calls a response completed when its last bytes were offered to the socket; this is for what the socket did not
 * take at once.
 */
const LINGER_MS = 20;

export function listen(
  address: { hostname: string; port: number },
  handler: Deno.ServeHandler,
  logger: Logger,
): Listener {
  const cut = new AbortController();
  const underWay = new Set<Promise<void>>();
  let isClosing = false;
  const server = open(address, cut.signal, logger, (request, info) => {
    if (isClosing) return new Response("The server is stopping; try again\n", { status: 503 });
    // A response that was cut short is over too.
    const sent = info.completed.catch(() => {}).finally(() => underWay.delete(sent));
    underWay.add(sent);
    return handler(request, info);
  });
  const { port } = server.addr as Deno.NetAddr;
  const url = urlOf(address.hostname, port);
  return {
    url,
    urls: isLoopback(address.hostname)
      ? ["127.0.0.1", "localhost", "::1"].map((name) => urlOf(name, port))
      : [url],
    port,
    finished: server.finished,
    close: async (deadlineMs) => {
      isClosing = true;
      const deadline = Promise.withResolvers<void>();
      const timer = setTimeout(deadline.resolve, deadlineMs);
      await Promise.race([Promise.all(underWay), deadline.promise]);
      clearTimeout(timer);
      if (underWay.size > 0) {
        logger.warn("Cutting connections that did not end in time", { count: underWay.size });
      }
      await new Promise((resolve) => setTimeout(resolve, LINGER_MS));
      // Deno's graceful shutdown would wait for clients that never finish their requests, and cannot be cut short.
      cut.abort();
      await server.finished;
    },
  };
}

function open(
  { hostname, port }: { hostname: string; port: number },
  signal: AbortSignal,
  logger: Logger,
  handler: Deno.ServeHandler,
): Deno.HttpServer {
  const onError = (error: unknown) => {
    logger.error("A request failed outside of its call", { error: (error as Error).stack ?? String(error) });
    return new Response("The server failed on this request; its log says why\n", { status: 500 });
  };
  try {
    return Deno.serve({ hostname, port, signal, onListen() {}, onError }, handler);
  } catch (cause) {
    throw new ServerStartError(`Cannot listen on ${hostname}:${port}: ${explain(cause as Error, port)}`, {
      cause,
    });
  }
}

function explain(error: Error, port: number): string {
  if (error instanceof Deno.errors.AddrInUse) {
    return "the port is taken. Stop the program that has it, or choose another port (0 takes any free one).";
  }
  if (error instanceof Deno.errors.PermissionDenied && port < 1024) {
    return "ports below 1024 need the system's permission. Choose a higher one.";
  }
  if (error instanceof Deno.errors.AddrNotAvailable) {
    return "this machine does not have that address. Choose one of its own, such as 127.0.0.1.";
  }
  return `${error.message}. Choose another address.`;
}

function urlOf(hostname: string, port: number): string {
  const bare = hostname.replace(/^\[|\]$/g, "");
  return `http://${bare.includes(":") ? `[${bare}]` : bare}:${port}`;
}

/** Whether the address can be reached from this machine alone. */
export function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "::1" || hostname === "[::1]" ||
    /^127(\.\d{1,3}){3}$/.test(hostname);
}
