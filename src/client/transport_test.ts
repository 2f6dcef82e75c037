import { systemNetwork } from "../platform/system_network.ts";
import assert from "node:assert/strict";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { FakeServer, type FakeServerOptions } from "../../tests/support/fake_server.ts";
import { JobEventsService } from "../events/gen/job/v1/job_pb.ts";
import { systemClock } from "../platform/system_clock.ts";
import type { Credentials } from "./credentials.ts";
import { httpStatusOf } from "./http_answer.ts";
import { createServerTransport, parseServerUrl } from "./transport.ts";

type Client = ReturnType<typeof createClient<typeof JobEventsService>>;

async function withServer(
  test: (client: Client, server: FakeServer) => Promise<void>,
  options: FakeServerOptions & { credentials?: Credentials } = {},
): Promise<void> {
  const server = new FakeServer(options);
  const { credentials } = options;
  const transport = createServerTransport({
    network: systemNetwork,
    server: server.url,
    credentials,
    clock: systemClock,
  });
  try {
    await test(createClient(JobEventsService, transport), server);
  } finally {
    transport.close();
    await server.stop();
  }
}

async function* requests(...sequences: bigint[]) {
  for (const sequence of sequences) yield { taskToken: "token", events: [{ sequence }] };
}

async function errorOf(call: Promise<unknown>): Promise<ConnectError> {
  const error = await call.then(() => assert.fail("The call succeeded"), (error: unknown) => error);
  assert.ok(error instanceof ConnectError, `${error}`);
  return error;
}

Deno.test("transport streams several requests and reads the one response", () =>
  withServer(async (client, server) => {
    const response = await client.publishJobEvents(requests(1n, 2n, 2n));
    assert.deepEqual([response.eventsStored, response.eventsDuplicate], [3n, 0n]);
    assert.equal(server.received[0].requests.length, 3);
    assert.equal(server.received[0].authorization, null);
  }));

Deno.test("transport reads a server stream, and lets go of it when the call is aborted", () => {
  const served = Promise.withResolvers<void>();
  const routes: FakeServerOptions["routes"] = (router) =>
    router.service(JobEventsService, {
      async *streamJobEvents(_request, context) {
        yield { event: { sequence: 1n } };
        await new Promise((resolve) => context.signal.addEventListener("abort", resolve));
        served.resolve();
      },
    });
  return withServer(async (client) => {
    const stop = new AbortController();
    const sequences: (bigint | undefined)[] = [];
    const error = await errorOf((async () => {
      for await (const { event } of client.streamJobEvents({ jobId: "job" }, { signal: stop.signal })) {
        sequences.push(event?.sequence);
        stop.abort();
      }
    })());
    assert.equal(error.code, Code.Canceled);
    assert.deepEqual(sequences, [1n]);
    await served.promise;
  }, { routes });
});

Deno.test("transport reports a server that cannot be reached as unavailable", () =>
  withServer(async (client, server) => {
    await server.takeDown();
    const error = await errorOf(client.publishJobEvents(requests(1n)));
    assert.equal(error.code, Code.Unavailable);
    assert.match(error.rawMessage, /^No answer from http:\/\/127\.0\.0\.1:\d+: client error .*refused/);
    server.bringUp();
    await client.publishJobEvents(requests(1n));
    assert.deepEqual(server.stored, [1n]);
  }));

Deno.test("transport reports a connection that is lost before the answer as unavailable", () =>
  withServer(async (client, server) => {
    server.failNext("PublishJobEvents", { kind: "cut" }, { kind: "cut", stored: true });
    assert.equal((await errorOf(client.publishJobEvents(requests(1n)))).code, Code.Unavailable);
    assert.deepEqual(server.stored, []);
    assert.equal((await errorOf(client.publishJobEvents(requests(1n)))).code, Code.Unavailable);
    assert.deepEqual(server.stored, [1n]);
  }));

Deno.test("transport reports an answer that breaks off as unavailable, wherever it breaks off", () =>
  withServer(async (client, server) => {
    // An empty response message in its envelope: a flag byte, a length, nothing.
    const whole = new Uint8Array(5);
    for (let length = 0; length <= whole.length; length++) {
      const body = whole.subarray(0, length);
      server.failNext("PublishJobEvents", { kind: "cut_answer", body }, { kind: "short_answer", body });
      for (const kind of ["cut", "short"]) {
        const error = await errorOf(client.publishJobEvents(requests(1n)));
        assert.equal(error.code, Code.Unavailable, `${kind} after ${length} bytes: ${error.message}`);
      }
    }
  }));

Deno.test("transport refuses an envelope that names more than an answer may have, before any of it has come", () =>
  withServer(async (client, server) => {
    // Flags, and a length of 64 MiB and a byte.
    const body = new Uint8Array([0, 0x04, 0, 0, 1]);
    server.failNext("PublishJobEvents", { kind: "short_answer", body });
    const error = await errorOf(client.publishJobEvents(requests(1n)));
    assert.equal(error.code, Code.Unavailable);
    assert.match(error.rawMessage, /^The answer was refused: it is longer than 64 MiB after decompression/);
  }));

Deno.test("a server's own complaint about the size of a request stays what it is", () =>
  withServer(async (client, server) => {
    const message = "message size is larger than configured readMaxBytes 4194304";
    server.failNext("PublishJobEvents", { kind: "connect_error", code: Code.ResourceExhausted, message });
    const error = await errorOf(client.publishJobEvents(requests(1n)));
    assert.deepEqual([error.code, error.rawMessage], [Code.ResourceExhausted, message]);
  }));

Deno.test("transport tells the status, Retry-After and text of an answer that is not Connect", () =>
  withServer(async (client, server) => {
    const html = { "content-type": "text/html" };
    server.failNext(
      "PublishJobEvents",
      { kind: "http", status: 503, body: "<h1>Down</h1>", headers: { ...html, "retry-after": "7" } },
      { kind: "http", status: 429, headers: { "retry-after": "3" } },
      { kind: "http", status: 413, body: "x".repeat(1_000_000), headers: html },
      { kind: "http", status: 400, body: "too odd", headers: { "content-type": "text/plain" } },
      { kind: "http", status: 302, headers: { location: "https://elsewhere.example/" } },
      { kind: "http", status: 200, body: "<h1>Please log in</h1>", headers: html },
    );
    const seen: unknown[] = [];
    for (let call = 0; call < 6; call++) {
      const error = await errorOf(client.publishJobEvents(requests(1n)));
      seen.push([httpStatusOf(error), error.metadata.get("retry-after"), error.rawMessage]);
    }
    assert.deepEqual(seen, [
      [503, "7", "Server answered with HTTP status 503"],
      [429, "3", "Server answered with HTTP status 429"],
      [413, null, "Server answered with HTTP status 413"],
      [400, null, "Server answered with HTTP status 400: too odd"],
      [302, null, "Server answered with HTTP status 302, a redirection to https://elsewhere.example/"],
      [undefined, null, "unsupported content type text/html"],
    ]);
  }));

Deno.test("transport survives an answer that comes before the request was read", () =>
  withServer(async (client, server) => {
    const output = new Uint8Array(8 * 1024 * 1024);
    async function* large() {
      yield { events: [{ eventData: { case: "output" as const, value: { output } } }] };
    }
    server.failNext("PublishJobEvents", { kind: "http", status: 413, early: true });
    const error = await errorOf(client.publishJobEvents(large()));
    // The answer may be overtaken by the end of the connection it came on.
    assert.ok(httpStatusOf(error) === 413 || error.code === Code.Unavailable, error.message);
    await client.publishJobEvents(requests(1n));
  }));

Deno.test("transport ends a call at its deadline when the server never answers", () =>
  withServer(async (client, server) => {
    server.failNext("PublishJobEvents", { kind: "silence" });
    const error = await errorOf(client.publishJobEvents(requests(1n), { timeoutMs: 50 }));
    assert.equal(error.code, Code.DeadlineExceeded);
  }));

Deno.test("transport ends a call when it is aborted, while it is made, while the server is silent, and before", () =>
  withServer(async (client, server) => {
    const open = Promise.withResolvers<void>();
    const making = new AbortController();
    async function* endless() {
      yield { taskToken: "first" };
      making.abort();
      await open.promise;
    }
    assert.equal(
      (await errorOf(client.publishJobEvents(endless(), { signal: making.signal }))).code,
      Code.Canceled,
    );
    open.resolve();

    server.failNext("PublishJobEvents", { kind: "silence" });
    const waiting = new AbortController();
    const call = errorOf(client.publishJobEvents(requests(1n), { signal: waiting.signal }));
    await server.arrived("PublishJobEvents", 1);
    waiting.abort();
    assert.equal((await call).code, Code.Canceled);

    const before = errorOf(client.publishJobEvents(requests(1n), { signal: waiting.signal }));
    assert.equal((await before).code, Code.Canceled);
    assert.equal(server.calls.get("PublishJobEvents"), 1);
  }));

Deno.test("transport sends a body of known length, which every server takes", async () => {
  const lengths: (string | null)[] = [];
  await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    lengths.push(request.headers.get("content-length"), request.headers.get("transfer-encoding"));
    await request.arrayBuffer();
    return new Response("no", { status: 503 });
  });
  const transport = createServerTransport({
    network: systemNetwork,
    server: `http://127.0.0.1:${server.addr.port}`,
    clock: systemClock,
  });
  try {
    await errorOf(createClient(JobEventsService, transport).publishJobEvents(requests(1n)));
  } finally {
    transport.close();
  }
  assert.match(lengths[0] ?? "", /^[1-9]\d*$/);
  assert.equal(lengths[1], null);
});

Deno.test("transport sends a token with each call, and has a refused one replaced", () => {
  let issued = 0;
  let current: string | undefined;
  const credentials: Credentials = {
    name: "worker",
    fingerprint: "print",
    token: (audience) => Promise.resolve(current ??= `${audience}#${++issued}`),
    discardToken: () => current = undefined,
  };
  return withServer(async (client, server) => {
    await client.publishJobEvents(requests(1n));
    server.failNext(
      "PublishJobEvents",
      { kind: "connect_error", code: Code.Unauthenticated, message: "expired" },
      { kind: "http", status: 401, body: '{"code":"unauthenticated","message":"expired"}' },
    );
    for (let call = 0; call < 2; call++) {
      const error = await errorOf(client.publishJobEvents(requests(2n)));
      assert.equal(error.code, Code.Unauthenticated);
      assert.equal(error.rawMessage, "expired");
    }
    await client.publishJobEvents(requests(3n));
    const tokens = server.received.map(({ authorization }) => authorization);
    assert.deepEqual(tokens, [`Bearer ${server.url}#1`, `Bearer ${server.url}#3`]);
  }, { credentials });
});

Deno.test("server addresses are checked before they are used", () => {
  assert.equal(parseServerUrl("https://ci.example.com/"), "https://ci.example.com");
  assert.equal(parseServerUrl("HTTP://Example.com:8080/api//"), "http://example.com:8080/api");
  for (
    const [text, why] of [
      ["ci.example.com", /it is not a URL/],
      ["localhost:8080", /must begin with http/],
      ["ftp://ci.example.com", /must begin with http/],
      ["https://ci.example.com/?a=b", /query/],
    ] as const
  ) {
    assert.throws(
      () => parseServerUrl(text),
      (error) => error instanceof TypeError && why.test(error.message),
    );
  }
  assert.throws(
    () => parseServerUrl("https://me:geheim@ci.example.com"),
    (error) => error instanceof TypeError && !error.message.includes("geheim"),
  );
});
