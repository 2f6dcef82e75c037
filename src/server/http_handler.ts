/**
 * HTTP around the calls: which path leads to which method, health, and what browsers may not do.
 */
import { Code, ConnectError, createContextValues } from "@connectrpc/connect";
import type { UniversalHandler, UniversalServerResponse } from "@connectrpc/connect/protocol";
import {
  ClientGoneError,
  type Exchange,
  type HttpHandler,
  SlowBodyError,
} from "../platform/door/exchange.ts";
import type { Logger } from "../platform/logging/logger.ts";
import { normalizeUrl } from "./auth.ts";
import { allowSilence, endCall, responseSent } from "./delivery_context.ts";
import { isLoopback } from "./listener.ts";
import { type MetricsPage, metricsPage } from "./metrics_page.ts";

export interface HandlerOptions {
  handlers: readonly UniversalHandler[];
  /** Preferred for streaming calls in binary. */
  rawHandlers: readonly UniversalHandler[];
  /** The URLs that this server is known by; read at each call. */
  ownUrls: readonly string[];
  metrics: MetricsPage | undefined;
  logger: Logger;
}

export function createHttpHandler(
  { handlers, rawHandlers, ownUrls, metrics, logger }: HandlerOptions,
): HttpHandler {
  const byPath = new Map(handlers.map((handler) => [handler.requestPath, handler]));
  const rawByPath = new Map(rawHandlers.map((handler) => [handler.requestPath, handler]));
  const showMetrics = metrics && metricsPage(metrics);
  return (request, exchange) => {
    const url = urlOf(request);
    if (url === undefined) return new Response("The header Host names no host\n", { status: 400 });
    const { pathname } = url;
    // For everybody: it tells that the server runs, which its listening port does too, and who watches over
    // it has no key.
    if (pathname === "/healthz" || pathname === "/health") return new Response("ok\n");
    if (pathname === "/metrics" && showMetrics !== undefined) return showMetrics(request, exchange);
    const raw = request.headers.get("Content-Type") === "application/connect+proto"
      ? rawByPath.get(pathname)
      : undefined;
    const handler = raw ?? byPath.get(pathname);
    if (!handler) return new Response("There is nothing at this path\n", { status: 404 });
    if (!isOwnOrigin(request.headers.get("Origin"), ownUrls)) {
      return new Response("Calls from other web pages are not allowed\n", { status: 403 });
    }
    return call(handler, request, url, exchange, logger);
  };
}

/**
 * What the client asked for; undefined when its Host is none. The runtime puts the header into the request's
 * URL as it came, behind a scheme that stands for its socket, so that this is no URL until it was looked at.
 */
function urlOf(request: Request): URL | undefined {
  const host = request.headers.get("Host") ?? "localhost";
  if (!/^[^\s/?#@\\]+$/.test(host)) return undefined;
  const path = /^[a-z+]+:\/\/[^/]*(\/.*)$/is.exec(request.url)?.[1] ?? "/";
  return URL.parse(`http://${host}${path}`) ?? undefined;
}

/**
 * Only browsers send an Origin. One that is not ours is a page that uses its visitor's browser to reach this
 * server, by a name that it lets point here (DNS rebinding), and could otherwise enqueue commands.
 */
function isOwnOrigin(origin: string | null, ownUrls: readonly string[]): boolean {
  if (origin === null) return true;
  if (!URL.canParse(origin)) return false;
  return isLoopback(new URL(origin).hostname) || ownUrls.includes(normalizeUrl(origin));
}

async function call(
  handler: UniversalHandler,
  request: Request,
  url: URL,
  exchange: Exchange,
  logger: Logger,
): Promise<Response> {
  const clientGone = (message: string, cause: unknown) => {
    logger.debug("A client went away before its call had ended", { path: url.pathname });
    return new ConnectError(message, Code.Canceled, undefined, undefined, cause);
  };
  const answered = Promise.withResolvers<void>();
  let wasGone = false;
  const sent = async () => {
    await answered.promise;
    return await exchange.sent() && !wasGone;
  };
  const ended = new AbortController();
  request.signal.addEventListener("abort", () => ended.abort(request.signal.reason), { once: true });
  const contextValues = createContextValues()
    .set(responseSent, sent)
    .set(endCall, (reason) => ended.abort(reason))
    .set(allowSilence, () => exchange.allowSilence());
  const answer = await handler({
    httpVersion: "1.1",
    method: request.method,
    url: url.href,
    header: request.headers,
    body: bodyOf(exchange, clientGone),
    signal: ended.signal,
    contextValues,
  });
  // A client that went away before there was a response: Deno reports that as completed, since nothing was
  // cut short.
  wasGone = request.signal.aborted;
  answered.resolve();
  return toResponse(answer, clientGone);
}

/** Makes the error that a call ends with when its client went away. */
type ClientGone = (message: string, cause: unknown) => ConnectError;

/** The request's body, whose errors are the client's, and told as such. */
async function* bodyOf(exchange: Exchange, clientGone: ClientGone): AsyncGenerator<Uint8Array> {
  try {
    yield* exchange.body();
  } catch (error) {
    if (error instanceof SlowBodyError) {
      throw new ConnectError(
        `${error.message}; try again`,
        Code.DeadlineExceeded,
        undefined,
        undefined,
        error,
      );
    }
    if (error instanceof ClientGoneError) throw clientGone(error.message, error);
    throw error;
  }
}

/**
 * The answer as the runtime takes it. When its client takes no more of it, the call hears that and not the
 * socket's error.
 */
function toResponse({ status, header, body }: UniversalServerResponse, clientGone: ClientGone): Response {
  const messages = body?.[Symbol.asyncIterator]();
  const stream = messages && new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await messages.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    async cancel(reason) {
      const error = clientGone("The client went away before it had taken the whole answer", reason);
      try {
        await messages.throw?.(error);
      } catch (thrown) {
        // A generator hands on what it did not catch.
        if (!(thrown instanceof ConnectError) || thrown.code !== Code.Canceled) throw thrown;
      }
    },
  });
  return new Response(stream, { status, headers: header });
}
