import assert from "node:assert/strict";
import fc from "fast-check";
import { Crc64, crc64, giveBackReadBlock, takeReadBlock } from "./crc64.ts";
import { Crc64Machine } from "./crc64_machine.ts";
import { runCrc64Script } from "./crc64_script.ts";

/** The definition, bit by bit. */
function slowCrc64(bytes: Uint8Array): bigint {
  let crc = 0xffff_ffff_ffff_ffffn;
  for (const byte of bytes) {
    crc ^= BigInt(byte);
    for (let bit = 0; bit < 8; bit++) crc = crc >> 1n ^ (crc & 1n ? 0x9a6c_9329_ac4b_c9b5n : 0n);
  }
  return crc ^ 0xffff_ffff_ffff_ffffn;
}

Deno.test("CRC-64/NVME gives the catalogued check value", () => {
  assert.equal(crc64(new TextEncoder().encode("123456789")), 0xae8b14860a799888n);
  assert.equal(crc64(new Uint8Array()), 0n);
});

Deno.test("CRC-64/NVME equals its definition at every length around the step sizes", () => {
  const bytes = crypto.getRandomValues(new Uint8Array(300));
  for (let length = 0; length <= bytes.length; length++) {
    assert.equal(crc64(bytes.subarray(0, length)), slowCrc64(bytes.subarray(0, length)));
  }
});

Deno.test("CRC-64/NVME is the same in any number of pieces and at any alignment", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 700 }), fc.nat(), fc.nat(), fc.nat(7), (bytes, a, b, shift) => {
      const moved = new Uint8Array(bytes.length + shift);
      moved.set(bytes, shift);
      const crc = new Crc64();
      const [first, second] = [a % (bytes.length + 1), b % (bytes.length + 1)].sort((x, y) => x - y);
      crc.update(moved, shift, shift + first);
      crc.update(moved, shift + first, shift + second);
      crc.update(moved.subarray(shift), second);
      assert.equal(crc.digest(), slowCrc64(bytes));
      const written = new Uint8Array(9);
      crc.write(written, 1);
      assert.ok(crc.matches(written, 1));
      written[8] ^= 1;
      assert.ok(!crc.matches(written, 1));
    }),
  );
});

const machine = Crc64Machine.start()!;

/** The checksum of a stretch, by the program alone. */
function programCrc64(bytes: Uint8Array, start: number, end: number): bigint {
  machine.update(-1, -1, bytes, start, end);
  return BigInt(~machine.high >>> 0) << 32n | BigInt(~machine.low >>> 0);
}

function scriptCrc64(bytes: Uint8Array, start: number, end: number): bigint {
  const register = { registerLow: -1, registerHigh: -1 };
  runCrc64Script(register, bytes, start, end);
  return BigInt(~register.registerHigh >>> 0) << 32n | BigInt(~register.registerLow >>> 0);
}

Deno.test("program and script equal the definition at every length and alignment around their steps", () => {
  const bytes = crypto.getRandomValues(new Uint8Array(300));
  for (let length = 1; length <= 160; length++) {
    for (let start = 0; start < 9; start++) {
      const expected = slowCrc64(bytes.subarray(start, start + length));
      assert.equal(programCrc64(bytes, start, start + length), expected, `program, ${length} from ${start}`);
      assert.equal(scriptCrc64(bytes, start, start + length), expected, `script, ${length} from ${start}`);
    }
  }
});

Deno.test("the program gives the script's checksum of stretches that are longer than it copies at a time", () => {
  const bytes = new Uint8Array(1024 * 1024);
  for (let at = 0; at < bytes.length; at += 65536) crypto.getRandomValues(bytes.subarray(at, at + 65536));
  for (
    const [start, end] of [[0, 24576], [0, 24577], [7, 24583], [1, 49153], [3, 100_000], [0, bytes.length]]
  ) {
    assert.equal(programCrc64(bytes, start, end), scriptCrc64(bytes, start, end), `${start} to ${end}`);
  }
});

Deno.test("a stretch of the program's own memory is checked where it lies", () => {
  const block = machine.takeBlock()!;
  try {
    crypto.getRandomValues(block.subarray(0, 65536));
    const copy = block.slice(0, 65536);
    for (const [start, end] of [[0, 65536], [1, 5000], [17, 17 + 96], [100, 65531]]) {
      assert.equal(programCrc64(block, start, end), scriptCrc64(copy, start, end));
      assert.equal(programCrc64(block.subarray(start), 0, end - start), scriptCrc64(copy, start, end));
    }
    assert.deepEqual(block.slice(0, 65536), copy);
  } finally {
    machine.giveBack(block);
  }
});

Deno.test("blocks are distinct, come back, and are elsewhere when there are no more", () => {
  const blocks = Array.from({ length: 6 }, () => takeReadBlock());
  blocks.forEach((block, i) => block.fill(i + 1));
  // Neither another block nor the tables were written over.
  blocks.forEach((block, i) => assert.ok(block.every((byte) => byte === i + 1)));
  for (const block of blocks) assert.equal(crc64(block), scriptCrc64(block.slice(), 0, block.length));
  const places = new Set(blocks.map((block) => block.byteOffset));
  for (const block of blocks) giveBackReadBlock(block);
  const again = Array.from({ length: 6 }, () => takeReadBlock());
  assert.deepEqual(new Set(again.map((block) => block.byteOffset)), places);
  for (const block of again) giveBackReadBlock(block);
});

Deno.test("a block cannot be given back twice, nor to a machine that it is not of", () => {
  const block = machine.takeBlock()!;
  machine.giveBack(block);
  assert.throws(() => machine.giveBack(block), RangeError);
  assert.throws(() => machine.giveBack(new Uint8Array(8)), RangeError);
});
