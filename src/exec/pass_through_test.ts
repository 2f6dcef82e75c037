import assert from "node:assert/strict";
import { within } from "../../tests/support/within.ts";
import type { ChildProcess, ProcessExit, SpawnOptions } from "../platform/processes.ts";
import { systemProcesses } from "../platform/system_processes.ts";
import { passThrough, SharedScreen, type Show } from "./pass_through.ts";

/** A process whose pipe the test fills, and whose end it decides. */
class FakeChild {
  readonly exit = Promise.withResolvers<ProcessExit>();
  wasClosed = false;
  #controller!: ReadableStreamDefaultController<Uint8Array>;
  readonly child: ChildProcess;
  options: SpawnOptions | undefined;

  constructor() {
    const stdout = new ReadableStream<Uint8Array>({
      start: (controller) => void (this.#controller = controller),
      cancel: () => void (this.wasClosed = true),
    });
    const stderr = new ReadableStream<Uint8Array>({ start: (controller) => controller.close() });
    this.child = { pid: 2, stdout, stderr, exited: this.exit.promise };
  }

  write(...bytes: number[]): void {
    this.#controller.enqueue(new Uint8Array(bytes));
  }

  close(): void {
    this.#controller.close();
  }

  /** What is recorded of the pipe. */
  pass(stdout: Show) {
    const passing = passThrough({
      ...systemProcesses,
      spawn: (options) => {
        this.options = options;
        return this.child;
      },
    }, { stdout, stderr: () => Promise.resolve(true) });
    const options = { command: "x", args: [], environment: {}, workingDirectory: "", user: undefined };
    return { ...passing, reader: passing.processes.spawn(options).stdout.getReader() };
  }
}

const soon = <T>(promise: Promise<T>, what: string) => within(promise, () => what);

Deno.test("output is shown before it is recorded, and the next is not read until it is shown", async () => {
  const shown = Promise.withResolvers<boolean>();
  const events: string[] = [];
  const child = new FakeChild();
  const { reader } = child.pass((bytes) => {
    events.push(`shown ${bytes}`);
    return shown.promise;
  });
  assert.equal(child.options?.readsOurInput, true);
  child.write(1);
  const read = reader.read().then(({ value }) => void events.push(`recorded ${value}`));
  await new Promise((resolve) => setTimeout(resolve));
  assert.deepEqual(events, ["shown 1"]);
  shown.resolve(true);
  await soon(read, "the record");
  assert.deepEqual(events, ["shown 1", "recorded 1"]);
});

Deno.test("what a process has left in its pipe is recorded although nobody takes it from the screen yet", async () => {
  const taken = Promise.withResolvers<boolean>();
  const screen: number[] = [];
  const child = new FakeChild();
  const { reader, shown } = child.pass(async (bytes) => {
    await taken.promise;
    screen.push(...bytes);
    return true;
  });
  child.write(1);
  const first = reader.read();
  child.write(2);
  child.exit.resolve({ exitCode: 0, signal: undefined });
  child.close();
  const recorded = [await soon(first, "the first"), await soon(reader.read(), "the second")];
  assert.deepEqual(recorded.map(({ value }) => value?.[0]), [1, 2]);
  assert.ok((await soon(reader.read(), "the end")).done);
  assert.deepEqual(screen, []);
  taken.resolve(true);
  await soon(shown(), "the screen");
  assert.deepEqual(screen, [1, 2]);
});

Deno.test("a screen that nobody reads closes the command's pipe, and what was read is recorded", async () => {
  const child = new FakeChild();
  const { reader } = child.pass(() => Promise.resolve(false));
  child.write(1);
  assert.deepEqual((await soon(reader.read(), "the record")).value, new Uint8Array([1]));
  assert.ok((await soon(reader.read(), "the end")).done);
  assert.ok(child.wasClosed);
});

class Gone extends Error {}

Deno.test("lines of two writers on one screen stay whole, and a failure is told of what it kept from the screen", async () => {
  const parts: string[] = [];
  let failing: Error | undefined;
  const screen = new SharedScreen({
    async write(text) {
      if (failing) throw failing;
      for (const character of String(text)) {
        await Promise.resolve();
        parts.push(character);
      }
    },
    flush: () => Promise.resolve(),
  }, (error) => error instanceof Gone);
  await Promise.all([screen.show("aaa"), screen.show("bbb")]);
  assert.equal(parts.join(""), "aaabbb");
  failing = new Error("broken");
  await assert.rejects(screen.show("c"), /broken/);
  failing = undefined;
  assert.equal(await screen.show("d"), true);
  failing = new Gone();
  assert.equal(await screen.show("e"), false);
  await screen.settled();
});
