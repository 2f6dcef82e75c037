import assert from "node:assert/strict";
import fc from "fast-check";
import { Crc64 } from "./crc64.ts";
import { exchangeBeginning } from "./crc64_product.ts";

function registerAfter(...parts: Uint8Array[]): Crc64 {
  const crc = new Crc64();
  for (const part of parts) crc.update(part);
  return crc;
}

Deno.test("the checksum of bytes with another beginning follows from those of the beginnings", () => {
  const bytes = fc.uint8Array({ maxLength: 500 });
  fc.assert(
    fc.property(bytes, bytes, bytes, (before, after, rest) => {
      const whole = registerAfter(before, rest);
      exchangeBeginning(whole, {
        before: registerAfter(before),
        after: registerAfter(after),
        bytesBehind: rest.length,
      });
      assert.equal(whole.digest(), registerAfter(after, rest).digest());
    }),
  );
});

Deno.test("it does so over more bytes than 32 bits count", () => {
  const [before, after] = [new Uint8Array([1, 2, 3]), new Uint8Array([9])];
  // Behind 5 GiB of anything: two steps of 2.5 GiB must come to the same.
  const half = 2.5 * 1024 ** 3;
  const start = { before: registerAfter(before), after: registerAfter(after) };
  const once = { registerLow: 0, registerHigh: 0 };
  exchangeBeginning(once, { ...start, bytesBehind: 2 * half });
  const first = { registerLow: 0, registerHigh: 0 };
  exchangeBeginning(first, { ...start, bytesBehind: half });
  const twice = { registerLow: 0, registerHigh: 0 };
  exchangeBeginning(twice, {
    before: first,
    after: { registerLow: 0, registerHigh: 0 },
    bytesBehind: half,
  });
  assert.deepEqual(twice, once);
});
