import { strictEqual, throws } from "node:assert/strict";
import fc from "fast-check";
import { crc64 } from "./crc64.ts";
import { combineCrc64, shiftCrc64 } from "./crc64_combine.ts";

Deno.test("the checksum of two stretches is that of both in a row, wherever they are cut", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 3000 }), fc.nat(), (bytes, at) => {
    const cut = bytes.length === 0 ? 0 : at % (bytes.length + 1);
    const [first, second] = [bytes.subarray(0, cut), bytes.subarray(cut)];
    strictEqual(combineCrc64(crc64(first), crc64(second), second.length), crc64(bytes));
  }));
});

Deno.test("long stretches are combined as well, and nothing that follows changes nothing", () => {
  const first = new Uint8Array([1, 2, 3]);
  const second = new Uint8Array(10 * 1024 * 1024 + 7).fill(5);
  const whole = new Uint8Array([...first, ...new Uint8Array(second.length)]);
  whole.set(second, 3);
  strictEqual(combineCrc64(crc64(first), crc64(second), second.length), crc64(whole));
  strictEqual(shiftCrc64(77n, 0), 77n);
  throws(() => shiftCrc64(1n, -1), RangeError);
});
