/**
 * Stands between a worker and a server, and answers calls that send events in the server's place for as long
 * as it is told to: as a gateway does that limits the rate.
 */
export class RefusingProxy implements AsyncDisposable {
  /** While it is set, calls that send events are answered with this status. */
  refusesWith: number | undefined;
  /** How many were. */
  refused = 0;
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  readonly #client = Deno.createHttpClient({ http2: false });

  constructor(target: string) {
    this.#server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {} },
      (request) => this.#answer(request, target),
    );
  }

  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}`;
  }

  async #answer(request: Request, target: string): Promise<Response> {
    const { pathname } = new URL(request.url);
    const body = new Uint8Array(await request.arrayBuffer());
    if (this.refusesWith !== undefined && pathname.endsWith("/PublishJobEvents")) {
      this.refused++;
      return new Response("slow down\n", { status: this.refusesWith });
    }
    const { method, headers } = request;
    try {
      return await fetch(target + pathname, {
        method,
        headers,
        body: method === "GET" ? undefined : body,
        client: this.#client,
        signal: request.signal,
      });
    } catch {
      // The worker has gone away, or the server has: either way there is nobody to answer, or nothing to say.
      return new Response(null, { status: 502 });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
    this.#client.close();
  }
}
