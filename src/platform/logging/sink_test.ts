import assert from "node:assert/strict";
import { createWriteSink } from "./sink.ts";

/**
 * A stream that takes what each step says: a number of bytes, or an error. After the last step it takes all.
 */
function stream(...steps: (number | Error)[]): { sink: (line: string) => void; taken: () => string } {
  const bytes: number[] = [];
  const sink = createWriteSink((chunk) => {
    const step = steps.shift() ?? chunk.length;
    if (step instanceof Error) throw step;
    const count = Math.min(step, chunk.length);
    bytes.push(...chunk.subarray(0, count));
    return count;
  });
  return { sink, taken: () => new TextDecoder().decode(new Uint8Array(bytes)) };
}

Deno.test("a line is written to its end, however few bytes are taken at a time", () => {
  const { sink, taken } = stream(1, 2, new Deno.errors.Interrupted(), 1);
  sink("grün");
  assert.equal(taken(), "grün\n");
});

Deno.test("a reader that is behind is waited for", () => {
  const { sink, taken } = stream(2, new Deno.errors.WouldBlock(), new Deno.errors.WouldBlock());
  sink("late");
  assert.equal(taken(), "late\n");
});

Deno.test("a stream that takes no more costs lines, not the program, and the next line begins anew", () => {
  const full = new Error("No space left on device (os error 28)");
  const { sink, taken } = stream(3, full, full, new Deno.errors.BrokenPipe(), 0);
  sink("first");
  sink("second");
  sink("third");
  sink("fourth");
  sink("fifth");
  assert.equal(taken(), "fir\nfifth\n");
});
