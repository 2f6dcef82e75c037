import assert from "node:assert/strict";
import fc from "fast-check";
import { everything, sequencesOf, storedEvent, TestStore } from "../../tests/support/server_store.ts";
import { slowed } from "../../tests/support/slow_store.ts";
import { followEvents, NoSuchJobError } from "./event_reader.ts";
import type { EventFilter } from "./store/contract.ts";

function follow(
  test: TestStore,
  jobId: string,
  signal: AbortSignal,
  filter: EventFilter = everything,
  { jobs, events }: Pick<TestStore, "jobs" | "events"> = test,
) {
  return followEvents({
    jobs,
    events,
    news: test.signals.events,
    jobId,
    filter,
    signal,
  });
}

async function take(reader: AsyncGenerator<Uint8Array>, count: number): Promise<number[]> {
  const payloads: Uint8Array[] = [];
  while (payloads.length < count) payloads.push((await reader.next()).value);
  return sequencesOf(payloads);
}

Deno.test("a reader gets the history by sequence, then what comes as it comes", async () => {
  await using test = new TestStore();
  const leaving = new AbortController();
  const jobId = await test.enqueue();
  const claim = await test.claim();
  await test.publish(claim, 4, 2);
  const reader = follow(test, jobId, leaving.signal);
  assert.deepEqual(await take(reader, 2), [2, 4]);
  const next = take(reader, 3);
  await test.publish(claim, 5);
  // Late: its sequence is lower than what the reader has seen.
  await test.publish(claim, 1);
  await test.publish(claim, 3);
  assert.deepEqual(await next, [5, 1, 3]);
  leaving.abort();
  assert.equal((await reader.next()).done, true);
  assert.equal(test.signals.events.watching, 0);
});

Deno.test("events that come while the history is read come once, after it", async () => {
  await using test = new TestStore();
  const jobId = await test.enqueue();
  const claim = await test.claim();
  const history = Array.from({ length: 300 }, (_, index) => 2 * index + 2);
  await test.publish(claim, ...history);
  const reader = follow(test, jobId, new AbortController().signal);
  const first = await take(reader, 10);
  // The reader is past the first, and the second would be in a page of history that it has yet to read.
  await test.publish(claim, 3, 599);
  assert.deepEqual([...first, ...await take(reader, 292)], [...history, 3, 599]);
  await test.publish(claim, 601);
  assert.deepEqual(await take(reader, 1), [601]);
  await reader.return(undefined);
});

Deno.test("a reader of a job that has not begun waits for its first execution", async () => {
  await using test = new TestStore();
  const jobId = await test.enqueue();
  const reader = follow(test, jobId, new AbortController().signal);
  const next = take(reader, 1);
  await test.publish(await test.claim(), 1);
  assert.deepEqual(await next, [1]);
  await reader.return(undefined);
});

Deno.test("a reader begins with the latest execution and goes on with the next one from its beginning", async () => {
  await using test = new TestStore();
  const jobId = await test.enqueue();
  await test.publish(await test.claim(), 1, 2);
  test.clock.advance(10_000);
  const second = await test.claim();
  await test.publish(second, 11, 12, 13);
  const reader = follow(test, jobId, new AbortController().signal, { ...everything, fromSequence: 12n });
  assert.deepEqual(await take(reader, 2), [12, 13]);

  const next = take(reader, 3);
  test.clock.advance(10_000);
  await test.queue.requeueExpired();
  // The worker that was thought gone still has something to say, before anybody else took the job.
  await test.publish(second, 14);
  await test.publish(await test.claim(), 1, 2);
  assert.deepEqual(await next, [14, 1, 2]);
  await reader.return(undefined);
});

Deno.test("executions that passed while a reader was away are read one after another", async () => {
  await using test = new TestStore();
  const jobId = await test.enqueue();
  const reader = follow(test, jobId, new AbortController().signal);
  const next = take(reader, 1);
  await test.publish(await test.claim(), 1, 2);
  assert.deepEqual(await next, [1]);
  for (const sequence of [21, 31]) {
    test.clock.advance(10_000);
    await test.publish(await test.claim(), sequence);
  }
  assert.deepEqual(await take(reader, 3), [2, 21, 31]);
  await reader.return(undefined);
});

Deno.test("a reader that does not read holds nothing", async () => {
  await using test = new TestStore();
  const jobId = await test.enqueue();
  const claim = await test.claim();
  await test.publish(claim, 1);
  const reader = follow(test, jobId, new AbortController().signal);
  assert.deepEqual(await take(reader, 1), [1]);
  const { arrivals } = test.events;
  let reads = 0;
  test.events.arrivals = (...parameters) => (reads++, arrivals(...parameters));
  for (let sequence = 2; sequence <= 1_000; sequence++) await test.publish(claim, sequence);
  assert.equal(reads, 0);
  assert.deepEqual(await take(reader, 999), Array.from({ length: 999 }, (_, index) => index + 2));
  assert.equal(reads, 4);
  await reader.return(undefined);
});

Deno.test("a job that does not exist cannot be followed", async () => {
  await using test = new TestStore();
  await assert.rejects(take(follow(test, "no such job", new AbortController().signal), 1), RangeError);
});

Deno.test("no reader misses or repeats an event, however reading and publishing interleave", async () => {
  // The order of arrival, cut into publishes, with readers that join and pause at any point of it.
  const anyRun = fc.record({
    order: fc.integer({ min: 1, max: 40 }).chain((count) =>
      fc.shuffledSubarray(Array.from({ length: count }, (_, index) => index + 1), { minLength: count })
    ),
    batch: fc.integer({ min: 1, max: 7 }),
    joins: fc.array(fc.nat({ max: 40 }), { minLength: 1, maxLength: 4 }),
    types: fc.constantFrom([], [5]),
  });
  await fc.assert(
    fc.asyncProperty(fc.scheduler(), anyRun, async (scheduler, { order, batch, joins, types }) => {
      await using test = new TestStore();
      const jobId = await test.enqueue();
      const { executionId } = await test.claim();
      const wanted = types.length === 0 ? order : order.filter((sequence) => typeOf(sequence) === 5);
      const readers: Promise<number[]>[] = [];
      const read = async () => {
        const slow = {
          jobs: slowed(test.jobs, () => scheduler.schedule(Promise.resolve())),
          events: slowed(test.events, () => scheduler.schedule(Promise.resolve())),
        };
        const reader = follow(test, jobId, new AbortController().signal, { ...everything, types }, slow);
        const got: number[] = [];
        while (got.length < wanted.length) {
          await scheduler.schedule(Promise.resolve());
          got.push(...sequencesOf([(await reader.next()).value]));
        }
        await reader.return(undefined);
        return got;
      };
      const publish = async () => {
        for (let start = 0; start < order.length; start += batch) {
          for (const join of joins) if (join >= start && join < start + batch) readers.push(read());
          await scheduler.schedule(Promise.resolve());
          const events = order.slice(start, start + batch).map((sequence) =>
            storedEvent(sequence, typeOf(sequence))
          );
          await test.events.append([{ executionId, events }], 0);
          test.signals.events.signal(jobId);
        }
        readers.push(read());
      };
      await scheduler.waitFor(publish());
      for (const got of await scheduler.waitFor(Promise.all(readers))) {
        assert.deepEqual(got.toSorted((a, b) => a - b), wanted.toSorted((a, b) => a - b));
      }
    }),
    { numRuns: 60 },
  );
});

function typeOf(sequence: number): number {
  return sequence % 3 === 0 ? 6 : 5;
}

/** The store's events, with the first page of arrivals read, and not heard of before `goOn`. */
function heldPage({ events }: TestStore) {
  const read = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  let isHeld = true;
  return {
    read: read.promise,
    goOn: goOn.resolve,
    events: {
      ...events,
      async arrivals(...values: Parameters<typeof events.arrivals>) {
        const page = await events.arrivals(...values);
        if (isHeld) {
          isHeld = false;
          read.resolve();
          await goOn.promise;
        }
        return page;
      },
    },
  };
}

Deno.test("what comes while a page is being read is not missed", async () => {
  await using test = new TestStore();
  const jobId = await test.enqueue();
  const claim = await test.claim();
  const { events, read, goOn } = heldPage(test);
  const reader = follow(test, jobId, new AbortController().signal, everything, { jobs: test.jobs, events });
  const next = take(reader, 1);
  await read;
  await test.publish(claim, 1);
  goOn();
  assert.deepEqual(await next, [1]);
  await reader.return(undefined);
});

Deno.test("what comes while a page is being read is read before the execution that began then, too", async () => {
  await using test = new TestStore();
  const jobId = await test.enqueue();
  const claim = await test.claim();
  const { events, read, goOn } = heldPage(test);
  const reader = follow(test, jobId, new AbortController().signal, everything, { jobs: test.jobs, events });
  const next = take(reader, 2);
  await read;
  await test.publish(claim, 1);
  test.clock.advance(10_000);
  await test.publish(await test.claim(), 7);
  goOn();
  assert.deepEqual(await next, [1, 7]);
  await reader.return(undefined);
});

Deno.test("a reader of a job that is deleted is told, and waits no longer", async () => {
  await using test = new TestStore();
  const jobId = await test.enqueue();
  const claim = await test.claim();
  await test.publish(claim, 1);
  const reader = follow(test, jobId, new AbortController().signal);
  assert.deepEqual(await take(reader, 1), [1]);
  const told = assert.rejects(take(reader, 1), NoSuchJobError);
  await test.jobs.complete(jobId, 1, { success: true, bytes: new Uint8Array() }, test.clock.nowMs());
  await test.jobs.delete(jobId);
  test.signals.events.signal(jobId);
  await told;
  assert.equal(test.signals.events.watching, 0);
});

Deno.test("executions whose numbers have gaps are read one after another", async () => {
  await using test = new TestStore();
  const adoption = {
    jobId: "elsewhere",
    execution: 4,
    queue: "default",
    params: new Uint8Array(),
    startedAtMs: 1,
    worker: "",
    logId: "a",
  };
  await test.jobs.adopt(adoption, 10_000, test.clock.nowMs());
  const reader = follow(test, "elsewhere", new AbortController().signal);
  const next = take(reader, 1);
  test.clock.advance(10_000);
  await test.jobs.requeueExpired(test.clock.nowMs());
  await test.jobs.adopt({ ...adoption, execution: 7, logId: "b" }, 10_000, test.clock.nowMs());
  const executionId = (await test.jobs.executionId("elsewhere", 7))!;
  await test.events.append([{ executionId, events: [storedEvent(1)] }], 0);
  test.signals.events.signal("elsewhere");
  assert.deepEqual(await next, [1]);
  await reader.return(undefined);
});
