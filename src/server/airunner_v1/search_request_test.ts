import assert from "node:assert/strict";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { ListJobsRequestSchema } from "../../events/gen/airunner/v1/airunner_pb.ts";
import { JobState } from "../../events/gen/job/v1/job_pb.ts";
import { checkSearch } from "./search_request.ts";

function check(request: MessageInitShape<typeof ListJobsRequestSchema>) {
  return checkSearch(create(ListJobsRequestSchema, request));
}

Deno.test("an empty request asks for the first page of all jobs", () => {
  assert.deepEqual(check({}), {
    queue: "",
    states: [],
    text: "",
    metadata: {},
    createdFromMs: undefined,
    createdBeforeMs: undefined,
    pageSize: 50,
    before: undefined,
  });
});

Deno.test("a state named twice is one, and times are rounded alike at both ends", () => {
  const at = { seconds: 1n, nanos: 500_001 };
  const filter = check({
    states: [JobState.FAILED, JobState.RUNNING, JobState.FAILED],
    createdFrom: at,
    createdBefore: at,
    pageToken: "p",
  });
  assert.deepEqual(filter.states, [JobState.FAILED, JobState.RUNNING]);
  assert.deepEqual([filter.createdFromMs, filter.createdBeforeMs, filter.before], [1_001, 1_001, "p"]);
});

Deno.test("what is over a limit is refused, and says which limit that is", () => {
  const pairs = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, n) => [`k${n}`, ""]));
  const table: [MessageInitShape<typeof ListJobsRequestSchema>, RegExp][] = [
    [{ pageSize: -1 }, /page_size is -1; it must be from 1 to 500, or 0 for 50/],
    [{ pageSize: 501 }, /page_size is 501/],
    [{ search: "x".repeat(1_025) }, /search has 1025 characters; at most 1024/],
    [{ states: [JobState.UNSPECIFIED] }, /states contains 0, which is no state/],
    [{ states: [9 as JobState] }, /states contains 9/],
    [{ metadata: pairs(17) }, /metadata has 17 pairs; at most 16/],
    [{ metadata: { k: "x".repeat(4_096) } }, /metadata has 4097 characters in all; at most 4096/],
  ];
  for (const [request, message] of table) {
    assert.throws(
      () => check(request),
      (error) =>
        error instanceof ConnectError && error.code === Code.InvalidArgument &&
        message.test(error.rawMessage),
      message.source,
    );
  }
  check({ pageSize: 500, search: "x".repeat(1_024), metadata: pairs(16) });
});
