import assert from "node:assert/strict";
import { create } from "@bufbuild/protobuf";
import { JobParamsSchema } from "./gen/job/v1/job_pb.ts";
import { executionOf, withExecution } from "./job_execution.ts";

Deno.test("a job says which of its executions it is, and nothing else of it changes", () => {
  const params = create(JobParamsSchema, { command: "true", metadata: { team: "build" } });
  const given = withExecution(params, 3);
  assert.equal(executionOf(given), 3);
  assert.deepEqual(given.metadata, { team: "build", "airunner.execution": "3" });
  assert.deepEqual(params.metadata, { team: "build" });
});

Deno.test("what is no number of an execution is taken for none", () => {
  for (const text of ["", "0", "-1", "1.5", "01", "1e3", " 1", "9999999999", "one"]) {
    const metadata = { "airunner.execution": text };
    assert.equal(executionOf(create(JobParamsSchema, { metadata })), undefined, text);
  }
  assert.equal(executionOf(create(JobParamsSchema, {})), undefined);
  assert.equal(executionOf(undefined), undefined);
});
