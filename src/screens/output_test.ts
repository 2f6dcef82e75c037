import assert from "node:assert/strict";
import { systemClock } from "../platform/system_clock.ts";
import { Output, OutputClosedError } from "./output.ts";

function outputTo(write: (bytes: Uint8Array) => Promise<number>): Output {
  return new Output({ write, isTerminal: false, columns: undefined }, systemClock);
}

Deno.test("output is whole and in order although each write takes only a part", async () => {
  const written: number[] = [];
  const output = outputTo((bytes) => {
    const count = Math.min(7, bytes.length);
    written.push(...bytes.subarray(0, count));
    return Promise.resolve(count);
  });
  const expected: number[] = [];
  for (const length of [3, 70_000, 1, 65_536, 65_535, 2]) {
    const bytes = Uint8Array.from({ length }, (_, at) => (at * 31 + length) & 0xff);
    for (const byte of bytes) expected.push(byte);
    await output.write(bytes);
  }
  await output.flush();
  assert.deepEqual(written, expected);
});

Deno.test("bytes are copied before write resolves, so that a caller may reuse its buffer", async () => {
  let written = "";
  const output = outputTo((bytes) => {
    written += new TextDecoder().decode(bytes);
    return Promise.resolve(bytes.length);
  });
  const buffer = new TextEncoder().encode("before");
  await output.write(buffer);
  buffer.fill(0);
  await output.flush();
  assert.equal(written, "before");
});

Deno.test("a reader that has gone is told apart from other failures, and nothing is written twice", async () => {
  let calls = 0;
  const output = outputTo(() => {
    calls++;
    return Promise.reject(new Deno.errors.BrokenPipe());
  });
  await output.write("lost");
  await assert.rejects(output.flush(), OutputClosedError);
  await output.flush();
  assert.equal(calls, 1);
});

Deno.test("a pipe that was made non-blocking is waited for", async () => {
  let written = "";
  let isFull = true;
  const output = outputTo((bytes) => {
    isFull = !isFull;
    if (!isFull) return Promise.reject(new Deno.errors.WouldBlock());
    written += new TextDecoder().decode(bytes);
    return Promise.resolve(bytes.length);
  });
  await output.write("all of it");
  await output.flush();
  assert.equal(written, "all of it");
});
