import assert from "node:assert/strict";
import type { CallOptions } from "@connectrpc/connect";
import { createEvent, type JobEvent } from "../events/event.ts";
import { create } from "@bufbuild/protobuf";
import { JobResultSchema, JobState } from "../events/gen/job/v1/job_pb.ts";
import type { JobFacts } from "./job_facts.ts";
import { followJob, type FollowOptions } from "./follow.ts";
import { ServerError, type ServerErrorKind } from "./server_error.ts";

const text = (sequence: number, message: string): JobEvent =>
  createEvent(BigInt(sequence), 0, { case: "processError", value: { errorMessage: message } });
const end = (sequence: number, exitCode: number): JobEvent =>
  createEvent(BigInt(sequence), 0, { case: "processEnd", value: { exitCode } });

/** What one stream gives, and how it ends. */
interface Stream {
  events: JobEvent[];
  ends: "broken" | "closed" | "refused" | "silent";
  /** Whether it leaves out what comes before the sequence that was asked for. */
  isHonest?: true;
}

/**
 * Follows a job over the given streams, one after the other, on a clock whose sleeps end when nothing else
 * goes on.
 */
async function follow(
  streams: Stream[],
  options: { wasReached?: boolean; fromSequence?: bigint; facts?: (JobFacts | undefined)[] } = {},
) {
  const facts = options.facts ?? [];
  const opened: bigint[] = [];
  const seen: string[] = [];
  const notices: string[] = [];
  const client = {
    server: "http://test",
    events: () => ({
      streamJobEvents(request: { fromSequence: bigint }, { signal }: CallOptions) {
        opened.push(request.fromSequence);
        const { isHonest, events, ends } = streams.shift() ?? { events: [], ends: "refused" };
        const given = isHonest ? events.filter(({ sequence }) => sequence >= request.fromSequence) : events;
        return play({ events: given, ends }, signal!);
      },
    }),
    convert: (error: unknown) => {
      const { message } = error as Error;
      return new ServerError(message, message === "broken" ? "unreachable" : "refused");
    },
  };
  const followed = await followJob({
    client: client as unknown as FollowOptions["client"],
    jobId: "job",
    fromSequence: options.fromSequence ?? 1n,
    wasReached: options.wasReached ?? false,
    clock: { nowMs: () => 0, elapsedMs: () => 0, sleep: afterEverythingElse },
    random: () => 0.5,
    // The last one stays true.
    facts: () => Promise.resolve(facts.length > 1 ? facts.shift() : facts[0]),
    onEvent: (event) => {
      const { eventData } = event;
      seen.push(eventData.case === "processError" ? eventData.value.errorMessage : "end");
      return Promise.resolve();
    },
    onNotice: (line) => Promise.resolve(void notices.push(line)),
  });
  return { ...followed, opened, seen, notices };
}

async function* play({ events, ends }: Stream, signal: AbortSignal) {
  for (const event of events) yield { event };
  if (ends === "closed") return;
  if (ends === "silent") {
    await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
  }
  throw new Error(ends);
}

/** A macrotask: every promise that can settle by itself has settled by then. */
function afterEverythingElse(_durationMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, 0);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    }, { once: true });
  });
}

Deno.test("following ends with the exit code of the job", async () => {
  const { exitCode, seen, opened } = await follow([{ events: [text(1, "a"), end(2, 7)], ends: "silent" }]);
  assert.deepEqual([exitCode, seen, opened], [7, ["a", "end"], [1n]]);
});

Deno.test("a broken stream goes on after the last event, without repeating or losing one", async () => {
  const { exitCode, seen, opened, notices } = await follow([
    { events: [text(1, "a"), text(2, "b")], ends: "broken" },
    { events: [], ends: "broken" },
    { events: [text(2, "b"), text(3, "c")], ends: "closed" },
    { events: [text(3, "c"), end(4, 0)], ends: "silent" },
  ]);
  assert.deepEqual([exitCode, seen], [0, ["a", "b", "c", "end"]]);
  assert.deepEqual(opened, [1n, 2n, 2n, 3n]);
  assert.match(notices[0], /^broken; waiting for it, no output is lost$/);
  assert.match(notices[1], /is back/);
});

Deno.test("a new execution that began while the server was away is shown from its beginning", async () => {
  const { seen, opened } = await follow([
    { events: [text(1, "a"), text(2, "b")], ends: "broken" },
    { events: [text(2, "other"), text(3, "other")], ends: "silent" },
    { events: [text(1, "A"), text(2, "B"), end(3, 0)], ends: "silent" },
  ]);
  assert.deepEqual(seen, ["a", "b", "A", "B", "end"]);
  assert.deepEqual(opened, [1n, 2n, 1n]);
});

Deno.test("a new execution that is shorter than what was seen is found all the same", async () => {
  const { seen, opened, exitCode } = await follow([
    { events: [text(1, "a"), text(2, "b"), text(3, "c")], ends: "broken" },
    { events: [], ends: "silent" },
    { events: [text(1, "A"), end(2, 5)], ends: "silent" },
  ]);
  assert.deepEqual(seen, ["a", "b", "c", "A", "end"]);
  assert.deepEqual([opened, exitCode], [[1n, 3n, 1n], 5]);
});

Deno.test("a connection that says nothing for long is opened again", async () => {
  const { seen, opened } = await follow([
    { events: [text(1, "a")], ends: "silent" },
    { events: [text(1, "a"), end(2, 0)], ends: "silent" },
  ]);
  assert.deepEqual([seen, opened], [["a", "end"], [1n, 1n]]);
});

Deno.test("a server that was never reached is not waited for, and a refusal never is", async () => {
  const isError = (kind: ServerErrorKind) => (error: unknown) =>
    error instanceof ServerError && error.kind === kind;
  await assert.rejects(follow([{ events: [], ends: "broken" }]), isError("unreachable"));
  await assert.rejects(
    follow([{ events: [], ends: "refused" }], { wasReached: true }),
    isError("refused"),
  );
  const waited = await follow([{ events: [], ends: "broken" }, { events: [end(1, 0)], ends: "silent" }], {
    wasReached: true,
  });
  assert.equal(waited.exitCode, 0);
});

const ended = (state: JobState, exitCode?: number, eventCount = 0): JobFacts => ({
  state,
  eventCount,
  result: exitCode === undefined ? undefined : create(JobResultSchema, { exitCode }),
});

Deno.test("events that a stream left out are asked for again, and shown in their order", async () => {
  const { seen, opened, missing, exitCode } = await follow([
    { events: [text(1, "a"), text(2, "b"), text(4, "d"), end(5, 3)], ends: "silent" },
    { events: [text(2, "b"), text(3, "c"), text(4, "d"), end(5, 3)], ends: "silent" },
  ]);
  assert.deepEqual(seen, ["a", "b", "c", "d", "end"]);
  assert.deepEqual([opened, missing, exitCode], [[1n, 2n], [], 3]);
});

Deno.test("a batch uses up all of its sequences, and is no gap", async () => {
  const value = { startSequence: 2n, endSequence: 6n };
  const batch = createEvent(2n, 0, { case: "outputBatch", value });
  const { opened, missing } = await follow([{ events: [text(1, "a"), batch, end(7, 0)], ends: "silent" }]);
  assert.deepEqual([opened, missing], [[1n], []]);
});

Deno.test("a gap that stays is told, and everything else is shown", async () => {
  const events = [text(1, "a"), text(2, "b"), text(6, "f"), end(8, 0)];
  const streams = Array.from({ length: 40 }, (): Stream => ({ events, ends: "silent", isHonest: true }));
  const { seen, missing, exitCode, isOutOfOrder } = await follow(streams);
  assert.deepEqual([seen, exitCode, isOutOfOrder], [["a", "b", "f", "end"], 0, false]);
  assert.deepEqual(missing, [{ first: 3n, last: 5n }, { first: 7n, last: 7n }]);
});

Deno.test("a beginning that is missing is a gap, and one that was not asked for is none", async () => {
  const events = [text(3, "c"), end(4, 0)];
  const streams = () => Array.from({ length: 40 }, (): Stream => ({ events, ends: "silent" }));
  assert.deepEqual((await follow(streams())).missing, [{ first: 1n, last: 2n }]);
  assert.deepEqual((await follow(streams(), { fromSequence: 2n })).missing, []);
});

Deno.test("what was given up and comes when the job has ended is shown late, and is not missing", async () => {
  const gap = [text(1, "a"), text(3, "c"), end(4, 0)];
  const { seen, missing, isOutOfOrder } = await follow([
    ...Array.from({ length: 8 }, (): Stream => ({ events: gap, ends: "silent" })),
    { events: [end(4, 0)], ends: "silent" },
    { events: [text(2, "b"), text(3, "c"), end(4, 0)], ends: "silent" },
  ]);
  assert.deepEqual([seen, missing, isOutOfOrder], [["a", "c", "end", "b"], [], true]);
});

Deno.test("another execution's events never fill a gap", async () => {
  const gap = [text(1, "a"), text(3, "c"), end(4, 0)];
  const other = [1, 2, 3, 4].map((sequence) => text(sequence, "other"));
  const { seen, missing } = await follow([
    ...Array.from({ length: 8 }, (): Stream => ({ events: gap, ends: "silent" })),
    ...Array.from({ length: 6 }, (): Stream => ({ events: other, ends: "silent", isHonest: true })),
  ]);
  assert.deepEqual([seen, missing], [["a", "c", "end"], [{ first: 2n, last: 2n }]]);
});

Deno.test("a job that ended without PROCESS_END is read to its end, and its state is told", async () => {
  const { seen, opened, exitCode, facts } = await follow([
    { events: [text(1, "a")], ends: "silent" },
    { events: [text(1, "a"), text(2, "b")], ends: "silent" },
  ], { facts: [ended(JobState.RUNNING), ended(JobState.CANCELLED)] });
  assert.deepEqual([seen, opened], [["a", "b"], [1n, 1n]]);
  assert.deepEqual([exitCode, facts?.state], [undefined, JobState.CANCELLED]);
});

Deno.test("a job that ended before anything of it ran ends the reading", async () => {
  const streams = Array.from({ length: 2 }, (): Stream => ({ events: [], ends: "silent" }));
  const { seen, facts } = await follow(streams, { facts: [ended(JobState.FAILED, 126)] });
  assert.deepEqual([seen, facts?.result?.exitCode], [[], 126]);
});

Deno.test("a second execution of which there is nothing, and never will be, ends the reading", async () => {
  const { seen, facts } = await follow([
    { events: [text(1, "a"), text(2, "b")], ends: "broken" },
    ...Array.from({ length: 4 }, (): Stream => ({ events: [], ends: "silent" })),
  ], { facts: [ended(JobState.CANCELLED)] });
  assert.deepEqual([seen, facts?.state], [["a", "b"], JobState.CANCELLED]);
});

Deno.test("an execution that was interrupted is followed by the next, whatever silence lies between them", async () => {
  const { seen, exitCode } = await follow([
    { events: [text(1, "a")], ends: "silent" },
    { events: [text(1, "A"), end(2, 0)], ends: "silent" },
  ], { facts: [ended(JobState.SCHEDULED)] });
  assert.deepEqual([seen, exitCode], [["a", "A", "end"], 0]);
});

Deno.test("a server that does not begin with the event that was asked for is asked from the beginning", async () => {
  const { seen, missing, opened } = await follow([
    { events: [text(1, "a"), text(2, "b"), text(3, "c")], ends: "broken" },
    { events: [text(4, "d")], ends: "silent" },
    { events: [text(1, "a"), text(2, "b"), text(3, "c"), text(4, "d"), end(5, 0)], ends: "silent" },
  ]);
  assert.deepEqual([seen, missing, opened], [["a", "b", "c", "d", "end"], [], [1n, 3n, 1n]]);
});

Deno.test("a server that begins earlier than it was asked to repeats nothing", async () => {
  const all = [text(1, "a"), text(2, "b"), text(3, "c")];
  const { seen } = await follow([
    { events: all, ends: "broken" },
    { events: [...all, end(4, 0)], ends: "silent" },
  ]);
  assert.deepEqual(seen, ["a", "b", "c", "end"]);
});

Deno.test("events that the server has and never sends are told, where no PROCESS_END says that all is there", async () => {
  const streams = Array.from({ length: 20 }, (): Stream => ({ events: [text(1, "a")], ends: "silent" }));
  const { seen, notSent } = await follow(streams, { facts: [ended(JobState.FAILED, 1, 3)] });
  assert.deepEqual([seen, notSent], [["a"], 2]);
});
