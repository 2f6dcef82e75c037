import assert from "node:assert/strict";
import fc from "fast-check";
import { GroupMemory, KEPT_BYTES_MAX } from "./group_memory.ts";

/** A group of `length` bytes in a buffer of the memory's, as a log writes one. */
function group(memory: GroupMemory, length: number, fill: number) {
  const buffer = memory.allocate(length);
  return { buffer, bytes: buffer.fill(fill).subarray(0, length) };
}

Deno.test("what was written last is given out again, whole or in part, and nothing else", () => {
  const memory = new GroupMemory();
  memory.keep(group(memory, 1000, 1).bytes, 5000);
  memory.keep(group(memory, 1000, 2).bytes, 6000);
  assert.deepEqual(memory.bytesAt(5990, 10), new Uint8Array(10).fill(1));
  assert.deepEqual(memory.bytesAt(6000, 1000), new Uint8Array(1000).fill(2));
  assert.equal(memory.bytesAt(4990, 20), undefined);
  assert.equal(memory.bytesAt(5990, 20), undefined);
  assert.equal(memory.bytesAt(6990, 20), undefined);
  assert.equal(memory.bytesAt(7000, 1), undefined);
});

Deno.test("a group that fills its buffer is kept as it is, and a small one as a copy", () => {
  const memory = new GroupMemory();
  const large = group(memory, 60_000, 1);
  assert.equal(memory.keep(large.bytes, 0), true);
  assert.equal(memory.bytesAt(0, 1)!.buffer, large.buffer.buffer);
  const small = group(memory, 100, 2);
  assert.equal(memory.keep(small.bytes, 60_000), false);
  small.buffer.fill(9);
  assert.deepEqual(memory.bytesAt(60_000, 100), new Uint8Array(100).fill(2));
});

Deno.test("no more than its bound is kept, and of that the oldest", () => {
  const memory = new GroupMemory();
  const length = KEPT_BYTES_MAX / 4;
  for (let index = 0; index < 6; index++) memory.keep(group(memory, length, index).bytes, index * length);
  assert.deepEqual(memory.bytesAt(3 * length, 2), Uint8Array.of(3, 3));
  assert.equal(memory.bytesAt(4 * length, 2), undefined);
});

Deno.test("what is settled is used again, and taken away from whoever still looks at it", () => {
  const memory = new GroupMemory();
  const { buffer, bytes } = group(memory, 100_000, 1);
  const length = buffer.length;
  memory.keep(bytes, 0);
  const held = memory.bytesAt(10, 10)!;
  memory.settled(99_999);
  assert.equal(held.length, 10);
  memory.settled(100_000);
  assert.equal(held.length, 0);
  // Not even a copy of nothing: whoever uses it by mistake hears of it.
  assert.throws(() => new Uint8Array(20).set(held), TypeError);
  assert.equal(memory.bytesAt(10, 10), undefined);
  assert.equal(buffer.length, 0);
  assert.equal(memory.allocate(90_000).length, length);
});

Deno.test("whatever is written, kept and settled, what is given out is what was written there", () => {
  const step = fc.record({
    length: fc.integer({ min: 1, max: 300_000 }),
    settles: fc.double({ min: 0, max: 1, noNaN: true }),
  });
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 40 }), (steps) => {
      const memory = new GroupMemory();
      const starts: { offset: number; length: number; fill: number }[] = [];
      let end = 0;
      for (const [index, { length, settles }] of steps.entries()) {
        const { buffer, bytes } = group(memory, length, index + 1);
        if (!memory.keep(bytes, end)) memory.release(buffer);
        starts.push({ offset: end, length, fill: index + 1 });
        end += length;
        const settled = Math.floor(settles * end);
        memory.settled(settled);
        for (const { offset, length, fill } of starts) {
          const found = memory.bytesAt(offset, length);
          if (found !== undefined) assert.ok(found[0] === fill && found[length - 1] === fill);
          if (found !== undefined && offset + length <= settled) assert.fail("settled, and still there");
        }
      }
    }),
    { numRuns: 50 },
  );
});
