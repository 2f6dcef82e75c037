import { systemNetwork } from "../platform/system_network.ts";
import assert from "node:assert/strict";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { FakeServer, type FakeServerOptions } from "../../tests/support/fake_server.ts";
import { createEvent, encodeEvent } from "../events/event.ts";
import { PublishJobEventsRequestSchema } from "../events/gen/job/v1/job_pb.ts";
import { systemClock } from "../platform/system_clock.ts";
import type { PendingEvent } from "./pending_source.ts";
import { CallError } from "../client/call_error.ts";
import { createPublisher, createRequest, ORPHANED_LOG_SOURCE, type Publisher } from "./publisher.ts";
import { createServerTransport } from "../client/transport.ts";

function pendingEvent(sequence: bigint, payload?: Uint8Array): PendingEvent {
  const output = new Uint8Array(300).fill(Number(sequence));
  payload ??= encodeEvent(createEvent(sequence, 1_700_000_000_000, { case: "output", value: { output } }));
  return { sequence, timestampMs: 0n, payload, offset: Number(sequence), length: payload.length + 32 };
}

const never = new AbortController().signal;

async function withPublisher(
  test: (publisher: Publisher, server: FakeServer) => Promise<void>,
  options: FakeServerOptions & { deadlineMs?: number } = {},
): Promise<void> {
  const server = new FakeServer(options);
  const transport = createServerTransport({ network: systemNetwork, server: server.url, clock: systemClock });
  const target = { taskToken: "token", jobId: "job", source: ORPHANED_LOG_SOURCE };
  try {
    await test(
      createPublisher({ transport, target, deadlineMs: options.deadlineMs ?? 30_000, clock: systemClock }),
      server,
    );
  } finally {
    transport.close();
    await server.stop();
  }
}

async function errorOf(call: Promise<unknown>): Promise<CallError> {
  const error = await call.then(() => assert.fail("The call succeeded"), (error: unknown) => error);
  assert.ok(error instanceof CallError, `${error}`);
  return error;
}

Deno.test("a request carries the log's bytes as its events", () => {
  const events = [pendingEvent(1n), pendingEvent(2n), pendingEvent(3n, new Uint8Array(0))];
  const target = { taskToken: "token", jobId: "job" };
  const request = fromBinary(
    PublishJobEventsRequestSchema,
    toBinary(PublishJobEventsRequestSchema, createRequest(target, events)),
  );
  assert.deepEqual([request.taskToken, request.jobId, request.source], ["token", "job", ""]);
  assert.deepEqual(request.events.map(encodeEvent), events.map(({ payload }) => payload));
  assert.equal(request.$unknown, undefined);
  const plain = create(PublishJobEventsRequestSchema, { ...target, events: request.events });
  const length = (message: typeof plain) => toBinary(PublishJobEventsRequestSchema, message).length;
  assert.equal(length(createRequest(target, events)), length(plain));
});

Deno.test("publisher makes one call of one request, and reports what the response says", () =>
  withPublisher(async (publisher, server) => {
    const events = [pendingEvent(1n), pendingEvent(2n)];
    assert.deepEqual(await publisher.publish(events, never), { stored: 2, duplicates: 0 });
    assert.deepEqual(await publisher.publish([events[1], pendingEvent(3n)], never), {
      stored: 1,
      duplicates: 1,
    });
    assert.deepEqual(server.stored, [1n, 2n, 3n]);
    assert.deepEqual(server.received.map(({ requests }) => requests.length), [1, 1]);
    const { taskToken, jobId, source } = server.received[0].requests[0];
    assert.deepEqual([taskToken, jobId, source], ["token", "job", "orphaned-wal-recovery"]);
  }));

Deno.test("publisher refuses a payload that is no event before it reaches the server", () =>
  withPublisher(async (publisher, server) => {
    const foreign = pendingEvent(2n, new Uint8Array([0xff, 0xff, 0xff]));
    const error = await errorOf(publisher.publish([pendingEvent(1n), foreign], never));
    assert.deepEqual([error.kind, error.code], ["refused", "invalid_payload"]);
    assert.match(error.message, /^Event 2 /);
    assert.equal(server.calls.size, 0);
  }));

Deno.test("publisher takes a written request for nothing: only the response acknowledges", () =>
  withPublisher(async (publisher, server) => {
    server.failNext("PublishJobEvents", { kind: "cut", stored: true });
    assert.equal((await errorOf(publisher.publish([pendingEvent(1n)], never))).kind, "transient");
    assert.deepEqual(server.stored, [1n]);
    assert.deepEqual(await publisher.publish([pendingEvent(1n)], never), { stored: 0, duplicates: 1 });
  }));

Deno.test("publisher tells rate limits with their Retry-After from refusals and from lost credentials", () =>
  withPublisher(async (publisher, server) => {
    const retryAfter = { "retry-after": "7" };
    server.failNext(
      "PublishJobEvents",
      { kind: "http", status: 429, headers: retryAfter },
      { kind: "connect_error", code: Code.ResourceExhausted, message: "slow down", headers: retryAfter },
      { kind: "connect_error", code: Code.InvalidArgument, message: "no such token" },
      { kind: "connect_error", code: Code.PermissionDenied, message: "not yours" },
    );
    const seen: unknown[] = [];
    for (let call = 0; call < 4; call++) {
      const error = await errorOf(publisher.publish([pendingEvent(1n)], never));
      seen.push([error.kind, error.code, error.httpStatus, error.retryAfterMs]);
    }
    assert.deepEqual(seen, [
      ["transient", "unavailable", 429, 7_000],
      ["transient", "resource_exhausted", undefined, 7_000],
      ["refused", "invalid_argument", undefined, undefined],
      ["authentication", "permission_denied", undefined, undefined],
    ]);
  }));

Deno.test("publisher gives up a slow call at its deadline", () =>
  withPublisher(async (publisher, server) => {
    server.failNext("PublishJobEvents", { kind: "silence" });
    const error = await errorOf(publisher.publish([pendingEvent(1n)], never));
    assert.deepEqual([error.kind, error.code], ["transient", "deadline_exceeded"]);
  }, { deadlineMs: 50 }));

Deno.test("publisher passes on what a server says about an event", () =>
  withPublisher(async (publisher) => {
    const error = await errorOf(publisher.publish([pendingEvent(1n)], never));
    assert.deepEqual([error.kind, error.message], ["refused", "event is odd"]);
  }, { refuse: () => new ConnectError("event is odd", Code.InvalidArgument) }));
