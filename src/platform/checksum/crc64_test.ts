import assert from "node:assert/strict";
import fc from "fast-check";
import { Crc64, crc64 } from "./crc64.ts";

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
