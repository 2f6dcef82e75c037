import assert from "node:assert/strict";
import { Code, ConnectError } from "@connectrpc/connect";
import { codeToString } from "@connectrpc/connect/protocol-connect";
import { errorFromAnswer } from "../client/http_answer.ts";
import { toCallError } from "../client/to_call_error.ts";
import { JobsService, WorkerService } from "../events/gen/airunner/v1/airunner_pb.ts";
import { JobEventsService, JobService, JobState } from "../events/gen/job/v1/job_pb.ts";
import { seriesOf, SERVER_METRICS, WORKER_METRICS } from "./table.ts";
import { labelsOf } from "./job_observer.ts";

/** The labels for a call that failed with this. */
function labelsFor(error: unknown) {
  const { kind, code, httpStatus, isBroken } = toCallError(error, 0);
  return labelsOf({ result: kind, code, httpStatus, isBroken, events: 1, durationMs: 1 });
}

function answer(status: number, body = ""): ConnectError {
  return errorFromAnswer(status, new Headers(), body);
}

/** What the transport makes of a connection that was refused, or was lost. */
const BROKEN = new ConnectError(
  "No answer",
  Code.Unavailable,
  undefined,
  undefined,
  new TypeError("refused"),
);

const CASES: [what: string, error: unknown, result: string, reason: string][] = [
  ["a server that cannot be reached", BROKEN, "transient", "network"],
  [
    "a server that says that it is stopping",
    new ConnectError("", Code.Unavailable),
    "transient",
    "server_error",
  ],
  ["a load balancer without a server", answer(503), "transient", "server_error"],
  ["a bad gateway", answer(502), "transient", "server_error"],
  ["a gateway that gave up waiting", answer(504), "transient", "timeout"],
  ["a deadline", new ConnectError("", Code.DeadlineExceeded), "transient", "timeout"],
  ["status 429", answer(429), "transient", "rate_limited"],
  ["resource_exhausted", new ConnectError("slow down", Code.ResourceExhausted), "transient", "rate_limited"],
  ["an error of the server's own", new ConnectError("", Code.Internal), "transient", "server_error"],
  ["an answer that is a page", answer(302), "transient", "other"],
  ["an event that is not valid", new ConnectError("", Code.InvalidArgument), "refused", "invalid"],
  ["status 413", answer(413), "refused", "invalid"],
  [
    "a message that is too large",
    new ConnectError("message size 5 is larger than 4", Code.ResourceExhausted),
    "refused",
    "invalid",
  ],
  ["a server without this call", new ConnectError("", Code.Unimplemented), "refused", "other"],
  ["no sign-in", new ConnectError("", Code.Unauthenticated), "authentication", "unauthenticated"],
  ["a sign-in that is not enough", answer(403), "authentication", "unauthenticated"],
];

for (const [what, error, result, reason] of CASES) {
  Deno.test(`a failed call is counted by its reason: ${what}`, () => {
    assert.deepEqual(labelsFor(error), { result, reason });
  });
}

Deno.test("a call that the worker ended is not counted", () => {
  assert.equal(labelsOf({ result: "aborted", events: 1, durationMs: 1 }), undefined);
});

Deno.test("every way in which a call can end has a series that starts at 0", () => {
  const metric = WORKER_METRICS.find(({ name }) => name === "wal_send_attempts_total")!;
  const series = seriesOf(metric).map((labels) => JSON.stringify(labels));
  const codes = Object.values(Code).filter((code) => typeof code === "number");
  const errors = [
    BROKEN,
    ...codes.map((code) => new ConnectError("", code)),
    ...[302, 400, 401, 403, 404, 407, 408, 413, 425, 429, 500, 502, 503, 504].map((status) => answer(status)),
  ];
  for (const error of errors) assert.ok(series.includes(JSON.stringify(labelsFor(error))), String(error));
  assert.ok(series.includes(JSON.stringify(labelsOf({ result: "accepted", events: 1, durationMs: 1 }))));
});

Deno.test("the server's labels are the protocol's methods, codes and states", () => {
  const labels = Object.fromEntries(
    SERVER_METRICS.flatMap((metric) => "labels" in metric ? [[metric.name, metric.labels]] : []),
  );
  const services = [JobService, JobEventsService, JobsService, WorkerService];
  // Both packages have a ListJobs.
  const methods = [...new Set(services.flatMap(({ methods }) => methods.map(({ name }) => name)))];
  const codes = Object.values(Code).filter((code) => typeof code === "number").map(codeToString);
  const states = Object.values(JobState).filter((state) =>
    typeof state === "string" && state !== "UNSPECIFIED"
  );
  assert.deepEqual(labels.airunner_server_requests_total, { method: methods, code: ["ok", ...codes] });
  assert.deepEqual(labels.airunner_server_jobs, {
    state: states.map((state) => String(state).toLowerCase()),
  });
});
