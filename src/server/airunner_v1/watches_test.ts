import assert from "node:assert/strict";
import { Code, ConnectError } from "@connectrpc/connect";
import fc from "fast-check";
import { LocalSignals } from "../signals.ts";
import { type Watch, Watches, WATCHES_MAX, WATCHES_PER_WORKER_MAX } from "./watches.ts";

function registration(id: string, ...jobs: string[]) {
  const worker = { id, name: `name of ${id}`, version: "1", queue: "default", concurrency: 1 };
  return { worker, subjects: jobs.map((jobId) => ({ jobId, execution: 1 })) };
}

Deno.test("whoever runs a job is woken, and nobody else", () => {
  const { cancellations } = new LocalSignals();
  const watches = new Watches(cancellations);
  const runs = watches.open(registration("a", "j1", "j2"), 0);
  const other = watches.open(registration("b", "j3"), 0);
  const [naps, others] = [runs.napping(), other.napping()];
  cancellations.signal("j9");
  assert.deepEqual([naps.aborted, others.aborted], [false, false]);
  cancellations.signal("j2");
  assert.deepEqual([naps.aborted, others.aborted], [true, false]);
  assert.equal(runs.napping().aborted, false, "A wake-up is used up when the next nap is taken");
});

Deno.test("an execution is heard while a worker says that it runs it", () => {
  const watches = new Watches(new LocalSignals().cancellations);
  const watch = watches.open(registration("a", "j1"), 0);
  assert.equal(watches.isHeard({ jobId: "j1", execution: 1 }), true);
  assert.equal(watches.isHeard({ jobId: "j1", execution: 2 }), false);
  assert.equal(watches.isHeard({ jobId: "j2", execution: 1 }), false);
  watches.close(watch);
  assert.equal(watches.isHeard({ jobId: "j1", execution: 1 }), false);
});

Deno.test("a worker was seen when a call came from it, and not when something was sent to it", () => {
  const watches = new Watches(new LocalSignals().cancellations);
  const watch = watches.open(registration("a", "j1"), 1);
  const other = watches.open(registration("b", "j2"), 1);
  watches.heardOf("a", 2);
  assert.deepEqual([watch.lastSeenAtMs, other.lastSeenAtMs], [2, 1]);
  watches.heardOfExecution({ jobId: "j2", execution: 1 }, 3);
  watches.heardOfExecution({ jobId: "j1", execution: 2 }, 4);
  watches.heardOf("nobody", 5);
  assert.deepEqual([watch.lastSeenAtMs, other.lastSeenAtMs], [2, 3]);
});

Deno.test("a worker that changes from one call to the next stays connected, and is counted once", () => {
  const watches = new Watches(new LocalSignals().cancellations);
  const first = watches.open(registration("a", "j1"), 5);
  const second = watches.open(registration("a", "j1", "j2"), 7);
  assert.deepEqual([watches.size, watches.workerCount], [2, 1]);
  assert.deepEqual(
    watches.latest().map(({ connectedAtMs, registration }) => [
      connectedAtMs,
      registration.subjects.length,
    ]),
    [[5, 2]],
  );
  assert.deepEqual(watches.close(first), { isLast: false });
  assert.equal(watches.isHeard({ jobId: "j1", execution: 1 }), true);
  assert.deepEqual(watches.close(second), { isLast: true });
  assert.deepEqual(watches.close(second), { isLast: false }, "Closing again changes nothing");
  assert.deepEqual([watches.size, watches.workerCount], [0, 0]);
});

Deno.test("a worker's oldest call makes room for its newest when there are too many", () => {
  const watches = new Watches(new LocalSignals().cancellations);
  const first = watches.open(registration("a", "j1"), 3);
  for (let count = 1; count < WATCHES_PER_WORKER_MAX; count++) watches.open(registration("a"), 4);
  assert.equal(first.replaced.signal.aborted, false);
  const newest = watches.open(registration("a"), 5);
  assert.equal(first.replaced.signal.aborted, true);
  assert.equal((first.replaced.signal.reason as ConnectError).code, Code.Aborted);
  assert.equal(newest.connectedAtMs, 3);
  assert.equal(watches.size, WATCHES_PER_WORKER_MAX);
  assert.equal(watches.isHeard({ jobId: "j1", execution: 1 }), false);
});

Deno.test("there are as many calls as the server takes, and room again when one has left", () => {
  const watches = new Watches(new LocalSignals().cancellations);
  const all = Array.from({ length: WATCHES_MAX }, (_, number) => watches.open(registration(`w${number}`), 0));
  assert.throws(
    () => watches.open(registration("late"), 0),
    (error) => error instanceof ConnectError && error.code === Code.ResourceExhausted,
  );
  assert.equal(watches.workerCount, WATCHES_MAX);
  watches.close(all[0]!);
  watches.open(registration("late"), 0);
});

Deno.test("whatever comes and goes, exactly the open calls are known", () => {
  const id = fc.constantFrom("a", "b", "c");
  const jobs = fc.uniqueArray(fc.constantFrom("j1", "j2", "j3"));
  const step = fc.oneof(
    fc.record({ open: fc.tuple(id, jobs) }),
    fc.record({ close: fc.nat({ max: 20 }) }),
  );
  fc.assert(fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
    const watches = new Watches(new LocalSignals().cancellations);
    const opened: Watch[] = [];
    const open = () => opened.filter(({ replaced }) => !replaced.signal.aborted);
    const closed = new Set<Watch>();
    for (const one of steps) {
      if ("open" in one) opened.push(watches.open(registration(one.open[0], ...one.open[1]), 0));
      else if (open()[one.close] !== undefined) {
        const watch = open()[one.close]!;
        closed.add(watch);
        watches.close(watch);
      }
      const left = open().filter((watch) => !closed.has(watch));
      assert.equal(watches.size, left.length);
      assert.equal(watches.workerCount, new Set(left.map(({ registration }) => registration.worker.id)).size);
      for (const jobId of ["j1", "j2", "j3"]) {
        const runs = left.some(({ registration }) =>
          registration.subjects.some((one) => one.jobId === jobId)
        );
        assert.equal(watches.isHeard({ jobId, execution: 1 }), runs);
      }
    }
  }));
});
