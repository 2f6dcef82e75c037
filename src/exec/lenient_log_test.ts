import assert from "node:assert/strict";
import { ManualClock } from "../../tests/support/manual_clock.ts";
import { within } from "../../tests/support/within.ts";
import type { EventLog } from "../job/event_writer.ts";
import { LogSealedError, LogWriteError } from "../wal/errors.ts";
import type { NewEvent } from "../wal/log.ts";
import { LenientLog } from "./lenient_log.ts";

type Answer = "taken" | "full" | "sealed" | "hangs";

/** A log whose disk answers as told, and the lenient one above it. */
class Setup {
  readonly clock = new ManualClock();
  readonly stored: bigint[] = [];
  readonly said: string[] = [];
  tries = 0;
  disk: Answer = "taken";
  readonly log: LenientLog;
  #sequence = 0n;

  constructor() {
    const inner: EventLog = {
      path: "/job.wal",
      lastSequence: 0n,
      counts: {} as EventLog["counts"],
      append: (event) => this.#append(event),
    };
    this.log = new LenientLog(inner, this.clock, {
      stopped: (why) => void this.said.push(why),
      resumed: (events) => void this.said.push(`again after ${events}`),
    });
  }

  #append({ sequence }: NewEvent): Promise<void> {
    this.tries++;
    const full = Object.assign(new Error("full"), { code: "ENOSPC" });
    switch (this.disk) {
      case "hangs":
        return new Promise(() => {});
      case "full":
        return Promise.reject(new LogWriteError("/job.wal", true, { cause: full }));
      case "sealed":
        return Promise.reject(new LogSealedError("/job.wal", "the disk failed"));
      case "taken":
        this.stored.push(sequence);
        return Promise.resolve();
    }
  }

  append(): Promise<void> {
    return this.log.append({ sequence: ++this.#sequence, timestampMs: 0, payload: new Uint8Array(1) });
  }

  /** Appends while time passes for whoever waits for the disk. */
  async appendInTime(stepMs: number): Promise<void> {
    let isDone = false;
    const appended = this.append().finally(() => isDone = true);
    while (!isDone) {
      await new Promise((resolve) => setTimeout(resolve));
      this.clock.advance(stepMs);
    }
    await within(appended, () => "the append");
  }
}

Deno.test("a disk that is full for a moment loses nothing", async () => {
  const setup = new Setup();
  setup.disk = "full";
  const appended = setup.append();
  await setup.clock.sleeping(250);
  setup.disk = "taken";
  setup.clock.advance(250);
  await within(appended, () => "the append");
  assert.deepEqual([setup.stored, setup.said, setup.log.eventsLeftOut], [[1n], [], 0]);
});

Deno.test("a disk that stays full leaves events out, is tried once a second, and records again when it can", async () => {
  const setup = new Setup();
  setup.disk = "full";
  await setup.appendInTime(250);
  const { tries } = setup;
  for (let i = 0; i < 100; i++) await setup.append();
  assert.equal(setup.tries, tries);
  setup.disk = "taken";
  setup.clock.advance(1000);
  await setup.append();
  await setup.append();
  assert.deepEqual(setup.stored, [102n, 103n]);
  assert.deepEqual(setup.said, ["no space left on device", "again after 101"]);
  assert.equal(setup.log.eventsLeftOut, 101);
});

Deno.test("the last events are each tried, whatever came before", async () => {
  const setup = new Setup();
  setup.disk = "full";
  await setup.appendInTime(250);
  setup.disk = "taken";
  setup.log.lastEvents();
  await setup.append();
  assert.deepEqual(setup.stored, [2n]);
});

Deno.test("a disk that does not answer holds up the command once, and nothing is written behind its back", async () => {
  const setup = new Setup();
  setup.disk = "hangs";
  await setup.appendInTime(1000);
  setup.disk = "taken";
  setup.clock.advance(60_000);
  setup.log.lastEvents();
  await setup.append();
  assert.deepEqual([setup.tries, setup.stored], [1, []]);
  assert.match(setup.said[0], /has not answered for 10 s/);
});

Deno.test("a sealed log is never tried again", async () => {
  const setup = new Setup();
  setup.disk = "sealed";
  await setup.append();
  setup.disk = "taken";
  setup.clock.advance(60_000);
  await setup.append();
  assert.deepEqual([setup.tries, setup.stored, setup.said.length], [1, [], 1]);
});
