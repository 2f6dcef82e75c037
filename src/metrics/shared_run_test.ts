import assert from "node:assert/strict";
import { ManualClock } from "../../tests/support/manual_clock.ts";
import { SharedRun } from "./shared_run.ts";

/** Runs that end when the test says so. */
function setUp(restMs?: number) {
  const clock = new ManualClock();
  const runs: PromiseWithResolvers<number>[] = [];
  const errors: unknown[] = [];
  const shared = new SharedRun<number>({
    run() {
      runs.push(Promise.withResolvers<number>());
      return runs[runs.length - 1].promise;
    },
    clock,
    restMs,
    onError: (error) => errors.push(error),
  });
  return { clock, runs, errors, shared };
}

Deno.test("all who ask while a run is under way share it", async () => {
  const { runs, shared } = setUp();
  const asked = [shared.refresh(1000), shared.refresh(1000), shared.refresh(1000)];
  runs[0].resolve(7);
  assert.deepEqual(await Promise.all(asked), [7, 7, 7]);
  assert.equal(runs.length, 1);
});

Deno.test("who cannot wait gets what the last run gave", async () => {
  const { clock, runs, shared } = setUp();
  const first = shared.refresh(1000);
  await clock.pass(1000);
  assert.equal(await first, undefined);
  runs[0].resolve(1);
  assert.equal(await shared.refresh(1000), 1);
  // That run took 1 s, so there is none for 10 s.
  clock.advance(9999);
  assert.equal(await shared.refresh(1000), 1);
  assert.equal(runs.length, 1);
  clock.advance(1);
  const second = shared.refresh(1000);
  assert.equal(runs.length, 2);
  await clock.pass(1000);
  assert.equal(await second, 1, "the second run is under way still");
  runs[1].resolve(2);
  assert.equal(await shared.refresh(1000), 2);
});

Deno.test("quick runs rest as long as they are told to", async () => {
  const { clock, runs, shared } = setUp(5000);
  const first = shared.refresh(1000);
  runs[0].resolve(1);
  await first;
  clock.advance(4999);
  await shared.refresh(1000);
  assert.equal(runs.length, 1);
  clock.advance(1);
  shared.refresh(1000);
  assert.equal(runs.length, 2);
  runs[1].resolve(2);
});

Deno.test("what has expired is found out anew, and not by a run that began before", async () => {
  const { runs, shared } = setUp(5000);
  const first = shared.refresh(1000);
  runs[0].resolve(1);
  await first;
  shared.expire();
  const before = shared.refresh(1000);
  shared.expire();
  const after = shared.refresh(1000);
  runs[1].resolve(2);
  await runs[1].promise;
  await undefined;
  assert.equal(runs.length, 3);
  runs[2].resolve(3);
  assert.deepEqual(await Promise.all([before, after]), [3, 3]);
  assert.equal(await shared.refresh(1000), 3, "and then it rests");
  assert.equal(runs.length, 3);
});

Deno.test("what never stands still is told all the same", async () => {
  const clock = new ManualClock();
  let runs = 0;
  const shared: SharedRun<number> = new SharedRun({
    run() {
      shared.expire();
      return Promise.resolve(++runs);
    },
    clock,
    onError: assert.ifError,
  });
  assert.equal(await shared.refresh(1000), 3);
  assert.equal(await shared.refresh(1000), 6);
});

Deno.test("after a run that failed nothing is known, until the next", async () => {
  const { clock, runs, errors, shared } = setUp();
  for (const [index, end] of [1, new Error("the directory is gone"), 3].entries()) {
    const asked = shared.refresh(1000);
    if (end instanceof Error) runs[index].reject(end);
    else runs[index].resolve(end);
    assert.equal(await asked, end instanceof Error ? undefined : end);
    clock.advance(1);
  }
  assert.deepEqual(errors.map((error) => (error as Error).message), ["the directory is gone"]);
});
