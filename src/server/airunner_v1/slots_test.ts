import assert from "node:assert/strict";
import fc from "fast-check";
import { Slots } from "./slots.ts";

const never = new AbortController().signal;

Deno.test("as many work at a time as there are slots, in the order in which they came", async () => {
  const slots = new Slots(2);
  const begun: number[] = [];
  const ends = Array.from({ length: 4 }, () => Promise.withResolvers<number>());
  const results = ends.map(({ promise }, index) =>
    slots.run(() => {
      begun.push(index);
      return promise;
    }, never)
  );
  await Promise.resolve();
  assert.deepEqual(begun, [0, 1]);
  ends[1]!.resolve(10);
  assert.equal(await results[1], 10);
  assert.deepEqual(begun, [0, 1, 2]);
  for (const { resolve } of ends) resolve(0);
  assert.deepEqual(await Promise.all(results), [0, 10, 0, 0]);
  assert.deepEqual(begun, [0, 1, 2, 3]);
});

Deno.test("who goes away while waiting does nothing, and takes no slot along", async () => {
  const slots = new Slots(1);
  const first = Promise.withResolvers<void>();
  const working = slots.run(() => first.promise, never);
  const leaving = new AbortController();
  const gone = slots.run(() => Promise.reject(new Error("not to be done")), leaving.signal);
  leaving.abort();
  assert.equal(await gone, undefined);
  first.resolve();
  await working;
  assert.equal(await slots.run(() => Promise.resolve("done"), never), "done");
  assert.equal(await slots.run(() => Promise.resolve("done"), leaving.signal), undefined);
});

Deno.test("work that fails gives its slot back, and nobody is forgotten", async () => {
  await fc.assert(fc.asyncProperty(
    fc.integer({ min: 1, max: 3 }),
    fc.array(fc.tuple(fc.constantFrom("works", "fails", "leaves"), fc.nat({ max: 6 })), { maxLength: 20 }),
    async (count, plan) => {
      const slots = new Slots(count);
      let working = 0;
      const results: Promise<string | undefined>[] = [];
      for (const [kind, pause] of plan) {
        const leaving = new AbortController();
        const result = slots.run(async () => {
          assert.ok(++working <= count, "More at a time than there are slots");
          await Promise.resolve();
          working--;
          if (kind === "fails") throw new RangeError("failed");
          return kind;
        }, leaving.signal);
        results.push(result.catch((error) => error instanceof RangeError ? "failed" : Promise.reject(error)));
        if (kind === "leaves") leaving.abort();
        // Some come while others are already leaving.
        for (let turn = 0; turn < pause; turn++) await Promise.resolve();
      }
      const all = await Promise.all(results);
      plan.forEach(([kind], index) => {
        if (kind === "works") assert.equal(all[index], "works");
        if (kind === "fails") assert.equal(all[index], "failed");
      });
      assert.equal(working, 0);
    },
  ));
});
