import assert from "node:assert/strict";
import { createEvent, encodeEvent } from "./event.ts";
import { payloadTypeName } from "./event_type.ts";

Deno.test("the type is read past fields before and after it", () => {
  const event = createEvent(7n, 1000, { case: "outputBatch", value: { startSequence: 7n, endSequence: 9n } });
  assert.equal(payloadTypeName(encodeEvent(event)), "OUTPUT_BATCH");
  assert.equal(payloadTypeName(new Uint8Array([0x18, 0x63])), "UNKNOWN_99");
  assert.equal(payloadTypeName(new Uint8Array()), "UNSPECIFIED");
});

Deno.test("bytes that are no event have no type", () => {
  for (const bytes of [[0x18], [0x18, 0x80], [0x0a, 0x05, 0x01], [0xff, 0xff], [0x0f, 0x00]]) {
    assert.equal(payloadTypeName(new Uint8Array(bytes)), undefined, String(bytes));
  }
});
