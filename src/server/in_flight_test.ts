import assert from "node:assert/strict";
import { InFlight } from "./in_flight.ts";

const KIB = 1024;

/** Work that ends when it is told to. */
class Work {
  readonly begun: number[] = [];
  readonly #ends: PromiseWithResolvers<void>[] = [];

  begin = (): Promise<void> => {
    const end = Promise.withResolvers<void>();
    this.begun.push(this.#ends.push(end));
    return end.promise;
  };

  end(number: number, error?: Error): void {
    const { resolve, reject } = this.#ends[number - 1]!;
    if (error === undefined) resolve();
    else reject(error);
  }
}

Deno.test("a call has half a mebibyte under way, and one piece of any size", async () => {
  const work = new Work();
  const inFlight = new InFlight();
  await inFlight.add(300 * KIB, work.begin);
  await inFlight.add(200 * KIB, work.begin);
  const third = inFlight.add(100 * KIB, work.begin);
  assert.deepEqual(work.begun, [1, 2]);
  work.end(1);
  await third;
  const large = inFlight.add(4 * KIB * KIB, work.begin);
  work.end(2);
  await Promise.resolve();
  assert.deepEqual(work.begun, [1, 2, 3]);
  work.end(3);
  await large;
  assert.deepEqual(work.begun, [1, 2, 3, 4]);
  work.end(4);
  await inFlight.done();
});

Deno.test("after a failure nothing more begins, and the first failure is told", async () => {
  const work = new Work();
  const inFlight = new InFlight();
  await inFlight.add(1, work.begin);
  await inFlight.add(1, work.begin);
  work.end(2, new Error("second"));
  work.end(1, new Error("first"));
  await assert.rejects(inFlight.done(), /second/);
  await assert.rejects(inFlight.add(1, work.begin), /second/);
  assert.deepEqual(work.begun, [1, 2]);
});
