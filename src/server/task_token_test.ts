import assert from "node:assert/strict";
import fc from "fast-check";
import { SECRET_BYTES, TaskTokens } from "./task_token.ts";

const jobId = "0190a7c2-0000-7000-8000-00000000000a";
const secret = Uint8Array.from({ length: SECRET_BYTES }, (_, index) => index);
const tokens = new TaskTokens(secret);

Deno.test("a task token names its job and execution", () => {
  fc.assert(fc.property(fc.uuid(), fc.integer({ min: 1, max: 2 ** 32 - 1 }), (jobId, execution) => {
    assert.deepEqual(tokens.verify(tokens.sign({ jobId, execution })), { jobId, execution });
  }));
});

Deno.test("a task token never changes: workers hold tokens that an earlier version of the server signed", () => {
  // Computed with another HMAC implementation.
  const token = "AQGQp8IAAHAAgAAAAAAAAAoAAAABh5Oa6aY0chLo3xmXTKxTkw";
  assert.equal(tokens.sign({ jobId, execution: 1 }), token);
});

Deno.test("a task token that was changed anywhere is unknown", () => {
  const token = tokens.sign({ jobId, execution: 7 });
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  for (let index = 0; index < token.length; index++) {
    for (const character of alphabet) {
      if (character === token[index]) continue;
      const changed = token.slice(0, index) + character + token.slice(index + 1);
      assert.equal(tokens.verify(changed), undefined, `${character} at ${index}`);
    }
  }
});

Deno.test("texts that are no task token are unknown", () => {
  const token = tokens.sign({ jobId, execution: 1 });
  for (
    const text of [
      "",
      "x",
      token.slice(1),
      token.slice(0, -1),
      `${token}A`,
      `${token}=`,
      ` ${token}`,
      "é".repeat(50),
    ]
  ) {
    assert.equal(tokens.verify(text), undefined, text);
  }
  fc.assert(fc.property(fc.string(), (text) => assert.equal(tokens.verify(text), undefined)));
});

Deno.test("a task token of another server is unknown", () => {
  const other = new TaskTokens(secret.toReversed());
  assert.equal(tokens.verify(other.sign({ jobId, execution: 1 })), undefined);
});

Deno.test("a secret of the wrong length is refused", () => {
  assert.throws(() => new TaskTokens(new Uint8Array(16)), RangeError);
});
