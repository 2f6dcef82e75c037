import assert from "node:assert/strict";
import { Code, ConnectError } from "@connectrpc/connect";
import { refusalDetail } from "../events/error_info.ts";
import { CredentialsError } from "./credentials_error.ts";
import { errorFromAnswer } from "./http_answer.ts";
import { CallError, type CallErrorKind } from "./call_error.ts";
import { toCallError } from "./to_call_error.ts";

function kindOf(error: unknown): CallErrorKind {
  return toCallError(error, 0).kind;
}

function answer(status: number, body = "<h1>Sorry</h1>", headers: HeadersInit = {}): ConnectError {
  return errorFromAnswer(status, new Headers(headers), body);
}

Deno.test("each Connect code has its kind", () => {
  const byKind = (wanted: CallErrorKind) =>
    Object.values(Code).filter((code): code is Code => typeof code === "number")
      .filter((code) => kindOf(new ConnectError("no", code)) === wanted).map((code) => Code[code]);
  assert.deepEqual(byKind("authentication"), ["PermissionDenied", "Unauthenticated"]);
  assert.deepEqual(byKind("refused"), [
    "InvalidArgument",
    "NotFound",
    "AlreadyExists",
    "FailedPrecondition",
    "OutOfRange",
    "Unimplemented",
  ]);
  assert.deepEqual(byKind("transient"), [
    "Canceled",
    "Unknown",
    "DeadlineExceeded",
    "ResourceExhausted",
    "Aborted",
    "Internal",
    "Unavailable",
    "DataLoss",
  ]);
});

Deno.test("each HTTP status of something that is no Connect server has its kind", () => {
  const kinds: Record<CallErrorKind, number[]> = {
    transient: [204, 302, 308, 408, 425, 429, 500, 501, 502, 503, 504, 520],
    authentication: [401, 403, 407],
    refused: [400, 404, 405, 413, 415, 422],
  };
  for (const [kind, statuses] of Object.entries(kinds)) {
    for (const status of statuses) assert.equal(kindOf(answer(status)), kind, `${status}`);
  }
});

Deno.test("a code that the server names counts more than its HTTP status", () => {
  const error = toCallError(
    answer(400, '{"code":"failed_precondition","message":"job is over"}'),
    0,
  );
  assert.deepEqual([error.kind, error.code, error.httpStatus], ["refused", "failed_precondition", 400]);
  assert.equal(error.message, "job is over");
  assert.equal(kindOf(answer(400, '{"code":"unavailable"}')), "transient");
  assert.equal(kindOf(answer(500, '{"code":"invalid_argument"}')), "refused");
  assert.equal(kindOf(answer(500, '{"code":"no_such_code"}')), "transient");
});

Deno.test("rate limits are transient, complaints about size are not", () => {
  const exhausted = (message: string) => toCallError(new ConnectError(message, Code.ResourceExhausted), 0);
  assert.deepEqual([exhausted("too many requests").kind, exhausted("too many requests").tooLarge], [
    "transient",
    false,
  ]);
  for (
    const message of [
      "message size 1048613 is larger than configured max 524288",
      "received message larger than max (5 vs. 4)",
      "Request body too large",
    ]
  ) {
    assert.deepEqual([exhausted(message).kind, exhausted(message).tooLarge], ["refused", true], message);
  }
  assert.equal(toCallError(answer(413), 0).tooLarge, true);
  assert.equal(kindOf(answer(429, '{"code":"resource_exhausted","message":"slow down"}')), "transient");
});

Deno.test("broken exchanges say nothing about events, whatever their code", () => {
  assert.equal(
    kindOf(new ConnectError("protocol error: incomplete envelope", Code.InvalidArgument)),
    "transient",
  );
  assert.equal(
    kindOf(new ConnectError("protocol error: missing response message", Code.Unimplemented)),
    "transient",
  );
});

Deno.test("Retry-After is taken from the answer's headers", () => {
  const date = { "retry-after": "Thu, 01 Jan 1970 00:01:00 GMT" };
  assert.equal(toCallError(answer(503, "", date), 10_000).retryAfterMs, 50_000);
  assert.equal(toCallError(answer(429, "", { "retry-after": "7" }), 0).retryAfterMs, 7_000);
  assert.equal(toCallError(answer(429), 0).retryAfterMs, undefined);
});

Deno.test("errors from elsewhere keep their cause and are retried", () => {
  const cause = new TypeError("odd");
  const error = toCallError(cause, 0);
  assert.deepEqual([error.kind, error.message, error.cause], ["transient", "odd", cause]);
  assert.equal(kindOf("thrown text"), "transient");
  assert.equal(kindOf(new CredentialsError("no key", "worker.key")), "authentication");
  const own = new CallError("no", { kind: "refused", code: "invalid_payload" });
  assert.equal(toCallError(own, 0), own);
});

Deno.test("a refusal is the server's own word only as a Connect error that speaks of the request", () => {
  const wordOf = (error: ConnectError) => toCallError(error, 0).isServersWord;
  const answer = (status: number, body: string) => errorFromAnswer(status, new Headers(), body);
  assert.ok(wordOf(answer(400, '{"code":"invalid_argument","message":"unknown token"}')));
  assert.ok(wordOf(answer(404, '{"code":"not_found"}')));
  assert.ok(wordOf(new ConnectError("unknown token", Code.InvalidArgument)), "at the end of a stream");
  assert.ok(!wordOf(answer(404, "<h1>Not Found</h1>")), "a proxy's page");
  assert.ok(!wordOf(answer(413, '{"code":"invalid_argument"}')), "too large");
  assert.ok(!wordOf(answer(501, '{"code":"unimplemented"}')), "no such method");
  assert.ok(!wordOf(answer(503, '{"code":"unavailable"}')));
  assert.ok(!wordOf(new ConnectError("protocol error: missing", Code.InvalidArgument)), "a garbled answer");
});

Deno.test("the reason of a refusal is read from its details, and from nothing that only looks like it", () => {
  const { type, value } = refusalDetail("EXECUTION_SUPERSEDED");
  const detail = { type, value: btoa(String.fromCharCode(...value)).replace(/=+$/, "") };
  const reasonIn = (details: unknown) => {
    const body = JSON.stringify({ code: "invalid_argument", details });
    return toCallError(errorFromAnswer(400, new Headers(), body), 0).reason;
  };
  assert.equal(reasonIn([{ type: "x.Other", value: "AAAA" }, detail]), "EXECUTION_SUPERSEDED");
  for (const details of [undefined, "text", [null], [{ type, value: "%" }], [{ type, value: "AAAA" }]]) {
    assert.equal(reasonIn(details), undefined);
  }
});
