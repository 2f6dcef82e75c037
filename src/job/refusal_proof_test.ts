import assert from "node:assert/strict";
import { RefusalProof } from "./refusal_proof.ts";

Deno.test("refusals prove something only when they are many, and far apart", () => {
  const many = new RefusalProof(600_000);
  for (let n = 0; n < 1000; n++) assert.equal(many.refused(n * 599), false);
  assert.equal(many.refused(600_000), true);
  const few = new RefusalProof(600_000);
  for (let n = 0; n < 9; n++) assert.equal(few.refused(n * 600_000), false);
  assert.equal(few.refused(9 * 600_000), true);
});

Deno.test("what contradicts refusals makes them begin anew", () => {
  const proof = new RefusalProof(600_000);
  for (let n = 0; n < 50; n++) proof.refused(n * 10_000);
  proof.contradicted();
  assert.equal(proof.refused(600_000), false);
  for (let n = 1; n < 60; n++) assert.equal(proof.refused(600_000 + n * 10_000), false);
  assert.equal(proof.refused(1_200_000), true);
});
