/**
 * HTTP around the calls: which path leads to which method, health, and what browsers may not do.
 */
import { createContextValues } from "@connectrpc/connect";
import {
  type UniversalHandler,
  universalServerRequestFromFetch,
  universalServerResponseToFetch,
} from "@connectrpc/connect/protocol";
import { normalizeUrl } from "./auth.ts";
import { responseSent } from "./delivery_context.ts";
import { isLoopback } from "./listener.ts";

export interface HandlerOptions {
  handlers: readonly UniversalHandler[];
  /** Preferred for streaming calls in binary. */
  rawHandlers: readonly UniversalHandler[];
  /** The URLs that this server is known by; read at each call. */
  ownUrls: readonly string[];
  metrics: MetricsPage | undefined;
}

export interface MetricsPage {
  render(): Promise<string>;
  /** Else only programs on this machine may read it. */
  isForEverybody: boolean;
}

export function createHttpHandler(
  { handlers, rawHandlers, ownUrls, metrics }: HandlerOptions,
): Deno.ServeHandler {
  const byPath = new Map(handlers.map((handler) => [handler.requestPath, handler]));
  const rawByPath = new Map(rawHandlers.map((handler) => [handler.requestPath, handler]));
  return (request, info) => {
    const { pathname } = new URL(request.url);
    if (pathname === "/healthz" || pathname === "/health") return new Response("ok\n");
    if (pathname === "/metrics" && metrics !== undefined) return metricsPage(metrics, request, info);
    const raw = request.headers.get("Content-Type") === "application/connect+proto"
      ? rawByPath.get(pathname)
      : undefined;
    const handler = raw ?? byPath.get(pathname);
    if (!handler) return new Response("There is nothing at this path\n", { status: 404 });
    if (!isOwnOrigin(request.headers.get("Origin"), ownUrls)) {
      return new Response("Calls from other web pages are not allowed\n", { status: 403 });
    }
    return call(handler, request, info);
  };
}

/**
 * Counts only, and no names; but a server that asks who calls it tells strangers nothing at all. Prometheus cannot sign
 * in, so a peer on this machine has to do: unless it is a proxy, which speaks for somebody else and says so.
 */
async function metricsPage(
  { render, isForEverybody }: MetricsPage,
  request: Request,
  { remoteAddr }: Deno.ServeHandlerInfo,
): Promise<Response> {
  if (request.method !== "GET" && request.method !== "HEAD") {
    return new Response("Only GET and HEAD are answered\n", { status: 405, headers: { Allow: "GET, HEAD" } });
  }
  const isLocal = remoteAddr.transport === "tcp" && isLoopback(remoteAddr.hostname) &&
    !request.headers.has("Forwarded") && !request.headers.has("X-Forwarded-For");
  if (!isForEverybody && !isLocal) {
    return new Response("Metrics are for programs on this machine\n", { status: 403 });
  }
  const headers = { "Content-Type": "text/plain; version=0.0.4; charset=utf-8", "Cache-Control": "no-store" };
  return new Response(await render(), { headers });
}

/**
 * Only browsers send an Origin. One that is not ours is a page that uses its visitor's browser to reach this server,
 * by a name that it lets point here (DNS rebinding), and could otherwise enqueue commands.
 */
function isOwnOrigin(origin: string | null, ownUrls: readonly string[]): boolean {
  if (origin === null) return true;
  if (!URL.canParse(origin)) return false;
  return isLoopback(new URL(origin).hostname) || ownUrls.includes(normalizeUrl(origin));
}

async function call(
  handler: UniversalHandler,
  request: Request,
  info: Deno.ServeHandlerInfo,
): Promise<Response> {
  const sent = Promise.withResolvers<boolean>();
  info.completed.then(() => sent.resolve(true), () => sent.resolve(false));
  const answer = await handler({
    ...universalServerRequestFromFetch(request, { httpVersion: "1.1" }),
    contextValues: createContextValues().set(responseSent, sent.promise),
  });
  // A client that went away before there was a response: Deno reports that as completed, since nothing was cut short.
  if (request.signal.aborted) sent.resolve(false);
  return universalServerResponseToFetch(answer);
}
