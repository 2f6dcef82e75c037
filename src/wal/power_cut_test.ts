import assert from "node:assert/strict";
import fc from "fast-check";
import { inputOutputError, noSpaceError } from "../../tests/support/disk_errors.ts";
import {
  ALL,
  createLog,
  errorOf,
  event,
  eventsIn,
  newDisk,
  openLog,
  PATH,
  sequences,
} from "../../tests/support/wal_fixture.ts";
import { RECORD_OVERHEAD_BYTES } from "./format.ts";
import { LogQuarantinedError } from "./log.ts";

Deno.test("no power cut loses a durable event, whatever part of the rest survives", async () => {
  const step = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        act: fc.constant("append"),
        size: fc.nat(9000),
        together: fc.integer({ min: 1, max: 4 }),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({ act: fc.constant("acknowledge"), size: fc.nat(5), together: fc.constant(1) }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ act: fc.constant("full"), size: fc.nat(9000), together: fc.constant(2) }),
    },
  );
  const cut = fc.record({
    steps: fc.array(step, { maxLength: 8 }),
    unanswered: fc.nat(3),
    keeps: fc.array(fc.boolean(), { minLength: 40, maxLength: 40 }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(cut, { minLength: 1, maxLength: 3 }), async (cuts) => {
      let files = newDisk();
      let log = await createLog(files);
      const durable: number[] = [];
      const stored = new Set<number>();
      const tried = new Set<number>();
      for (const { steps, unanswered, keeps } of cuts) {
        let next = Number(log.lastSequence);
        for (const { act, size, together } of steps) {
          if (act === "acknowledge") {
            const events = await log.pending({ events: size + 1, bytes: 1e6 });
            for (const sequence of sequences(events)) stored.add(sequence);
            await log.acknowledge(events);
            continue;
          }
          if (act === "full") {
            files.faults.write = (_path, bytes) => {
              if (bytes <= size / 4) throw noSpaceError();
              return Math.floor(bytes / 2);
            };
          }
          next = Number(log.lastSequence);
          const wanted = Array.from({ length: together }, () => ++next);
          for (const sequence of wanted) tried.add(sequence);
          const results = await Promise.allSettled(
            wanted.map((sequence) => log.append(event(sequence, size))),
          );
          files.faults = {};
          results.forEach(({ status }, i) => status === "fulfilled" && durable.push(wanted[i]));
        }
        // The power goes while a group is at the disk.
        const syncing = Promise.withResolvers<void>();
        const dead = Promise.withResolvers<void>();
        files.faults.sync = () => {
          syncing.resolve();
          return dead.promise;
        };
        const unfinished = Array.from(
          { length: unanswered },
          (_, i) => errorOf(log.append(event(Number(log.lastSequence) + 1 + i, 5000))),
        );
        for (let i = 0; i < unanswered; i++) tried.add(Number(log.lastSequence) + 1 + i);
        if (unanswered > 0) await syncing.promise;
        let piece = 0;
        const after = files.crash(() => keeps[piece++ % keeps.length]);
        if (unanswered > 0) dead.reject(inputOutputError());
        await Promise.all(unfinished);
        await log.close();
        files = after;
        try {
          log = await openLog(files);
        } catch (error) {
          // Pages that survived behind one that did not look like damage: set aside, with every durable event in the good part.
          assert.ok(error instanceof LogQuarantinedError);
          assert.deepEqual(eventsIn(files.content(error.quarantinePath)).slice(0, durable.length), durable);
          return;
        }
        const found = eventsIn(files.content(PATH));
        assert.deepEqual(found.slice(0, durable.length), durable);
        assert.ok(found.every((sequence) => tried.has(sequence)));
        const pending = new Set(sequences(await log.pending(ALL)));
        for (const sequence of durable) {
          assert.ok(stored.has(sequence) || pending.has(sequence), `event ${sequence} is lost`);
        }
        durable.splice(0, durable.length, ...found);
      }
      await log.close();
    }),
    { numRuns: 300 },
  );
});

Deno.test("every prefix of a log's file is recovered to a prefix of its records", async () => {
  const files = newDisk();
  const log = await createLog(files);
  const ends = [log.counts.bytes];
  for (let sequence = 1; sequence <= 4; sequence++) {
    await log.append(event(sequence, sequence * 9));
    ends.push(ends[sequence - 1] + RECORD_OVERHEAD_BYTES + sequence * 9);
  }
  await log.close();
  const whole = files.content(PATH);
  for (let length = 0; length <= whole.length; length++) {
    const cut = newDisk();
    cut.put(PATH, whole.subarray(0, length));
    const again = await openLog(cut);
    const count = ends.filter((end) => end <= length).length - 1;
    assert.equal(again.lastSequence, BigInt(Math.max(0, count)), `prefix of ${length}`);
    await again.append(event(9));
    await again.close();
    const expected = count < 0 ? [9] : [...[1, 2, 3, 4].slice(0, count), 9];
    assert.deepEqual(eventsIn(cut.content(PATH)), expected);
  }
});
