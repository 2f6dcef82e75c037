import assert from "node:assert/strict";
import { create } from "@bufbuild/protobuf";
import type { Followed } from "../client/follow.ts";
import { JobResultSchema, JobState } from "../events/gen/job/v1/job_pb.ts";
import { concludeFollowed } from "./followed_lines.ts";

const WHOLE: Followed = { exitCode: 0, facts: undefined, missing: [], notSent: 0, isOutOfOrder: false };

function conclude(followed: Partial<Followed>, isRaw = false): [number, string] {
  const { exitCode, lines } = concludeFollowed({ ...WHOLE, ...followed }, "JOB", isRaw);
  for (const line of lines) assert.ok(line.length <= 100, line);
  return [exitCode, lines.join("\n")];
}

const facts = (state: JobState, exitCode?: number, errorMessage = "") => ({
  state,
  result: exitCode === undefined ? undefined : create(JobResultSchema, { exitCode, errorMessage }),
  eventCount: 0,
});

Deno.test("a job whose output is all there ends with its own exit code, and nothing is said", () => {
  assert.deepEqual(conclude({ exitCode: 7 }), [7, ""]);
  assert.deepEqual(conclude({ exitCode: 256 }), [1, ""]);
});

Deno.test("missing sequences are counted and named, and never end with 0", () => {
  const ranges = [3n, 10n, 20n, 30n, 40n, 50n, 60n].map((first) => ({ first, last: first + 1n }));
  const [exitCode, text] = conclude({ missing: [{ first: 1n, last: 1n }, ...ranges] });
  assert.equal(exitCode, 1);
  assert.match(
    text,
    /^15 of the job's sequences are missing, .*:\n1, 3 to 4, 10 to 11, 20 to 21, 30 to 31, and 3 more/,
  );
  assert.match(text, /airunner wal replay --failed JOB$/);
  const [, withResult] = conclude({
    missing: ranges,
    facts: facts(JobState.COMPLETED, 0, "2 events refused\u001b"),
  });
  assert.match(withResult, /by its worker: 2 events refused\\u001b/);
});

Deno.test("bytes that are not in their order are no job's output, and lines that are not may be read", () => {
  assert.equal(conclude({ isOutOfOrder: true })[0], 0);
  assert.equal(conclude({ isOutOfOrder: true }, true)[0], 1);
});

Deno.test("a job that ended without an exit code of its own is told by its state", () => {
  assert.deepEqual(conclude({ exitCode: undefined, facts: facts(JobState.CANCELLED) }), [
    1,
    "The job was cancelled",
  ]);
  assert.deepEqual(
    conclude({ exitCode: undefined, facts: facts(JobState.FAILED, 126, "no such command") }),
    [126, "The job failed with exit code 126: no such command"],
  );
  assert.deepEqual(conclude({ exitCode: undefined, facts: facts(JobState.FAILED) }), [1, "The job failed"]);
  const [exitCode, text] = conclude({ exitCode: undefined, facts: facts(JobState.COMPLETED, 0) });
  assert.equal(exitCode, 1);
  assert.match(text, /the end of its output may be missing/);
  assert.match(conclude({ exitCode: undefined, notSent: 2 })[1], /has 2 events more and did not send them/);
});
