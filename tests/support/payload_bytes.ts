/**
 * The bytes of a payload as a log would write them.
 */
import assert from "node:assert/strict";
import type { PayloadWriter } from "../../src/wal/format.ts";

/** A payload that writes itself is written into memory that is not empty, and must keep to its length. */
export function payloadBytes(payload: Uint8Array | PayloadWriter): Uint8Array {
  if (payload instanceof Uint8Array) return payload;
  const margin = 16;
  const memory = new Uint8Array(payload.length + 2 * margin).fill(0xee);
  payload.writeInto(memory, margin);
  for (let at = 0; at < margin; at++) {
    assert.equal(memory[at], 0xee);
    assert.equal(memory[margin + payload.length + at], 0xee);
  }
  return memory.subarray(margin, margin + payload.length);
}
