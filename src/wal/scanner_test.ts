import assert from "node:assert/strict";
import fc from "fast-check";
import { encodeHeader, encodeRecord, RECORD_BYTES_MAX, type WalRecord } from "./format.ts";
import { type ScanEnd, Scanner } from "./scanner.ts";

function join(...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

function logOf(payloads: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const records = payloads.map((payload, i) =>
    encodeRecord({ sequence: BigInt(i + 1), status: 1, timestampMs: 7n, payload })
  );
  return join(encodeHeader(), ...records);
}

function scan(bytes: Uint8Array, cuts: readonly number[] = []): { records: WalRecord[]; end: ScanEnd } {
  const scanner = new Scanner();
  const records: WalRecord[] = [];
  const bounds = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  for (let i = 1; i < bounds.length; i++) {
    // A copy, spoiled afterwards: nothing may be kept of a chunk but what the scanner copied itself.
    const chunk = bytes.slice(bounds[i - 1], bounds[i]);
    for (const record of scanner.push(chunk)) records.push({ ...record, payload: record.payload.slice() });
    chunk.fill(0xa5);
  }
  return { records, end: scanner.finish() };
}

function lengthField(length: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, length, true);
  return bytes;
}

const payloads = fc.array(fc.uint8Array({ maxLength: 90 }), { maxLength: 12 });
const cuts = fc.array(fc.nat(5000), { maxLength: 12 });

Deno.test("scanner gives the same result whatever the pieces, damaged or not", () => {
  const damaged = fc.tuple(payloads, fc.uint8Array({ maxLength: 60 }), fc.nat(), fc.option(fc.nat()));
  fc.assert(
    fc.property(damaged, cuts, ([list, tail, position, flip], pieces) => {
      const bytes = join(logOf(list), tail).subarray(0, position % 3 === 0 ? position % 400 : undefined);
      if (flip !== null && bytes.length > 0) bytes[flip % bytes.length] ^= 1 + flip % 255;
      assert.deepEqual(scan(bytes, pieces), scan(bytes));
    }),
    { numRuns: 1000 },
  );
});

Deno.test("every prefix of a log gives a prefix of its records, and names what is missing", () => {
  const list = [new Uint8Array(0), new Uint8Array(3).fill(1), new Uint8Array(40).fill(2)];
  const whole = logOf(list);
  const all = scan(whole).records;
  assert.equal(all.length, list.length);
  const ends = [16, ...all.map((record) => record.offset + record.length)];
  for (let length = 0; length <= whole.length; length++) {
    const { records, end } = scan(whole.subarray(0, length));
    const expected = all.filter((record) => record.offset + record.length <= length);
    assert.deepEqual(records, expected);
    const offset = length < 16 ? 0 : Math.max(...ends.filter((one) => one <= length));
    const damage = length < 16
      ? { problem: "short_header", offset }
      : ends.includes(length)
      ? undefined
      : { problem: "torn_record", offset };
    assert.deepEqual(end, { damage, goodBytes: offset, records: expected.length }, `prefix of ${length}`);
  }
});

Deno.test("a flipped bit is found at its record, and all before it are kept", () => {
  const list = Array.from({ length: 5 }, (_, i) => new Uint8Array(10 * i).fill(i));
  const whole = logOf(list);
  const all = scan(whole).records;
  for (let bit = 0; bit < whole.length * 8; bit++) {
    const at = bit >> 3;
    const bytes = whole.slice();
    bytes[at] ^= 1 << (bit & 7);
    const { records, end } = scan(bytes);
    if (at >= 12 && at < 16) {
      assert.equal(end.damage, undefined, "reserved bytes of the header");
    } else if (at < 16) {
      assert.deepEqual(
        end.damage,
        at < 8 ? { problem: "bad_magic", offset: 0 } : { problem: "bad_version", offset: 8 },
      );
    } else {
      const index = all.findLastIndex((record) => record.offset <= at);
      assert.deepEqual(records, all.slice(0, index), `bit ${bit}`);
      assert.equal(end.damage?.offset, all[index].offset, `bit ${bit}`);
      assert.equal(end.goodBytes, all[index].offset);
    }
  }
});

const HEAD = logOf([new Uint8Array([1, 2, 3])]);
const CASES: [string, Uint8Array, string | undefined][] = [
  ["nothing", new Uint8Array(0), undefined],
  ["one zero", new Uint8Array(1), "torn_record"],
  ["three zeros", new Uint8Array(3), "torn_record"],
  ["four zeros", new Uint8Array(4), "zero_tail"],
  ["many zeros", new Uint8Array(100_000), "zero_tail"],
  ["zeros and then something", join(new Uint8Array(100), new Uint8Array([1])), "bad_length"],
  ["a length of 31", join(lengthField(31), new Uint8Array(60)), "bad_length"],
  ["a length of 32 and too little", join(lengthField(32), new Uint8Array(27)), "torn_record"],
  ["a length of 32 and enough", join(lengthField(32), new Uint8Array(28)), "crc_mismatch"],
  [
    "a length of 10 MiB and too little",
    join(lengthField(RECORD_BYTES_MAX), new Uint8Array(9)),
    "torn_record",
  ],
  ["a length over 10 MiB", lengthField(RECORD_BYTES_MAX + 1), "bad_length"],
  ["the largest length", lengthField(0xffffffff), "bad_length"],
];

for (const [name, tail, problem] of CASES) {
  Deno.test(`scanner names ${name} after a record: ${problem ?? "no damage"}`, () => {
    const damage = problem === undefined ? undefined : { problem, offset: HEAD.length };
    assert.deepEqual(scan(join(HEAD, tail)).end, { damage, goodBytes: HEAD.length, records: 1 });
    assert.deepEqual(
      scan(join(HEAD, tail), [HEAD.length + 1, HEAD.length + 2, HEAD.length + 5]).end.damage,
      damage,
    );
  });
}

Deno.test("scanner takes a record of 10 MiB in small pieces", () => {
  const whole = logOf([new Uint8Array(RECORD_BYTES_MAX - 32).fill(3)]);
  const scanner = new Scanner();
  let count = 0;
  for (let at = 0; at < whole.length; at += 65_537) {
    count += scanner.push(whole.subarray(at, at + 65_537)).length;
  }
  assert.deepEqual([count, scanner.finish().damage], [1, undefined]);
});

Deno.test("scanner goes on from the middle of a file and reports places in the file", () => {
  const whole = logOf([new Uint8Array(5), new Uint8Array(6)]);
  const offset = scan(whole).records[1].offset;
  const scanner = new Scanner(offset);
  assert.deepEqual(scanner.push(whole.subarray(offset)).map((record) => record.offset), [offset]);
  assert.deepEqual(scanner.finish(), { damage: undefined, goodBytes: whole.length, records: 1 });
});
