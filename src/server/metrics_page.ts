/**
 * Who may read /metrics of a server: never decided by where a request comes from, since whoever comes through
 * a proxy on this machine comes from this machine.
 *
 * The page holds counts only, and no names; but a server that asks who calls it tells strangers nothing at
 * all, unless it was told to. Prometheus cannot sign its requests anew each hour, so it may have a token of
 * its own.
 */
import type { HttpHandler } from "../platform/door/exchange.ts";

export interface MetricsPage {
  render(): Promise<string>;
  access: MetricsAccess;
}

export type MetricsAccess =
  /** Whoever reaches the server. */
  | { for: "everybody" }
  /**
   * Who may call, and who sends the token, if there is one. It is read anew each time, so that it can be
   * changed.
   */
  | { for: "callers"; mayCall(authorization: string | null): Promise<boolean>; token?(): Promise<string> };

export const metricsPage = ({ render, access }: MetricsPage): HttpHandler => async (request) => {
  if (request.method !== "GET" && request.method !== "HEAD") {
    return new Response("Only GET and HEAD are answered\n", { status: 405, headers: { Allow: "GET, HEAD" } });
  }
  if (!await mayRead(access, request.headers.get("Authorization"))) {
    return new Response(
      "Metrics need the header Authorization: Bearer, with the token of --metrics-token-file or of a key that may call\n",
      { status: 401, headers: { "WWW-Authenticate": 'Bearer realm="airunner"' } },
    );
  }
  const headers = { "Content-Type": "text/plain; version=0.0.4; charset=utf-8", "Cache-Control": "no-store" };
  return new Response(await render(), { headers });
};

async function mayRead(access: MetricsAccess, authorization: string | null): Promise<boolean> {
  if (access.for === "everybody") return true;
  const given = /^Bearer +(\S+)$/i.exec(authorization ?? "")?.[1];
  if (given === undefined) return false;
  if (access.token !== undefined && await isSame(given, await access.token())) return true;
  return await access.mayCall(authorization);
}

/** Compares digests, so that the time it takes tells nothing about the token. */
async function isSame(given: string, token: string): Promise<boolean> {
  const [a, b] = await Promise.all(
    [given, token].map(async (text) =>
      new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)))
    ),
  );
  return token !== "" && a.every((byte, index) => byte === b[index]);
}
