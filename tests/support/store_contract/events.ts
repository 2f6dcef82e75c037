/**
 * What a store promises of events.
 */
import assert from "node:assert/strict";
import { crc64 } from "../../../src/platform/checksum/crc64.ts";
import type { EventPage, NewEvent } from "../../../src/server/store/contract.ts";
import { eventOf, everything, sequencesOf, type StorePromises } from "./fixture.ts";

export const EVENT_PROMISES: StorePromises = {
  "an event is stored once, the first to arrive stays, and other bytes are told": async (test) => {
    const { executionId } = await test.running();
    const other = { ...eventOf(2), payload: new Uint8Array([9]) };
    const batch = [1, 2, 1, other];
    assert.deepEqual(await test.append(executionId, ...batch), {
      isUnknown: false,
      stored: 2,
      duplicate: 2,
      conflicts: [2n],
    });
    assert.deepEqual(await test.append(executionId, ...batch), {
      isUnknown: false,
      stored: 0,
      duplicate: 4,
      conflicts: [2n],
    });
    assert.deepEqual(await test.history(executionId), [1, 2]);
  },

  "events of an execution that is not there are told, and cost the other batches nothing": async (test) => {
    const { executionId } = await test.running();
    const batches = [999_999n, executionId].map((executionId) => ({ executionId, events: [eventOf(1)] }));
    const outcomes = await test.store.events.append(batches, test.nowMs);
    assert.deepEqual(outcomes.map(({ isUnknown, stored }) => [isUnknown, stored]), [[true, 0], [false, 1]]);
    assert.deepEqual(await test.history(executionId), [1]);
  },

  "batches are stored all or none": async (test) => {
    const { executionId } = await test.running();
    const good = { executionId, events: [eventOf(1)] };
    // More than any integer of a database.
    const bad = { executionId, events: [{ ...eventOf(2), sequence: 2n ** 64n }] };
    await assert.rejects(test.store.events.append([good, bad], test.nowMs));
    assert.equal(await test.store.events.lastArrival(executionId), 0n);
    assert.equal((await test.jobs.executions("job-0001"))[0].eventCount, 0);
  },

  "sequences use all of int64": async (test) => {
    const { executionId } = await test.running();
    const sequence = 2n ** 63n - 1n;
    await test.append(executionId, { ...eventOf(1), sequence });
    const until = await test.store.events.lastArrival(executionId);
    const { cursor } = await test.store.events.history(executionId, everything, 0n, until);
    assert.equal(cursor, sequence);
    assert.equal((await test.store.events.checksum(executionId, 1n, sequence)).count, 1);
  },

  "history goes by sequence, arrivals by arrival, and both leave other executions out": async (test) => {
    const { executionId } = await test.running();
    const other = await test.running();
    const arrivals: bigint[] = [];
    for (const sequence of [3, 1, 2]) {
      await test.append(executionId, sequence);
      arrivals.push(await test.store.events.lastArrival(executionId));
      await test.append(other.executionId, sequence);
    }
    const { history, arrivals: read } = test.store.events;
    const until = arrivals.at(-1)!;
    assert.deepEqual(await test.history(executionId), [1, 2, 3]);
    assert.deepEqual(sequencesOf((await history(executionId, everything, 1n, until)).payloads), [2, 3]);
    assert.deepEqual(sequencesOf((await history(executionId, everything, 0n, arrivals[1])).payloads), [1, 3]);
    assert.deepEqual(sequencesOf((await read(executionId, everything, 0n)).payloads), [3, 1, 2]);
    assert.deepEqual(sequencesOf((await read(executionId, everything, arrivals[0])).payloads), [1, 2]);
  },

  "events are filtered by sequence, time and type": async (test) => {
    const { executionId } = await test.running();
    const timeless = { ...eventOf(4), timestampMs: undefined };
    await test.append(executionId, 1, eventOf(2, 6), eventOf(3, 7), timeless);
    const find = async (filter: Partial<typeof everything>) => {
      const page = await test.store.events.arrivals(executionId, { ...everything, ...filter }, 0n);
      return [await test.history(executionId, filter), sequencesOf(page.payloads)];
    };
    assert.deepEqual(await find({ fromSequence: 3n }), [[3, 4], [3, 4]]);
    assert.deepEqual(await find({ fromTimestampMs: 2_000n }), [[2, 3], [2, 3]]);
    assert.deepEqual(await find({ types: [7, 5] }), [[1, 3, 4], [1, 3, 4]]);
    assert.deepEqual(await find({ types: [99] }), [[], []]);
  },

  "a page ends after 256 events or a mebibyte, and the next one goes on behind it": async (test) => {
    const { executionId } = await test.running();
    const small = Array.from({ length: 300 }, (_, index) => eventOf(index + 1));
    const large = [301, 302, 303].map((sequence) => ({
      ...eventOf(sequence),
      payload: new Uint8Array(700_000),
    }));
    await test.append(executionId, ...small, ...large);
    const until = await test.store.events.lastArrival(executionId);
    const pages = async (read: (after: bigint) => Promise<EventPage>) => {
      const lengths: number[] = [];
      for (let cursor = 0n, isLast = false; !isLast;) {
        const page = await read(cursor);
        lengths.push(page.payloads.length);
        ({ cursor, isLast } = page);
      }
      return lengths;
    };
    const { history, arrivals } = test.store.events;
    assert.deepEqual(await pages((after) => history(executionId, everything, after, until)), [256, 46, 1]);
    assert.deepEqual(await pages((after) => arrivals(executionId, everything, after)), [256, 46, 1]);
  },

  "a reader of arrivals steps over what its filter left out": async (test) => {
    const { executionId } = await test.running();
    await test.append(executionId, 1, 2);
    const last = await test.store.events.lastArrival(executionId);
    const page = await test.store.events.arrivals(executionId, { ...everything, types: [99] }, 0n);
    assert.deepEqual([page.payloads, page.cursor, page.isLast], [[], last, true]);
  },

  "a page that is read again goes on where it was": async (test) => {
    const { executionId } = await test.running();
    await test.append(executionId, 1);
    const { cursor } = await test.store.events.arrivals(executionId, everything, 0n);
    assert.deepEqual(await test.store.events.arrivals(executionId, everything, cursor), {
      payloads: [],
      cursor,
      isLast: true,
    });
    await test.append(executionId, 2);
    const next = await test.store.events.arrivals(executionId, everything, cursor);
    assert.deepEqual(sequencesOf(next.payloads), [2]);
  },

  "the checksum is over sequence, length and bytes of each event, in the order of sequences": async (
    test,
  ) => {
    const { executionId } = await test.running();
    // More than a page, and arrived in the wrong order.
    const events = Array.from({ length: 700 }, (_, index) => eventOf(2 * index + 1));
    await test.append(executionId, ...events.toReversed());
    const expected = (from: bigint, to: bigint) => {
      const chosen = events.filter(({ sequence }) => sequence >= from && sequence <= to);
      return { count: chosen.length, checksum: crc64(new Uint8Array(chosen.flatMap(checked))) };
    };
    const { checksum } = test.store.events;
    for (const [from, to] of [[1n, 1_399n], [2n, 1_000n], [3n, 3n], [5n, 4n], [2_000n, 3_000n]] as const) {
      assert.deepEqual(await checksum(executionId, from, to), expected(from, to), `${from} to ${to}`);
    }
    assert.deepEqual(await checksum(999_999n, 1n, 10n), { count: 0, checksum: 0n });
  },
};

/** As airunner.proto has it. */
function checked({ sequence, payload }: NewEvent): number[] {
  const head = new DataView(new ArrayBuffer(12));
  head.setBigInt64(0, sequence, true);
  head.setUint32(8, payload.length, true);
  return [...new Uint8Array(head.buffer), ...payload];
}
