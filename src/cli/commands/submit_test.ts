import assert from "node:assert/strict";
import { create, fromJson, type JsonObject } from "@bufbuild/protobuf";
import { readJobFile } from "../../config/job_file.ts";
import { JobParamsSchema, ProcessType } from "../../events/gen/job/v1/job_pb.ts";
import { UsageError } from "../command_error.ts";
import { jobParamsOf } from "./submit.ts";

const EMPTY = create(JobParamsSchema);

Deno.test("a command line becomes a job", () => {
  const params = jobParamsOf(EMPTY, ["make", "-j4", "--debug"], {
    env: ["A=1", "B=x=y", "C="],
    timeout: "90s",
    cwd: "/src",
  });
  assert.equal(params.command, "make");
  assert.deepEqual(params.args, ["-j4", "--debug"]);
  assert.deepEqual(params.environment, { A: "1", B: "x=y", C: "" });
  assert.deepEqual([params.timeoutSeconds, params.workingDirectory], [90, "/src"]);
  assert.equal(params.processType, ProcessType.PIPE);
});

Deno.test("what is typed wins over the file, and variables are added to it", () => {
  const source =
    "command: make\nargs: [test]\nenvironment: {A: file, B: file}\nprocess_type: pty\ntimeout_seconds: 5\n";
  const file = fromJson(JobParamsSchema, readJobFile(source, "job.yaml") as JsonObject);
  const untouched = jobParamsOf(file, [], { env: [] });
  assert.deepEqual([untouched.command, untouched.args, untouched.timeoutSeconds], ["make", ["test"], 5]);
  assert.equal(untouched.processType, ProcessType.PTY);
  const changed = jobParamsOf(file, ["ls"], { env: ["B=typed"], timeout: "1500ms" });
  assert.deepEqual([changed.command, changed.args, changed.timeoutSeconds], ["ls", [], 2]);
  assert.deepEqual(changed.environment, { A: "file", B: "typed" });
  assert.deepEqual(file.environment, { A: "file", B: "file" });
});

Deno.test("a job without a command, and options that cannot be read, are refused without showing values", () => {
  assert.throws(() => jobParamsOf(EMPTY, [], { env: [] }), UsageError);
  assert.throws(() => jobParamsOf(EMPTY, ["ls"], { env: [], timeout: "0" }), UsageError);
  assert.throws(() => jobParamsOf(EMPTY, ["ls"], { env: ["=secret"] }), (error) => {
    assert.ok(error instanceof UsageError);
    assert.doesNotMatch(error.message, /secret/);
    return true;
  });
});
