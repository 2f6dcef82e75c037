import assert from "node:assert/strict";
import type { DescMethod } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { AuthorizedServer, type TestKey } from "../../tests/support/authorized_server.ts";
import { within } from "../../tests/support/within.ts";
import { collect } from "../../tests/support/server_client.ts";
import { file_airunner_v1_airunner } from "../events/gen/airunner/v1/airunner_pb.ts";
import { file_job_v1_job } from "../events/gen/job/v1/job_pb.ts";
import { type Role, ROLES } from "../keys/roles.ts";
import { callName, CALLS_OF_ROLE, rolesFor } from "./call_roles.ts";

const METHODS: readonly DescMethod[] = [file_job_v1_job, file_airunner_v1_airunner]
  .flatMap(({ services }) => services).flatMap(({ methods }) => methods);

/** The code that a call with an empty message ends with; `ok`, or `unserved` when there is no such path. */
async function codeOf(url: string, method: DescMethod, authorization: string): Promise<string> {
  const isUnary = method.methodKind === "unary";
  const message = new TextEncoder().encode("{}");
  const response = await fetch(`${url}/${callName(method)}`, {
    method: "POST",
    headers: {
      "Content-Type": isUnary ? "application/json" : "application/connect+json",
      "Connect-Protocol-Version": "1",
      // For those that would wait: whoever gets so far was let in.
      "Connect-Timeout-Ms": "300",
      Authorization: authorization,
    },
    body: isUnary ? message : new Uint8Array([0, 0, 0, 0, message.length, ...message]),
  });
  const text = await response.text();
  if (response.status === 404 && !text.startsWith("{")) return "unserved";
  return /"code":"(\w+)"/.exec(text)?.[1] ?? "ok";
}

Deno.test("each role may make exactly the calls of the table, at the real server", async () => {
  await using server = await AuthorizedServer.start();
  const walked: string[] = [];
  const wrong: string[] = [];
  const keys = new Map<Role, TestKey>();
  for (const role of ROLES) keys.set(role, await server.addKey(role, [role]));
  server.age();
  for (const method of METHODS) {
    if (rolesFor(method).length === 0) wrong.push(`${callName(method)} is in no row of the table`);
    for (const role of ROLES) {
      const code = await codeOf(server.url, method, await server.authorizationOf(keys.get(role)!));
      if (code === "unserved") continue;
      walked.push(callName(method));
      const may = (CALLS_OF_ROLE[role] as readonly string[]).includes(callName(method));
      if ((code !== "permission_denied") !== may || code === "unauthenticated") {
        wrong.push(`${role} ${callName(method)}: ${code}`);
      }
    }
  }
  assert.deepEqual(wrong, []);
  for (const method of METHODS) {
    assert.equal(walked.filter((call) => call === callName(method)).length, ROLES.length, callName(method));
  }
});

Deno.test("a key without roles may do everything, one with several what any of them may", async () => {
  await using server = await AuthorizedServer.start();
  const all = await server.addKey("all", undefined);
  const two = await server.addKey("two", ["read", "run"]);
  server.age();
  const enqueue = { jobParams: { command: "true" } };
  const allClient = await server.client(all);
  const twoClient = await server.client(two);
  const { jobId } = await allClient.jobs.enqueueJob(enqueue);
  assert.equal((await collect(twoClient.jobs.dequeueJob({})))[0].job?.jobId, jobId);
  await assert.rejects(twoClient.jobs.enqueueJob(enqueue), (error) => {
    assert.ok(error instanceof ConnectError && error.code === Code.PermissionDenied);
    assert.equal(
      error.rawMessage,
      'Not allowed: the key "two" has the role read, run on this server, and EnqueueJob needs submit or admin',
    );
    return true;
  });
});

/** What the stream ends with. */
async function endOf(messages: AsyncIterable<unknown>): Promise<unknown> {
  try {
    for await (const _ of messages);
    return "ended";
  } catch (error) {
    return error;
  }
}

async function* silent(opened: () => void): AsyncGenerator<{ taskToken: string }> {
  opened();
  await new Promise<void>(() => {});
  yield { taskToken: "" };
}

Deno.test("a key that is revoked ends its waiting worker, its reader, its publisher and its watch within a look, and no other", async () => {
  await using server = await AuthorizedServer.start();
  const revoked = await server.addKey("revoked", undefined);
  const narrowed = await server.addKey("narrowed", undefined);
  const other = await server.addKey("other", undefined);
  server.age();
  const [a, b, c] = [await server.client(revoked), await server.client(narrowed), await server.client(other)];
  const { jobId } = await c.jobs.enqueueJob({ queue: "q", jobParams: { command: "true" } });
  const published = Promise.withResolvers<void>();
  const ends = [
    endOf(a.jobs.dequeueJob({ queue: "empty" })),
    endOf(a.events.streamJobEvents({ jobId })),
    a.events.publishJobEvents(silent(published.resolve)).catch((error) => error),
    endOf(a.workers.watch({ worker: { id: "w", name: "w" } })),
    endOf(b.jobs.dequeueJob({ queue: "empty" })),
  ];
  let othersEnd: unknown;
  const othersStream = endOf(c.jobs.dequeueJob({ queue: "other" })).then((end) => othersEnd = end);
  await within(published.promise, () => "nobody took the publisher's first message");
  // Both of them were let in once this was answered: a call of the same key after them.
  for (const client of [a, b, c]) await client.jobs.listJobs({});
  Deno.removeSync(server.pathOf("revoked"));
  server.writeKey(narrowed, ["submit"]);
  await within(server.clock.sleeping(4_000), () => "nobody watches the directory");
  server.clock.advance(4_001);
  const [dequeued, read, sent, watched, denied] = await within(
    Promise.all(ends),
    () => server.lines.join("\n"),
  );
  for (const end of [dequeued, read, sent, watched]) {
    assert.ok(end instanceof ConnectError && end.code === Code.Unauthenticated, String(end));
    assert.match(end.rawMessage, /^Not authenticated: the key was revoked on this server while the call/);
  }
  assert.ok(denied instanceof ConnectError && denied.code === Code.PermissionDenied, String(denied));
  assert.equal(othersEnd, undefined);
  // Who was not revoked still gets a job.
  await c.jobs.enqueueJob({ queue: "other", jobParams: { command: "true" } });
  assert.equal(await within(othersStream, () => "the other's stream"), "ended");
  assert.equal(server.lines.filter((line) => line.includes("Ended a call whose key")).length, 5);
});
