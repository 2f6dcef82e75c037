import assert from "node:assert/strict";
import { create } from "@bufbuild/protobuf";
import { GetJobResponseSchema } from "../events/gen/airunner/v1/airunner_pb.ts";
import { JobState } from "../events/gen/job/v1/job_pb.ts";
import { factsOf, hasEnded } from "./job_facts.ts";
import { ServerError, type ServerErrorKind } from "./server_error.ts";

/** Asks as often as there are answers; how many of them got as far as the server. */
async function ask(answers: ("answer" | ServerErrorKind)[]) {
  let calls = 0;
  const response = create(GetJobResponseSchema, {
    job: {
      state: JobState.FAILED,
      latestExecution: { number: 1, eventCount: 3n, result: { exitCode: 4 } },
    },
  });
  const callOwn = () => {
    const answer = answers[calls++];
    return answer === "answer" ? Promise.resolve(response) : Promise.reject(new ServerError("no", answer));
  };
  const facts = factsOf({ callOwn: callOwn as never }, "job");
  const states = [];
  for (const _ of answers) states.push((await facts())?.state);
  return { calls, states, last: await facts().catch(() => undefined) };
}

Deno.test("a job's state, result and number of events are the server's answer", async () => {
  const { last, states } = await ask(["answer", "answer"]);
  assert.deepEqual(states, [JobState.FAILED, JobState.FAILED]);
  assert.equal(last, undefined);
  assert.ok(hasEnded({ state: JobState.CANCELLED, result: undefined, eventCount: 0 }));
  assert.ok(!hasEnded({ state: JobState.RUNNING, result: undefined, eventCount: 0 }));
});

Deno.test("a server that does not offer the call is asked once, one that is away again and again", async () => {
  assert.equal((await ask(["not_offered", "answer", "answer"])).calls, 1);
  assert.equal((await ask(["authentication", "answer"])).calls, 1);
  const { states } = await ask(["unreachable", "answer"]);
  assert.deepEqual(states, [undefined, JobState.FAILED]);
});
