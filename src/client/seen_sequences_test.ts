import assert from "node:assert/strict";
import * as fc from "fast-check";
import { SeenSequences } from "./seen_sequences.ts";

Deno.test("a sequence is new exactly once, rising or not", () => {
  fc.assert(fc.property(fc.array(fc.bigInt({ min: -3n, max: 12n })), fc.boolean(), (sequences, sorted) => {
    if (sorted) sequences.sort((one, other) => one < other ? -1 : one > other ? 1 : 0);
    const seen = new SeenSequences();
    const model = new Set<bigint>();
    for (const sequence of sequences) {
      assert.equal(seen.add(sequence), !model.has(sequence));
      model.add(sequence);
    }
  }));
});

Deno.test("many rising sequences are all remembered", () => {
  const seen = new SeenSequences();
  for (let sequence = 1n; sequence <= 5000n; sequence++) assert.ok(seen.add(sequence));
  for (const sequence of [1n, 1024n, 1025n, 5000n]) assert.ok(!seen.add(sequence));
  assert.ok(seen.add(5001n));
});
