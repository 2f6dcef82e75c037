import assert from "node:assert/strict";
import { encodeHeader, encodeRecord, Status } from "../wal/format.ts";
import { SealedEvents } from "./sealed_log.ts";
import { systemFiles } from "../platform/system_files.ts";

const EVENTS = 5000;

Deno.test("a sealed log gives what is durable and unsettled, in order and only once", async () => {
  const directory = Deno.makeTempDirSync();
  try {
    const path = `${directory}/job.wal`;
    const offsets: number[] = [];
    const file = Deno.openSync(path, { create: true, write: true });
    let offset = file.writeSync(encodeHeader());
    for (let sequence = 1; sequence <= EVENTS; sequence++) {
      offsets.push(offset);
      const payload = new Uint8Array(1000).fill(sequence % 251);
      offset += file.writeSync(
        encodeRecord({ sequence: BigInt(sequence), status: Status.PENDING, timestampMs: 7n, payload }),
      );
    }
    file.close();
    const events = new SealedEvents({
      files: systemFiles,
      path,
      fromOffset: offsets[99],
      lastSequence: 4900n,
    });
    let expected = 100n;
    for (;;) {
      const pending = await events.pending({ events: 64, bytes: 50_000 });
      if (pending.length === 0) break;
      assert.ok(pending.length <= 64 && pending.reduce((sum, { length }) => sum + length, 0) <= 50_000);
      assert.deepEqual(await events.pending({ events: 64, bytes: 50_000 }), pending);
      for (const event of pending) {
        assert.equal(event.sequence, expected++);
        assert.ok(event.payload.every((byte) => byte === Number(event.sequence) % 251));
      }
      if (expected % 2n === 0n) await events.acknowledge(pending);
      else {
        await events.fail(pending[0]);
        await events.acknowledge(pending.slice(1));
      }
    }
    assert.equal(expected, 4901n);
    assert.equal((await events.pending({ events: 1, bytes: 1 })).length, 0);
    const over = new AbortController();
    const waiting = events.waitForPending(over.signal);
    over.abort();
    await waiting;
    await events.close();
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});

Deno.test("a sealed log gives one event however small the limit is", async () => {
  const path = Deno.makeTempFileSync();
  try {
    const payload = new Uint8Array(1000);
    const record = encodeRecord({ sequence: 1n, status: Status.PENDING, timestampMs: 7n, payload });
    Deno.writeFileSync(path, new Uint8Array([...encodeHeader(), ...record]));
    const events = new SealedEvents({ files: systemFiles, path, fromOffset: 0, lastSequence: 1n });
    assert.equal((await events.pending({ events: 10, bytes: 1 })).length, 1);
    await events.close();
  } finally {
    Deno.removeSync(path);
  }
});
