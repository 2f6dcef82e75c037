import assert from "node:assert/strict";
import { ManualClock } from "../../tests/support/manual_clock.ts";
import { StreamType } from "../events/event.ts";
import { aborted } from "../platform/aborted.ts";
import { OutputPump, type PumpOptions } from "./output_pump.ts";

const MIB = 1024 * 1024;

/** A pipe that gives `chunks`, counts how often it was asked, and then stays open or ends. */
function pipe(chunks: Uint8Array[], { ends = true } = {}) {
  const state = { pulls: 0, stream: undefined as unknown as ReadableStream<Uint8Array> };
  state.stream = new ReadableStream({
    pull(controller) {
      state.pulls++;
      const chunk = chunks.shift();
      if (chunk !== undefined) controller.enqueue(chunk);
      else if (ends) controller.close();
      else return new Promise(() => {});
    },
  }, { highWaterMark: 0 });
  return state;
}

function pump(stdout: ReturnType<typeof pipe>, more: Partial<PumpOptions> = {}) {
  const accepted: { stream: StreamType; bytes: number[] }[] = [];
  const clock = new ManualClock();
  const output = new OutputPump({
    process: { stdout: stdout.stream, stderr: pipe([]).stream },
    clock,
    waitForRoom: () => Promise.resolve(),
    over: new AbortController().signal,
    // deno-lint-ignore require-await -- as asynchronous as a real one
    accept: async ({ stream, bytes }) => void accepted.push({ stream, bytes: [...bytes] }),
    ...more,
  });
  return { output, accepted, clock };
}

async function turns(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await Promise.resolve();
}

Deno.test("a pipe is not read before there is room", async () => {
  const room = Promise.withResolvers<void>();
  const stdout = pipe([new Uint8Array([1])]);
  const { output, accepted } = pump(stdout, { waitForRoom: () => room.promise });
  await turns();
  assert.equal(stdout.pulls, 0);
  assert.equal(output.isHeld, false);
  room.resolve();
  await output.finished;
  assert.deepEqual(accepted, [{ stream: StreamType.STDOUT, bytes: [1] }]);
});

Deno.test("a pipe is not read again before what was read is accepted", async () => {
  const first = Promise.withResolvers<void>();
  const stdout = pipe([new Uint8Array([1]), new Uint8Array([2])]);
  const { output } = pump(stdout, { accept: () => first.promise });
  await turns();
  assert.equal(stdout.pulls, 1);
  first.resolve();
  await output.finished;
  assert.equal(output.wasCut, false);
});

Deno.test("a pipe that stays open is left once it is cut off and empty, with all that it held", async () => {
  const stdout = pipe([new Uint8Array([1]), new Uint8Array([2])], { ends: false });
  const { output, accepted, clock } = pump(stdout);
  await turns();
  assert.equal(output.isHeld, true);
  output.cutOff();
  await clock.pass(250);
  await output.finished;
  assert.deepEqual(accepted.map(({ bytes }) => bytes[0]), [1, 2]);
  assert.equal(output.wasCut, true);
});

Deno.test("a pipe that somebody writes to for ever is left after as much as a pipe can hold", async () => {
  const endless = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(new Uint8Array(64 * 1024)),
  });
  let bytes = 0;
  const output = new OutputPump({
    process: { stdout: endless, stderr: pipe([]).stream },
    clock: new ManualClock(),
    waitForRoom: () => Promise.resolve(),
    over: new AbortController().signal,
    // deno-lint-ignore require-await -- as asynchronous as a real one
    accept: async (chunk) => void (bytes += chunk.bytes.length),
  });
  output.cutOff();
  await output.finished;
  assert.equal(bytes, MIB);
  assert.equal(output.wasCut, true);
});

Deno.test("a pipe that gives a little again and again is left after a second in all", async () => {
  const clock = new ManualClock();
  const dribble = new ReadableStream<Uint8Array>({
    async pull(controller) {
      await clock.sleep(150);
      controller.enqueue(new Uint8Array([1]));
    },
  }, { highWaterMark: 0 });
  const { output, accepted } = pump({ pulls: 0, stream: dribble }, { clock });
  output.processEnded();
  output.cutOff();
  let finished = false;
  output.finished.then(() => finished = true);
  for (let reads = 0; reads < 100 && !finished; reads++) {
    await turns();
    clock.advance(150);
  }
  await turns();
  assert.ok(finished);
  // Each read is waited for 150 ms of the 1000.
  assert.equal(accepted.length, 6);
  assert.equal(output.wasCut, true);
});

Deno.test("a pipe that gives more after the process's end than a pipe can hold is held by somebody, also while we are busy", async () => {
  const stored = Promise.withResolvers<void>();
  let left = 17;
  const endless = new ReadableStream<Uint8Array>({
    pull: (controller) => left-- > 0 ? controller.enqueue(new Uint8Array(64 * 1024)) : new Promise(() => {}),
  }, { highWaterMark: 0 });
  let bytes = 0;
  const { output, clock } = pump({ pulls: 0, stream: endless }, {
    accept: (chunk) => (bytes += chunk.bytes.length) > MIB ? stored.promise : Promise.resolve(),
  });
  output.processEnded();
  for (let round = 0; round < 20; round++) await turns();
  assert.equal(bytes, MIB + 64 * 1024);
  assert.equal(output.isHeld, true);
  output.cutOff();
  stored.resolve();
  await clock.pass(250);
  await output.finished;
});

Deno.test("what an ended process left in its pipe is read without room, and what others write after it is not", async () => {
  const chunks = Array.from({ length: 40 }, () => new Uint8Array(64 * 1024));
  const stdout = pipe(chunks, { ends: false });
  let bytes = 0;
  const { output, clock } = pump(stdout, {
    // There never is room.
    waitForRoom: (signal) => aborted(signal),
    // deno-lint-ignore require-await -- as asynchronous as a real one
    accept: async (chunk) => void (bytes += chunk.bytes.length),
  });
  await turns();
  assert.equal(bytes, 0);
  output.processEnded();
  for (let round = 0; round < 20; round++) await turns();
  assert.equal(bytes, MIB + 64 * 1024);
  output.cutOff();
  for (let round = 0; round < 20; round++) await turns();
  assert.ok(bytes > 2 * MIB);
  await output.finished;
  assert.equal(output.wasCut, true);
  clock.advance(1000);
});

Deno.test("a failure is told before the pipe is closed, which may be what the process dies of", async () => {
  const broken = new Error("a mistake");
  const order: string[] = [];
  const stream = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(new Uint8Array([1])),
    cancel: () => void order.push("closed"),
  }, { highWaterMark: 0 });
  const { output } = pump({ pulls: 0, stream }, { waitForRoom: () => Promise.reject(broken) });
  output.failed.addEventListener("abort", () => order.push("told"));
  await assert.rejects(output.finished, broken);
  assert.deepEqual(order, ["told", "closed"]);
  assert.equal(output.failed.reason, broken);
});

Deno.test("a failure to store ends the reading of both pipes and is reported", async () => {
  const broken = new Error("the log is sealed");
  const stdout = pipe([new Uint8Array([1])], { ends: false });
  const { output } = pump(stdout, { accept: () => Promise.reject(broken) });
  await assert.rejects(output.finished, broken);
});
