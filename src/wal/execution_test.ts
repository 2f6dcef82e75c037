import assert from "node:assert/strict";
import {
  decodeExecution,
  decodeFailure,
  encodeExecution,
  encodeFailure,
  type Execution,
} from "./execution.ts";

const EXECUTION: Execution = {
  job_id: "0190a1b2",
  execution: 2,
  queue: "default",
  server: "http://127.0.0.1:8080",
  task_token: "secret",
  worker: "ci-1",
  version: "0.1.0",
  started_at_ms: 1_767_225_600_000,
  visibility_timeout_seconds: 300,
};

Deno.test("execution comes back as it was encoded, with and without what may be absent", () => {
  assert.deepEqual(decodeExecution(encodeExecution(EXECUTION)), EXECUTION);
  const { task_token: _, visibility_timeout_seconds: __, ...least } = EXECUTION;
  assert.deepEqual(decodeExecution(encodeExecution(least)), least);
});

Deno.test("execution says what its job runs, where that is known", () => {
  const execution = { ...EXECUTION, command: "make", args: ["-j", "all"] };
  assert.deepEqual(decodeExecution(encodeExecution(execution)), execution);
  // Only people read it: in another form it takes nothing from the rest.
  const other = new TextEncoder().encode(JSON.stringify({ ...EXECUTION, command: 7, args: "all" }));
  assert.deepEqual(decodeExecution(other), EXECUTION);
});

Deno.test("execution says which one it is for its server, where that is known", () => {
  const execution = { ...EXECUTION, server_execution: 5 };
  assert.deepEqual(decodeExecution(encodeExecution(execution)), execution);
  const other = new TextEncoder().encode(JSON.stringify({ ...EXECUTION, server_execution: "5" }));
  assert.deepEqual(decodeExecution(other), EXECUTION);
});

Deno.test("execution is JSON with these names", () => {
  assert.equal(
    new TextDecoder().decode(encodeExecution(EXECUTION)),
    '{"job_id":"0190a1b2","execution":2,"queue":"default","server":"http://127.0.0.1:8080","task_token":"secret",' +
      '"worker":"ci-1","version":"0.1.0","started_at_ms":1767225600000,"visibility_timeout_seconds":300}',
  );
});

Deno.test("bytes that are no execution decode to undefined", () => {
  const encode = (text: string) => new TextEncoder().encode(text);
  const wrong = [
    new Uint8Array(),
    new Uint8Array([0x7b, 0xff]),
    encode("[]"),
    encode("{}"),
    encode(JSON.stringify({ ...EXECUTION, job_id: 7 })),
    encode(JSON.stringify({ ...EXECUTION, execution: 1.5 })),
  ];
  for (const payload of wrong) assert.equal(decodeExecution(payload), undefined);
});

Deno.test("failure comes back as it was encoded, its message shortened to what is useful", () => {
  const failure = { code: "invalid_argument", message: "too large", attempts: 5 };
  assert.deepEqual(decodeFailure(encodeFailure(failure)), failure);
  const long = encodeFailure({ ...failure, message: "x".repeat(20_000_000) });
  assert.ok(long.length < 10_000);
  assert.equal(decodeFailure(new Uint8Array([8, 1])), undefined);
});
