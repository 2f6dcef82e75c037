import assert from "node:assert/strict";
import { createMemoryContext } from "../../tests/support/memory_context.ts";
import { Progress } from "./progress.ts";

/** What is written to standard error when each of ten chunks of 100 bytes takes `chunkMs`. */
async function read(isTerminal: boolean, chunkMs: number, totalBytes: number | undefined): Promise<string> {
  const memory = createMemoryContext([], { isTerminal });
  let nowMs = 0;
  const clock = { ...memory.context.clock, elapsedMs: () => nowMs };
  const chunks = (async function* () {
    for (let at = 0; at < 10; at++) {
      await Promise.resolve();
      yield new Uint8Array(100);
      nowMs += chunkMs;
    }
  })();
  const progress = new Progress({ stderr: memory.context.stderr, clock });
  let bytes = 0;
  for await (const chunk of progress.watch(chunks, totalBytes)) bytes += chunk.length;
  assert.equal(bytes, 1000);
  return memory.stderr();
}

Deno.test("a long reading shows how far it is, and takes its line away", async () => {
  const clear = "\r\u001b[K";
  assert.equal(
    await read(true, 250, 1000),
    [30, 40, 50, 60, 70, 80, 90, 100].map((percent) => `${clear}Reading: ${percent}% of 1.0 KB`).join("") +
      clear,
  );
  assert.ok((await read(true, 250, undefined)).startsWith(`${clear}Reading: 300 B${clear}Reading: 400 B`));
});

Deno.test("a short reading shows nothing, and no pipe or file ever sees progress", async () => {
  assert.equal(await read(true, 10, 1000), "");
  assert.equal(await read(false, 250, 1000), "");
});
