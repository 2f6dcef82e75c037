/**
 * A Connect server over real sockets that misbehaves on demand: error answers, lost connections, silence,
 * early answers.
 *
 * A plain HTTP server does the talking; a TCP relay before it owns the port that clients see, so that
 * connections can be cut at any byte and the port can go away and come back.
 */
import { Code, ConnectError, type ConnectRouter, createConnectRouter } from "@connectrpc/connect";
import {
  universalServerRequestFromFetch,
  universalServerResponseToFetch,
} from "@connectrpc/connect/protocol";
import { JobEventsService, type PublishJobEventsRequest } from "../../src/events/gen/job/v1/job_pb.ts";

/** What happens to one call instead of an ordinary answer. */
export type Fault =
  /** A Connect error, as the service itself would give it. */
  | { kind: "connect_error"; code: Code; message: string; headers?: HeadersInit }
  /** An answer of something that speaks only HTTP. The request is read to its end first, unless `early`. */
  | { kind: "http"; status: number; body?: string; headers?: HeadersInit; early?: boolean }
  /**
   * The request is read to its end, then the connection is lost. With `stored`, the events were stored
   * before.
   */
  | { kind: "cut"; stored?: boolean }
  /** The connection is lost after `body` was sent as the beginning of an answer with status 200. */
  | { kind: "cut_answer"; body: Uint8Array<ArrayBuffer> }
  /** An answer with status 200 that ends properly, but has no more in it than `body`. */
  | { kind: "short_answer"; body: Uint8Array<ArrayBuffer> }
  /** No answer, until the client or the test ends the connection. */
  | { kind: "silence" };

/** One PublishJobEvents call that was read to its end. */
export interface ReceivedPublish {
  authorization: string | null;
  requests: PublishJobEventsRequest[];
}

export interface FakeServerOptions {
  /** Implements other services, or JobEventsService otherwise. */
  routes?: (router: ConnectRouter) => void;
  /** The error that PublishJobEvents answers with, if any; the events are stored when there is none. */
  refuse?: (request: PublishJobEventsRequest) => ConnectError | undefined;
}

export class FakeServer {
  /** Of calls that were answered by the service; faults other than a `cut` with `stored` never get there. */
  readonly received: ReceivedPublish[] = [];
  /** Sequences of the events that were stored, in order of arrival, without duplicates. */
  readonly stored: bigint[] = [];
  /** How many calls have begun to arrive, by method. */
  readonly calls = new Map<string, number>();
  readonly #faults = new Map<string, Fault[]>();
  readonly #callWaiters = new Set<() => void>();
  readonly #handler: (request: Request) => Promise<Response>;
  readonly #relay: Relay;
  readonly #http: Deno.HttpServer<Deno.NetAddr>;
  readonly #stopped = Promise.withResolvers<void>();

  constructor(options: FakeServerOptions = {}) {
    this.#handler = createHandler((router) => {
      if (options.routes) options.routes(router);
      else this.#publishRoutes(router, options.refuse);
    });
    this.#http = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {} },
      (request) => this.#answer(request),
    );
    this.#relay = new Relay(this.#http.addr.port);
  }

  get url(): string {
    return `http://127.0.0.1:${this.#relay.port}`;
  }

  /** The next calls of `method` meet these faults, one each. */
  failNext(method: string, ...faults: Fault[]): void {
    this.#faults.set(method, [...(this.#faults.get(method) ?? []), ...faults]);
  }

  /** Resolves when `count` calls of `method` have begun to arrive since the server was made. */
  async arrived(method: string, count: number): Promise<void> {
    while ((this.calls.get(method) ?? 0) < count) {
      await new Promise<void>((resolve) => this.#callWaiters.add(resolve));
    }
  }

  /** Ends all connections and refuses new ones, like a machine whose server was killed. */
  async takeDown(): Promise<void> {
    this.#relay.close();
    await this.#relay.settled();
  }

  /** Listens again, on the same port. */
  bringUp(): void {
    this.#relay.listen();
  }

  async stop(): Promise<void> {
    this.#stopped.resolve();
    await this.takeDown();
    await this.#http.shutdown();
  }

  #publishRoutes(router: ConnectRouter, refuse: FakeServerOptions["refuse"]): void {
    router.service(JobEventsService, {
      publishJobEvents: async (requests, context) => {
        const call: ReceivedPublish = {
          authorization: context.requestHeader.get("authorization"),
          requests: [],
        };
        for await (const request of requests) call.requests.push(request);
        this.received.push(call);
        const refusal = call.requests.map((request) => refuse?.(request)).find((error) =>
          error !== undefined
        );
        if (refusal) throw refusal;
        const sequences = call.requests.flatMap((request) => request.events.map(({ sequence }) => sequence));
        const fresh = sequences.filter((sequence) => !this.stored.includes(sequence));
        this.stored.push(...fresh);
        return {
          eventsStored: BigInt(fresh.length),
          eventsDuplicate: BigInt(sequences.length - fresh.length),
        };
      },
    });
  }

  async #answer(request: Request): Promise<Response> {
    const method = request.url.slice(request.url.lastIndexOf("/") + 1);
    this.calls.set(method, (this.calls.get(method) ?? 0) + 1);
    const waiters = [...this.#callWaiters];
    this.#callWaiters.clear();
    for (const wake of waiters) wake();
    const fault = this.#faults.get(method)?.shift();
    return fault === undefined ? await this.#handler(request) : await this.#fail(request, fault);
  }

  async #fail(request: Request, fault: Fault): Promise<Response> {
    switch (fault.kind) {
      case "connect_error": {
        const error = new ConnectError(fault.message, fault.code, fault.headers);
        return await createHandler((router) =>
          router.service(JobEventsService, {
            // deno-lint-ignore require-yield -- it fails before it has anything to give
            streamJobEvents: async function* () {
              await Promise.resolve();
              throw error;
            },
            publishJobEvents: async (requests) => {
              for await (const _ of requests) { /* The client has sent everything when the error comes. */ }
              throw error;
            },
          })
        )(request);
      }
      case "http":
        if (!fault.early) await request.arrayBuffer();
        return new Response(fault.body ?? null, { status: fault.status, headers: fault.headers });
      case "cut":
        if (fault.stored) await (await this.#handler(request)).arrayBuffer();
        else await request.arrayBuffer();
        this.#relay.cut();
        return new Response(null, { status: 500 });
      case "cut_answer":
        await request.arrayBuffer();
        return connectStream(fault.body, () => this.#relay.cut());
      case "short_answer":
        await request.arrayBuffer();
        return connectStream(fault.body);
      case "silence":
        await this.#stopped.promise;
        return new Response(null, { status: 503 });
    }
  }
}

/**
 * An answer that begins with `body`. With `then`, it stays open and that is called once the bytes are on
 * their way.
 */
function connectStream(body: Uint8Array<ArrayBuffer>, then?: () => void): Response {
  let sent = false;
  const stream = new ReadableStream<Uint8Array>({
    // Called again when the first chunk was taken; the second one is asked for when it has been written.
    pull(controller) {
      if (!sent) {
        sent = true;
        controller.enqueue(body);
      } else {
        then?.();
        controller.close();
      }
    },
  }, { highWaterMark: 0 });
  return new Response(stream, { headers: { "content-type": "application/connect+proto" } });
}

function createHandler(routes: (router: ConnectRouter) => void): (request: Request) => Promise<Response> {
  const router = createConnectRouter({ grpc: false, grpcWeb: false });
  routes(router);
  const handlers = new Map(router.handlers.map((handler) => [handler.requestPath, handler]));
  return async (request) => {
    const handler = handlers.get(new URL(request.url).pathname);
    if (handler === undefined) return new Response("no such method\n", { status: 404 });
    const response = await handler(universalServerRequestFromFetch(request, { httpVersion: "1.1" }));
    return universalServerResponseToFetch(response);
  };
}

/** Passes bytes on between a port of its own and `target`, and forgets its manners on demand. */
class Relay {
  readonly port: number;
  readonly #target: number;
  #listener: Deno.TcpListener | undefined;
  readonly #connections = new Set<Deno.TcpConn>();
  readonly #running = new Set<Promise<void>>();

  constructor(target: number) {
    this.#target = target;
    this.port = this.listen(0);
  }

  listen(port = this.port): number {
    const listener = Deno.listen({ hostname: "127.0.0.1", port });
    this.#listener = listener;
    this.#track(this.#accept(listener));
    return listener.addr.port;
  }

  /** Ends all connections in both directions at once. */
  cut(): void {
    for (const connection of this.#connections) this.#end(connection);
  }

  close(): void {
    this.#listener?.close();
    this.#listener = undefined;
    this.cut();
  }

  /** Resolves when no connection is left and the port is free. */
  async settled(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  #track(work: Promise<void>): void {
    this.#running.add(work);
    work.finally(() => this.#running.delete(work));
  }

  async #accept(listener: Deno.TcpListener): Promise<void> {
    for await (const client of listener) this.#track(this.#serve(client));
  }

  async #serve(client: Deno.TcpConn): Promise<void> {
    this.#connections.add(client);
    let server: Deno.TcpConn;
    try {
      server = await Deno.connect({ hostname: "127.0.0.1", port: this.#target });
    } catch (error) {
      this.#end(client);
      if (error instanceof Deno.errors.ConnectionRefused) return; // The server was stopped meanwhile.
      throw error;
    }
    if (!this.#connections.has(client)) return server.close(); // Cut meanwhile.
    this.#connections.add(server);
    await Promise.all([this.#pass(client, server), this.#pass(server, client)]);
    this.#end(client);
    this.#end(server);
  }

  async #pass(from: Deno.TcpConn, to: Deno.TcpConn): Promise<void> {
    const block = new Uint8Array(64 * 1024);
    try {
      for (let count = await from.read(block); count !== null; count = await from.read(block)) {
        for (let written = 0; written < count;) written += await to.write(block.subarray(written, count));
      }
      await to.closeWrite();
    } catch {
      // Either side may be gone at any time, which is what the relay is for. The other one learns it here.
      this.#end(from);
      this.#end(to);
    }
  }

  #end(connection: Deno.TcpConn): void {
    if (this.#connections.delete(connection)) connection.close();
  }
}
