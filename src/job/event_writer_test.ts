import assert from "node:assert/strict";
import fc from "fast-check";
import { ManualClock } from "../../tests/support/manual_clock.ts";
import { payloadBytes } from "../../tests/support/payload_bytes.ts";
import { decodeEvent, outputOf, StreamType } from "../events/event.ts";
import type { Clock } from "../platform/clock.ts";
import { silentLogger } from "../platform/logging/logger.ts";
import { LogSealedError, LogWriteError } from "../wal/errors.ts";
import type { NewEvent } from "../wal/log.ts";
import type { OutputBatch } from "./batcher.ts";
import { EventWriter } from "./event_writer.ts";

type Fate = "stored" | "full" | "sealed";

/** A log that writes what was appended in one turn as one group, whose fate is told, and takes its time. */
class GroupingLog {
  readonly path = "memory.wal";
  readonly counts = { pending: 0, sent: 0, failed: 0, events: 0, bytes: 0 };
  readonly stored: { sequence: bigint; text: string }[] = [];
  readonly groups: number[] = [];
  lastSequence = 0n;
  #group: { event: NewEvent; settle(error?: Error): void }[] = [];
  #isWriting = false;

  constructor(readonly fates: Fate[]) {}

  append(event: NewEvent): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#group.push({ event, settle: (error) => error === undefined ? resolve() : reject(error) });
      if (!this.#isWriting) this.#write();
    });
  }

  async #write(): Promise<void> {
    this.#isWriting = true;
    while (this.#group.length > 0) {
      await Promise.resolve();
      const group = this.#group;
      this.#group = [];
      for (let turn = 0; turn < 5; turn++) await Promise.resolve();
      this.groups.push(group.length);
      const fate = this.fates.shift() ?? "stored";
      const error = fate === "full"
        ? new LogWriteError(this.path, true, { cause: new Error("full") })
        : fate === "sealed"
        ? new LogSealedError(this.path, "its sync failed")
        : undefined;
      // Those that gathered meanwhile are turned away as well, as a real log does it.
      const told = error === undefined ? group : [...group, ...this.#group.splice(0)];
      for (const { event, settle } of told) {
        if (error === undefined) this.#take(event);
        settle(error);
      }
    }
    this.#isWriting = false;
  }

  #take(event: NewEvent): void {
    assert.ok(event.sequence > this.lastSequence);
    this.lastSequence = event.sequence;
    const decoded = decodeEvent(payloadBytes(event.payload))!;
    assert.equal(decoded.sequence, event.sequence);
    const text = [...outputOf(decoded)].map(({ bytes }) => new TextDecoder().decode(bytes)).join("");
    this.stored.push({ sequence: event.sequence, text });
  }
}

/** Time that passes as soon as somebody waits for it. */
const hurried: Clock = {
  ...new ManualClock(),
  nowMs: () => 1,
  elapsedMs: () => 1,
  sleep: () => Promise.resolve(),
};

function batch(text: string): OutputBatch {
  const bytes = new TextEncoder().encode(text);
  const item = { stream: StreamType.STDOUT, timestampDeltaMs: 0, parts: [bytes], length: bytes.length };
  return { firstTimestampMs: 1, items: [item] };
}

function open(fates: Fate[]) {
  const log = new GroupingLog(fates);
  const reported: bigint[] = [];
  const writer = new EventWriter({
    log,
    clock: hurried,
    logger: silentLogger,
    giveUp: new AbortController().signal,
    onStored: (sequence) => reported.push(sequence),
  });
  return { log, writer, reported };
}

Deno.test("every event is stored once and in order, however often the disk is full and whoever writes beside", async () => {
  const fates = fc.array(fc.constantFrom<Fate>("stored", "full"), { maxLength: 20 });
  const writes = fc.array(fc.constantFrom("batch", "batches", "heartbeat"), { minLength: 1, maxLength: 30 });
  await fc.assert(fc.asyncProperty(fates, writes, async (fates, writes) => {
    const { log, writer, reported } = open(fates);
    let count = 0;
    let text = "";
    const next = () => {
      const line = `${++count};`;
      text += line;
      return batch(line);
    };
    for (const what of writes) {
      if (what === "heartbeat") {
        writer.write({ case: "heartbeat", value: { processAlive: true } });
        count++;
      } else {
        await writer.writeBatches(what === "batch" ? [next()] : [next(), next()]);
      }
    }
    await writer.settled();
    assert.equal(writer.isWriting, false);
    const sequences = Array.from({ length: count }, (_, index) => BigInt(index + 1));
    assert.deepEqual(log.stored.map(({ sequence }) => sequence), sequences);
    assert.deepEqual(reported, sequences);
    assert.equal(log.stored.map(({ text }) => text).join(""), text);
  }));
});

Deno.test("what gathers while a write is under way shares the next one", async () => {
  const { log, writer } = open([]);
  for (let index = 0; index < 12; index++) await writer.writeBatches([batch("x")]);
  await writer.settled();
  assert.ok(log.groups.length < 12, `${log.groups}`);
  assert.equal(log.groups.reduce((sum, count) => sum + count, 0), 12);
});

Deno.test("after the log took no more, nothing is stored, and nobody waits", async () => {
  const { log, writer } = open(["stored", "sealed"]);
  await writer.writeBatches([batch("a")]);
  await writer.settled();
  const writes = [writer.write({ case: "heartbeat", value: {} }), writer.writeBatches([batch("b")])];
  const late = writer.write({ case: "heartbeat", value: {} });
  const ends = await Promise.allSettled([...writes, late, writer.settled()]);
  assert.ok(ends[0].status === "rejected" && ends[0].reason instanceof LogSealedError);
  assert.ok(ends[2].status === "rejected" && ends[3].status === "rejected");
  assert.ok(writer.broken.aborted);
  assert.equal(writer.isWriting, false);
  await assert.rejects(writer.writeBatches([batch("c")]), LogSealedError);
  assert.deepEqual(log.stored.map(({ text }) => text), ["a"]);
});
