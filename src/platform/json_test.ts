import assert from "node:assert/strict";
import { toJson } from "./json.ts";

Deno.test("64-bit numbers are exact and keys keep their order", () => {
  assert.equal(
    toJson({ b: 9223372036854775807n, a: [-1n, null, "\u001b"] }),
    '{"b":9223372036854775807,"a":[-1,null,"\\u001b"]}',
  );
});
