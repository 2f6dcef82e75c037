import assert from "node:assert/strict";
import fc from "fast-check";
import { encodeRecord, isChecksumRight, isPossibleLength, readLength, RECORD_BYTES_MAX } from "./format.ts";
import { Salvager } from "./salvage.ts";
import { WindowChecksums } from "./window_checksums.ts";

/** Every offset that a whole, valid record starts at, those inside other records left out. */
function naiveSalvage(bytes: Uint8Array): number[] {
  const found = [];
  for (let at = 0; at + 4 <= bytes.length;) {
    const length = readLength(bytes, at);
    if (isPossibleLength(length) && at + length <= bytes.length && isChecksumRight(bytes, at, length)) {
      found.push(at);
      at += length;
    } else {
      at++;
    }
  }
  return found;
}

function salvage(bytes: Uint8Array, chunkBytes: number, offset = 0): number[] {
  const salvager = new Salvager(offset);
  const found: number[] = [];
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    const chunk = bytes.slice(at, at + chunkBytes);
    found.push(...salvager.push(chunk).map((record) => record.offset));
    chunk.fill(0xa5);
  }
  return [...found, ...salvager.finish().map((record) => record.offset)];
}

const record = fc.tuple(fc.bigInt({ min: 0n, max: 99n }), fc.uint8Array({ maxLength: 600, size: "max" }))
  .map(([sequence, payload]) => encodeRecord({ sequence, status: 1, timestampMs: 0n, payload }));
/** Garbage that is full of possible lengths. */
const garbage = fc.array(fc.constantFrom(0, 0, 0, 1, 32, 40, 200), { maxLength: 120 }).map((bytes) =>
  new Uint8Array(bytes)
);

Deno.test("salvage finds the records that trying every byte finds, whatever the pieces", () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(record, garbage), { maxLength: 9 }),
      fc.integer({ min: 1, max: 700 }),
      (parts, chunkBytes) => {
        const bytes = new Uint8Array(parts.flatMap((part) => [...part]));
        assert.deepEqual(salvage(bytes, chunkBytes), naiveSalvage(bytes));
      },
    ),
    { numRuns: 300 },
  );
});

Deno.test("salvage finds the largest and the smallest record behind garbage that promises more than there is", () => {
  const largest = encodeRecord({
    sequence: 1n,
    status: 1,
    timestampMs: 0n,
    payload: new Uint8Array(RECORD_BYTES_MAX - 32).fill(9),
  });
  const smallest = encodeRecord({ sequence: 2n, status: 1, timestampMs: 0n, payload: new Uint8Array() });
  const bytes = new Uint8Array(50 + largest.length + smallest.length);
  // The length of a record that would be longer than the file.
  bytes.set([0xff, 0xff, 0x9f, 0], 10);
  bytes.set(largest, 50);
  bytes.set(smallest, 50 + largest.length);
  assert.deepEqual(salvage(bytes, 1_000_003, 1000), [1050, 1050 + largest.length]);
});

Deno.test("salvage of garbage in which every fourth byte promises two megabytes ends, and finds what lies in it", () => {
  // Reading each candidate whole would be 2,000 gigabytes here.
  const bytes = new Uint8Array(4 * 1024 * 1024);
  for (let at = 2; at < bytes.length; at += 4) bytes[at] = 0x20;
  const hidden = encodeRecord({
    sequence: 3n,
    status: 1,
    timestampMs: 0n,
    payload: new Uint8Array(1000).fill(1),
  });
  bytes.set(hidden, 3_000_001);
  assert.deepEqual(salvage(bytes, 1024 * 1024), [3_000_001]);
});

Deno.test("checksum of a stretch of a window equals that of its bytes read alone", () => {
  const window = crypto.getRandomValues(new Uint8Array(40_000));
  const checksums = new WindowChecksums();
  checksums.reset(window);
  fc.assert(fc.property(fc.nat(39_000), fc.nat(38_000), (start, more) => {
    const length = Math.min(32 + more, window.length - start);
    const record = encodeRecord({
      sequence: 1n,
      status: 1,
      timestampMs: 0n,
      payload: new Uint8Array(length - 32).fill(start),
    });
    const before = window.slice(start, start + length);
    assert.equal(checksums.isChecksumRight(start, length), false);
    window.set(record, start);
    checksums.reset(window);
    assert.equal(checksums.isChecksumRight(start, length), true);
    window.set(before, start);
    checksums.reset(window);
  }));
});
