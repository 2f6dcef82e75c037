/**
 * Following a job at a model of a server that drops, repeats and reorders what it sends, breaks streams, and
 * starts the job again: whatever it does, what is shown is the job's output, or it is said that some is
 * missing.
 */
import assert from "node:assert/strict";
import type { CallOptions } from "@connectrpc/connect";
import * as fc from "fast-check";
import { createEvent, type JobEvent, sequencesOf } from "../events/event.ts";
import { JobState } from "../events/gen/job/v1/job_pb.ts";
import { followJob, type FollowOptions } from "./follow.ts";
import type { JobFacts } from "./job_facts.ts";
import { ServerError } from "./server_error.ts";

const SKIPS_MAX = 3;

/** What happens to one event of one stream. */
type Mischief = "drop" | "repeat" | "swap" | "break" | "close" | "none";

interface World {
  /** Sequences that each event of the latest execution uses up; the last event is PROCESS_END. */
  lengths: number[];
  /** Of these events, by their place, the server has none and never will. */
  lost: number[];
  /** Dealt out to the events of the streams, in their order; none is left after that. */
  mischief: Mischief[];
  /** So many events of an execution before it come first. */
  before: number;
  hasEnd: boolean;
  saysState: boolean;
}

const world = fc.record<World>({
  lengths: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 12 }),
  lost: fc.array(fc.nat(11), { maxLength: 2 }),
  mischief: fc.array(
    fc.constantFrom<Mischief>("drop", "repeat", "swap", "break", "close", "none", "none", "none"),
    { maxLength: 40 },
  ),
  before: fc.nat(4),
  hasEnd: fc.boolean(),
  saysState: fc.boolean(),
});

function executionOf({ lengths, hasEnd, saysState }: World): JobEvent[] {
  let next = 1n;
  return lengths.map((length, at) => {
    const sequence = next;
    next += BigInt(length);
    // Without PROCESS_END, only a server that says so can tell that the job has ended.
    if (at === lengths.length - 1 && (hasEnd || !saysState)) {
      next = sequence + 1n;
      return createEvent(sequence, 0, { case: "processEnd", value: { exitCode: 7 } });
    }
    return createEvent(sequence, 0, {
      case: "outputBatch",
      value: { startSequence: sequence, endSequence: next - 1n, firstTimestampMs: 2n },
    });
  });
}

class ModelServer {
  readonly server = "http://model";
  readonly #mischief: Mischief[];
  readonly #old: JobEvent[];
  readonly #kept: JobEvent[];
  #isFirst = true;
  /** How many streams in a row began with another event than was asked for. */
  #skips = 0;

  constructor(world: World, kept: JobEvent[]) {
    this.#mischief = [...world.mischief];
    this.#kept = kept;
    this.#old = Array.from(
      { length: world.before },
      (_, at) => createEvent(BigInt(at + 1), 0, { case: "processError", value: { errorMessage: "old" } }),
    );
  }

  convert(error: unknown): ServerError {
    return new ServerError((error as Error).message, "unreachable");
  }

  events() {
    const streamJobEvents = (request: { fromSequence: bigint }, { signal }: CallOptions) =>
      this.#stream(request.fromSequence, signal!);
    return { streamJobEvents };
  }

  async *#stream(from: bigint, signal: AbortSignal) {
    const history = this.#kept.filter(({ sequence }) => sequence >= from);
    // A reader is carried over from the execution before once; whoever comes later sees the latest alone.
    const queue = this.#isFirst ? [...this.#old, ...this.#kept] : history;
    this.#isFirst = false;
    let wasOld = false;
    let isBeginning = true;
    while (queue.length > 0) {
      // The protocol does not name executions: with the beginning of one left out, nobody can tell it from
      // the end of the one before.
      const isTurn = isOld(queue[0]) || wasOld;
      wasOld = isOld(queue[0]);
      const dealt = this.#mischief.shift() ?? "none";
      const isLeftOut = dealt === "drop" || dealt === "swap";
      // One that never begins where it is asked to cannot be told from one that has another execution.
      const isSkipped = isBeginning && isLeftOut;
      this.#skips = isSkipped ? this.#skips + 1 : isBeginning ? 0 : this.#skips;
      isBeginning = false;
      const what = isLeftOut && (isTurn || this.#skips > SKIPS_MAX) ? "none" : dealt;
      if (what === "break") throw new Error("broken");
      if (what === "close") return;
      if (what === "swap" && queue.length > 1) queue.splice(0, 2, queue[1], queue[0]);
      const event = queue.shift()!;
      if (what !== "drop") yield { event };
      if (what === "repeat") yield { event };
    }
    await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
    throw new Error("left");
  }
}

async function follow(world: World, kept: JobEvent[]) {
  const facts: JobFacts = { state: JobState.FAILED, result: undefined, eventCount: kept.length };
  let elapsedMs = 0;
  const shown: JobEvent[] = [];
  const followed = await followJob({
    client: new ModelServer(world, kept) as unknown as FollowOptions["client"],
    jobId: "job",
    fromSequence: 1n,
    wasReached: true,
    clock: { nowMs: () => elapsedMs, elapsedMs: () => elapsedMs, sleep },
    random: () => 0.5,
    facts: () => Promise.resolve(world.saysState ? facts : undefined),
    onEvent: (event) => Promise.resolve(void shown.push(event)),
    onNotice: () => Promise.resolve(),
  });
  return { ...followed, shown };

  /** A macrotask: every promise that can settle by itself has settled by then. */
  function sleep(durationMs: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        elapsedMs += durationMs;
        resolve();
      }, 0);
      signal?.addEventListener("abort", () => {
        clearTimeout(timer);
        resolve();
      }, { once: true });
    });
  }
}

const isOld = ({ eventData }: JobEvent) => eventData.case === "processError";

Deno.test("whatever a server does to its streams, output is shown once and in order, or it is said what is missing", async () => {
  await fc.assert(
    fc.asyncProperty(world, async (given) => {
      const all = executionOf(given);
      // The last event stays: nobody can know that something is missing behind everything. The first one
      // stays where another execution comes before it, for the reason above.
      const stays = (at: number) => at === all.length - 1 || (at === 0 && given.before > 0);
      const kept = all.filter((_, at) => stays(at) || !given.lost.includes(at));
      const { shown, missing, isOutOfOrder, exitCode } = await follow(given, kept);
      const latest = shown.filter((event) => !isOld(event));
      const sequences = latest.map(({ sequence }) => sequence);
      const expected = all.filter((event) => !kept.includes(event)).flatMap((event) => {
        const { first, last } = sequencesOf(event);
        return Array.from({ length: Number(last - first) + 1 }, (_, at) => first + BigInt(at));
      });
      const told = missing.flatMap(({ first, last }) =>
        Array.from({ length: Number(last - first) + 1 }, (_, at) => first + BigInt(at))
      );
      // Everything that the server has was shown, once.
      assert.deepEqual(
        sequences.toSorted((a, b) => Number(a - b)),
        kept.map(({ sequence }) => sequence),
      );
      if (!isOutOfOrder) assert.deepEqual(sequences, kept.map(({ sequence }) => sequence));
      for (const sequence of expected) assert.ok(told.includes(sequence), `${sequence} is missing untold`);
      if (given.before === 0) assert.deepEqual(told, expected);
      if (all.at(-1)!.eventData.case === "processEnd") assert.equal(exitCode, 7);
    }),
    { numRuns: 300 },
  );
});
