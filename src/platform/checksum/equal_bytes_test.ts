import assert from "node:assert/strict";
import { haveEqualBytes } from "./equal_bytes.ts";

Deno.test("equal bytes are found equal at every length and place, and one other byte anywhere is found", () => {
  const bytes = crypto.getRandomValues(new Uint8Array(80));
  for (let length = 0; length < 70; length++) {
    for (let shift = 0; shift < 5; shift++) {
      const left = bytes.subarray(shift, shift + length);
      const right = new Uint8Array(length + 3).subarray(3);
      right.set(left);
      assert.ok(haveEqualBytes(left, right));
      for (let at = 0; at < length; at++) {
        right[at] ^= 128;
        assert.ok(!haveEqualBytes(left, right), `byte ${at} of ${length}`);
        right[at] ^= 128;
      }
    }
  }
});
