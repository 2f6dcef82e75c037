import assert from "node:assert/strict";
import type { DescMethod } from "@bufbuild/protobuf";
import { JobsService, WorkerService } from "../events/gen/airunner/v1/airunner_pb.ts";
import { JobEventsService, JobService } from "../events/gen/job/v1/job_pb.ts";
import { callName, CALLS_OF_ROLE, mayCall, rolesFor } from "./call_roles.ts";
import { ANYBODY, callerFields } from "./caller.ts";
import type { Role } from "../keys/roles.ts";
import { rawPublishJobEvents, rawStreamJobEvents } from "./raw_events.ts";

const METHODS: DescMethod[] = [JobService, JobEventsService, JobsService, WorkerService]
  .flatMap(({ methods }) => methods);

Deno.test("every call has its roles, and the table names no call that there is not", () => {
  assert.deepEqual(METHODS.filter((method) => rolesFor(method).length === 0).map(callName), []);
  const names = new Set(METHODS.map(callName));
  for (const calls of Object.values(CALLS_OF_ROLE)) {
    assert.deepEqual(calls.filter((call) => !names.has(call)), []);
  }
});

Deno.test("methods that take events as bytes have the roles of the methods they stand for", () => {
  for (const raw of [rawPublishJobEvents, rawStreamJobEvents]) {
    const method = METHODS.find((one) => callName(one) === callName(raw));
    assert.ok(method, `No method is called ${callName(raw)}`);
  }
});

Deno.test("each role may make its own calls and no others", () => {
  const may = (role: Role, name: string) =>
    METHODS.filter((method) => callName(method).endsWith(name))
      .map((method) => mayCall({ name: "k", roles: new Set([role]) }, method));
  const table: [string, Role[]][] = [
    ["/GetJob", ["read", "submit", "admin"]],
    ["airunner.v1.JobsService/ListJobs", ["read", "submit", "admin"]],
    ["job.v1.JobService/ListJobs", ["read", "submit", "run", "admin"]],
    ["/StreamJobEvents", ["read", "submit", "admin"]],
    ["/ListQueues", ["read", "submit", "admin"]],
    ["/ListWorkers", ["read", "submit", "admin"]],
    ["/EnqueueJob", ["submit", "admin"]],
    ["/CancelJob", ["submit", "admin"]],
    ["/RetryJob", ["submit", "admin"]],
    ["/DequeueJob", ["run", "admin"]],
    ["/UpdateJob", ["run", "admin"]],
    ["/CompleteJob", ["run", "admin"]],
    ["/PublishJobEvents", ["run", "admin"]],
    ["/Watch", ["run", "admin"]],
    ["/AdoptExecution", ["run", "admin"]],
    ["/CompareEvents", ["run", "admin"]],
    ["/DeleteJob", ["admin"]],
  ];
  assert.equal(table.length, METHODS.length);
  for (const [name, roles] of table) {
    for (const role of ["read", "submit", "run", "admin"] as const) {
      assert.deepEqual(may(role, name), [roles.includes(role)], `${role} and ${name}`);
    }
  }
});

Deno.test("a caller without a key may do everything and has no name in the log", () => {
  assert.ok(METHODS.every((method) => mayCall(ANYBODY, method)));
  assert.deepEqual(callerFields(ANYBODY), {});
  assert.deepEqual(callerFields({ name: "ci", roles: new Set() }), { caller: "ci" });
});
