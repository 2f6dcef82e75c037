/**
 * The sender against servers that nobody would want: outages that look like refusals, lost answers, bad
 * events, a full disk, in any order. Time is virtual.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { USUAL_BACKOFF } from "../setup/backoff.ts";
import { FakeClock, FakeLog } from "../../tests/support/fake_log.ts";
import { silentLogger } from "../platform/logging/logger.ts";
import { NEIGHBOURS_MAX } from "./narrowing.ts";
import { CallError } from "../client/call_error.ts";
import type { Publisher } from "./publisher.ts";
import { Sender } from "./sender.ts";

interface Outage {
  afterMs: number;
  lastsMs: number;
  kind: "refuse" | "transient" | "answer_lost" | "authentication" | "disk_full";
}

interface Script {
  eventCount: number;
  bad: number[];
  /** Appended while the run is under way, from this one on. */
  appendedLater: number;
  outages: Outage[];
  batchEventsMax: number;
  attemptsMax: number;
  chance: number;
}

/**
 * Every call takes so long, and an outage far longer: shorter ones cannot be told from a bad event by
 * anybody.
 */
const CALL_MS = 10;
const OUTAGE_MIN_MS = 100;

const scripts: fc.Arbitrary<Script> = fc.record({
  eventCount: fc.integer({ min: 1, max: 40 }),
  bad: fc.array(fc.nat(39), { maxLength: 8 }),
  appendedLater: fc.nat(40),
  outages: fc.array(
    fc.record({
      afterMs: fc.oneof(fc.integer({ min: 100, max: 500 }), fc.integer({ min: 100, max: 100_000 })),
      lastsMs: fc.integer({ min: OUTAGE_MIN_MS, max: 1_000_000 }),
      kind: fc.constantFrom("refuse", "transient", "answer_lost", "authentication", "disk_full"),
    }),
    { maxLength: 6 },
  ),
  batchEventsMax: fc.integer({ min: 1, max: 16 }),
  attemptsMax: fc.integer({ min: 1, max: 5 }),
  chance: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
});

class World {
  readonly log = new FakeLog();
  readonly clock = new FakeClock();
  /** Sequences in the order in which the server stored them first. */
  readonly stored: bigint[] = [];
  readonly bad: Set<bigint>;
  readonly #outages: { fromMs: number; untilMs: number; kind: Outage["kind"] }[] = [];
  readonly #script: Script;
  #appended = 0;
  /** Offsets of events that the server said it has: only as probes are they ever sent again. */
  readonly #known = new Set<number>();
  #refusalsOfHead = { offset: -1, count: 0 };

  constructor(script: Script) {
    this.#script = script;
    this.bad = new Set(
      script.bad.filter((index) => index < script.eventCount).map((index) => BigInt(index + 1)),
    );
    let timeMs = 0;
    for (const { afterMs, lastsMs, kind } of script.outages) {
      this.#outages.push({ fromMs: timeMs + afterMs, untilMs: timeMs + afterMs + lastsMs, kind });
      timeMs += afterMs + lastsMs;
    }
    while (this.#appended < Math.min(script.eventCount, script.appendedLater)) this.#append();
    this.log.onWrite = () => {
      if (this.#outage === "disk_full") throw new Error("No space left on device");
    };
    this.log.onRead = ({ events, bytes }) => {
      assert.ok(events <= NEIGHBOURS_MAX + 1, `${events} events were read at once`);
      assert.ok(bytes <= 11 * 1024 * 1024, `${bytes} bytes were read at once`);
    };
  }

  get isOver(): boolean {
    return this.#outages.every(({ untilMs }) => untilMs < this.clock.timeMs);
  }

  get #outage(): Outage["kind"] | undefined {
    return this.#outages.find(({ fromMs, untilMs }) =>
      fromMs <= this.clock.timeMs && this.clock.timeMs < untilMs
    )?.kind;
  }

  #append(): void {
    this.log.append(BigInt(++this.#appended));
  }

  appendAll(): void {
    while (this.#appended < this.#script.eventCount) this.#append();
  }

  readonly publisher: Publisher = {
    publish: (events) => {
      this.clock.timeMs += CALL_MS;
      if (this.#appended < this.#script.eventCount) this.#append();
      const { batchEventsMax, attemptsMax } = this.#script;
      assert.ok(events.length <= batchEventsMax);
      const head = this.log.head;
      if (head?.offset !== this.#refusalsOfHead.offset) {
        this.#refusalsOfHead = { offset: head?.offset ?? -1, count: 0 };
      }
      const isProbe = events[0].offset !== head?.offset;
      if (isProbe) {
        assert.equal(events.length, 1);
        assert.ok(this.#refusalsOfHead.count >= attemptsMax, "a probe was sent before its time");
      } else {
        assert.ok(!events.some(({ offset }) => this.#known.has(offset)), "a stored event was sent again");
      }
      const error = (kind: CallError["kind"]) =>
        Promise.reject(new CallError("no", { kind, code: "unknown" }));
      const outage = this.#outage;
      if (outage === "transient") return error("transient");
      if (outage === "authentication") return error("authentication");
      if (outage === "refuse" || events.some(({ sequence }) => this.bad.has(sequence))) {
        if (events.length === 1 && !isProbe) this.#refusalsOfHead.count++;
        return error("refused");
      }
      for (const { sequence } of events) if (!this.stored.includes(sequence)) this.stored.push(sequence);
      if (outage === "answer_lost") return error("transient");
      for (const { offset } of events) this.#known.add(offset);
      return Promise.resolve({});
    },
  };
}

async function play(script: Script): Promise<World> {
  const world = new World(script);
  const stop = new AbortController();
  const { batchEventsMax, attemptsMax } = script;
  let calls = 0;
  const sender = new Sender({
    log: world.log,
    publisher: world.publisher,
    settings: { batchEventsMax, attemptsMax, backoff: USUAL_BACKOFF },
    clock: world.clock,
    random: () => script.chance,
    logger: silentLogger,
    // Long after the last outage whatever can be delivered has been; what is left is retried for ever.
    observe: {
      attempt: () => {
        if (world.isOver && ++calls > 5_000) stop.abort();
      },
    },
  });
  const run = sender.run(stop.signal);
  await sender.flushed();
  world.appendAll();
  await sender.flushed();
  stop.abort();
  await run;
  return world;
}

Deno.test("sender delivers all but the bad events, in order, and gives up nothing else", async () => {
  await fc.assert(
    fc.asyncProperty(scripts, async (script) => {
      const { log, stored, bad } = await play(script);
      const all = Array.from({ length: script.eventCount }, (_, index) => BigInt(index + 1));
      const good = all.filter((sequence) => !bad.has(sequence));
      assert.deepEqual([...stored].sort((a, b) => Number(a - b)), good);
      assert.deepEqual(log.acknowledged, good);
      // The log's records are in order, whatever the probes did (FakeLog checks it), so that all is in its
      // place.
      const recorded = log.records.map(({ sequence }) => sequence);
      if (good.length > 0) assert.deepEqual(recorded, all);
      assert.deepEqual(log.failed, good.length > 0 ? all.filter((sequence) => bad.has(sequence)) : []);
      if (bad.size === 0) assert.deepEqual(stored, good);
    }),
    { numRuns: 400 },
  );
});
