import assert from "node:assert/strict";
import fc from "fast-check";
import { inputOutputError, noSpaceError } from "../../tests/support/disk_errors.ts";
import {
  ALL,
  createLog,
  errorOf,
  event,
  eventsIn,
  newDisk,
  openLog,
  PATH,
  sequences,
} from "../../tests/support/wal_fixture.ts";
import { RECORD_OVERHEAD_BYTES } from "./format.ts";
import { type Log, LogQuarantinedError } from "./log.ts";

interface Step {
  act: "append" | "acknowledge" | "full";
  size: number;
  together: number;
}

interface PowerCut {
  steps: Step[];
  /** Appends that are under way when the power goes. */
  unanswered: number;
  /** Which unsynced pieces survive. */
  keeps: boolean[];
}

const STEP: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      act: fc.constant("append" as const),
      size: fc.nat(9000),
      together: fc.integer({ min: 1, max: 4 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      act: fc.constant("acknowledge" as const),
      size: fc.nat(5),
      together: fc.constant(1),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ act: fc.constant("full" as const), size: fc.nat(9000), together: fc.constant(2) }),
  },
);
const POWER_CUT: fc.Arbitrary<PowerCut> = fc.record({
  steps: fc.array(STEP, { maxLength: 8 }),
  unanswered: fc.nat(3),
  keeps: fc.array(fc.boolean(), { minLength: 40, maxLength: 40 }),
});

/** One log through power cuts, with what it was told and what it promised. */
class LogUnderPowerCuts {
  #files = newDisk();
  #log!: Log;
  readonly #durable: number[] = [];
  readonly #stored = new Set<number>();
  readonly #tried = new Set<number>();

  static async create(): Promise<LogUnderPowerCuts> {
    const made = new LogUnderPowerCuts();
    made.#log = await createLog(made.#files);
    return made;
  }

  async take({ act, size, together }: Step): Promise<void> {
    if (act === "acknowledge") {
      const events = await this.#log.pending({ events: size + 1, bytes: 1e6 });
      for (const sequence of sequences(events)) this.#stored.add(sequence);
      return await this.#log.acknowledge(events);
    }
    if (act === "full") {
      this.#files.faults.write = (_path, bytes) => {
        if (bytes <= size / 4) throw noSpaceError();
        return Math.floor(bytes / 2);
      };
    }
    const wanted = this.#next(together);
    const results = await Promise.allSettled(
      wanted.map((sequence) => this.#log.append(event(sequence, size))),
    );
    this.#files.faults = {};
    results.forEach(({ status }, i) => status === "fulfilled" && this.#durable.push(wanted[i]));
  }

  /** The power goes while a group is at the disk. */
  async loseThePower({ unanswered, keeps }: PowerCut): Promise<void> {
    const syncing = Promise.withResolvers<void>();
    const dead = Promise.withResolvers<void>();
    this.#files.faults.sync = () => {
      syncing.resolve();
      return dead.promise;
    };
    const unfinished = this.#next(unanswered).map((sequence) =>
      errorOf(this.#log.append(event(sequence, 5000)))
    );
    if (unanswered > 0) await syncing.promise;
    let piece = 0;
    const after = this.#files.crash(() => keeps[piece++ % keeps.length]);
    if (unanswered > 0) dead.reject(inputOutputError());
    await Promise.all(unfinished);
    await this.#log.close();
    this.#files = after;
  }

  /** Opens what is found; false when it was set aside. Nothing that was durable may be missing. */
  async reopen(): Promise<boolean> {
    try {
      this.#log = await openLog(this.#files);
    } catch (error) {
      // Pages that survived behind one that did not look like damage: every durable event is in the good
      // part.
      assert.ok(error instanceof LogQuarantinedError);
      const good = eventsIn(this.#files.content(error.quarantinePath));
      assert.deepEqual(good.slice(0, this.#durable.length), this.#durable);
      return false;
    }
    const found = eventsIn(this.#files.content(PATH));
    assert.deepEqual(found.slice(0, this.#durable.length), this.#durable);
    assert.ok(found.every((sequence) => this.#tried.has(sequence)));
    const pending = new Set(sequences(await this.#log.pending(ALL)));
    for (const sequence of this.#durable) {
      assert.ok(this.#stored.has(sequence) || pending.has(sequence), `event ${sequence} is lost`);
    }
    this.#durable.splice(0, this.#durable.length, ...found);
    return true;
  }

  close(): Promise<void> {
    return this.#log.close();
  }

  #next(count: number): number[] {
    const wanted = Array.from({ length: count }, (_, i) => Number(this.#log.lastSequence) + 1 + i);
    for (const sequence of wanted) this.#tried.add(sequence);
    return wanted;
  }
}

Deno.test("no power cut loses a durable event, whatever part of the rest survives", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(POWER_CUT, { minLength: 1, maxLength: 3 }), async (cuts) => {
      const log = await LogUnderPowerCuts.create();
      for (const cut of cuts) {
        for (const step of cut.steps) await log.take(step);
        await log.loseThePower(cut);
        if (!await log.reopen()) return;
      }
      await log.close();
    }),
    { numRuns: 300 },
  );
});

Deno.test("every prefix of a log's file is recovered to a prefix of its records", async () => {
  const files = newDisk();
  const log = await createLog(files);
  const ends = [log.counts.bytes];
  for (let sequence = 1; sequence <= 4; sequence++) {
    await log.append(event(sequence, sequence * 9));
    ends.push(ends[sequence - 1] + RECORD_OVERHEAD_BYTES + sequence * 9);
  }
  await log.close();
  const whole = files.content(PATH);
  for (let length = 0; length <= whole.length; length++) {
    const cut = newDisk();
    cut.put(PATH, whole.subarray(0, length));
    const again = await openLog(cut);
    const count = ends.filter((end) => end <= length).length - 1;
    assert.equal(again.lastSequence, BigInt(Math.max(0, count)), `prefix of ${length}`);
    await again.append(event(9));
    await again.close();
    const expected = count < 0 ? [9] : [...[1, 2, 3, 4].slice(0, count), 9];
    assert.deepEqual(eventsIn(cut.content(PATH)), expected);
  }
});
