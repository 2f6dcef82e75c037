import assert from "node:assert/strict";
import fc from "fast-check";
import { SequenceGaps } from "./sequence_gaps.ts";

function gapsOf(...ranges: (readonly [number, number])[]): string {
  const gaps = new SequenceGaps();
  for (const [first, last] of ranges) gaps.add({ first: BigInt(first), last: BigInt(last) });
  return gaps.missing().map(({ first, last }) => `${first}..${last}`).join(" ");
}

Deno.test("gaps are the sequences before the first event and between events, batches counted whole", () => {
  assert.equal(gapsOf([1, 1], [2, 2], [5, 9], [12, 12]), "3..4 10..11");
  assert.equal(gapsOf([3, 3]), "1..2");
  assert.equal(gapsOf([1, 4], [5, 5]), "");
  assert.equal(gapsOf(), "");
});

Deno.test("gaps are those that a set of numbers has, in whatever order and however often events come", () => {
  const range = fc.tuple(fc.integer({ min: 1, max: 40 }), fc.nat(4)).map(([first, more]) =>
    [first, first + more] as const
  );
  fc.assert(fc.property(fc.array(range, { maxLength: 15 }), (ranges) => {
    const present = new Set(
      ranges.flatMap(([first, last]) => Array.from({ length: last - first + 1 }, (_, i) => first + i)),
    );
    const highest = Math.max(0, ...present);
    const expected = Array.from({ length: highest }, (_, i) => i + 1).filter((n) => !present.has(n));
    const gaps = new SequenceGaps();
    for (const [first, last] of ranges) gaps.add({ first: BigInt(first), last: BigInt(last) });
    const found = gaps.missing().flatMap(({ first, last }) =>
      Array.from({ length: Number(last - first) + 1 }, (_, i) => Number(first) + i)
    );
    assert.deepEqual(found, expected);
    assert.equal(gaps.highest, highest === 0 ? undefined : BigInt(highest));
  }));
});
