import assert from "node:assert/strict";
import fc from "fast-check";
import { createUuid7, uuidFromBytes, uuidToBytes } from "./uuid7.ts";
import { systemRandomBytes } from "../platform/system_random.ts";

Deno.test("a job id carries its time, its version and its variant", () => {
  const newId = createUuid7(() => 0x0123456789ab, (length) => new Uint8Array(length).fill(0xff));
  assert.equal(newId(), "01234567-89ab-77ff-bfff-ffffffffffff");
});

Deno.test("job ids rise, whatever the clock does", () => {
  fc.assert(fc.property(fc.array(fc.nat({ max: 3 }), { maxLength: 200 }), (steps) => {
    // Time stands still, steps forth and steps back.
    let now = 1_700_000_000_000;
    const newId = createUuid7(() => now, systemRandomBytes);
    let last = "";
    for (const step of steps) {
      now += step - 1;
      const id = newId();
      assert.ok(id > last, `${id} after ${last}`);
      last = id;
    }
  }));
});

Deno.test("job ids rise when a millisecond is full", () => {
  const newId = createUuid7(() => 1_700_000_000_000, systemRandomBytes);
  const ids = Array.from({ length: 10_000 }, newId);
  assert.deepEqual(ids.toSorted(), ids);
  assert.equal(new Set(ids).size, ids.length);
});

Deno.test("a UUID's bytes give the UUID back, and other texts have none", () => {
  const id = createUuid7(Date.now, systemRandomBytes)();
  assert.equal(uuidFromBytes(uuidToBytes(id)!), id);
  for (
    const text of ["", id.toUpperCase(), id.slice(1), `${id}0`, id.replace("-", "0"), `../${id.slice(3)}`]
  ) {
    assert.equal(uuidToBytes(text), undefined, text);
  }
});
