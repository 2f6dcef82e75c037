import assert from "node:assert/strict";
import type { CallOptions } from "@connectrpc/connect";
import { createEvent, type JobEvent } from "../events/event.ts";
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
}

/**
 * Follows a job over the given streams, one after the other, on a clock whose sleeps end when nothing else
 * goes on.
 */
async function follow(streams: Stream[], options: { wasReached?: boolean } = {}) {
  const opened: bigint[] = [];
  const seen: string[] = [];
  const notices: string[] = [];
  const client = {
    server: "http://test",
    events: () => ({
      streamJobEvents(request: { fromSequence: bigint }, { signal }: CallOptions) {
        opened.push(request.fromSequence);
        return play(streams.shift() ?? { events: [], ends: "refused" }, signal!);
      },
    }),
    convert: (error: unknown) => {
      const { message } = error as Error;
      return new ServerError(message, message === "broken" ? "unreachable" : "refused");
    },
  };
  const exitCode = await followJob({
    client: client as unknown as FollowOptions["client"],
    jobId: "job",
    fromSequence: 1n,
    wasReached: options.wasReached ?? false,
    clock: { nowMs: () => 0, elapsedMs: () => 0, sleep: afterEverythingElse },
    random: () => 0.5,
    onEvent: (event) => {
      const { eventData } = event;
      seen.push(eventData.case === "processError" ? eventData.value.errorMessage : "end");
      return Promise.resolve();
    },
    onNotice: (line) => Promise.resolve(void notices.push(line)),
  });
  return { exitCode, opened, seen, notices };
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
