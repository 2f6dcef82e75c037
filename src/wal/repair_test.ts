import assert from "node:assert/strict";
import fc from "fast-check";
import { encodeExecution } from "./execution.ts";
import { encodeHeader, encodeRecord, HEADER_BYTES, Status } from "./format.ts";
import { type LogBytes, scanLog } from "./reader.ts";
import { planRepair, repairedBytes } from "./repair.ts";

const EXECUTION = encodeExecution({
  job_id: "job",
  execution: 1,
  queue: "q",
  server: "http://127.0.0.1:1",
  task_token: "t",
  worker: "w",
  version: "1",
  started_at_ms: 1,
});

function record(sequence: number, payload: Uint8Array, status: number = Status.PENDING): Uint8Array {
  return encodeRecord({ sequence: BigInt(sequence), status, timestampMs: 7n, payload });
}

const event = (sequence: number, length = 40) => record(sequence, new Uint8Array(length).fill(sequence));

/** Damaged in the middle of its payload; its length stays right. */
function flipped(bytes: Uint8Array): Uint8Array {
  const copy = bytes.slice();
  copy[30] ^= 1;
  return copy;
}

/** Its length is one that no record can have, and its payload is damaged too. */
function withBadLength(bytes: Uint8Array): Uint8Array {
  const copy = flipped(bytes);
  copy.fill(0xff, 0, 4);
  return copy;
}

function concat(...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(parts.flatMap((part) => [...part]));
}

function source(bytes: Uint8Array, chunkBytes = 37): () => LogBytes {
  return async function* () {
    for (let at = 0; at < bytes.length; at += chunkBytes) {
      const chunk = bytes.slice(at, at + chunkBytes);
      yield chunk;
      // Whoever keeps a chunk too long has garbage.
      chunk.fill(0xa5);
    }
  };
}

async function collect(bytes: LogBytes): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const chunk of bytes) parts.push(chunk.slice());
  return concat(...parts);
}

async function repair(bytes: Uint8Array, chunkBytes?: number) {
  const open = source(bytes, chunkBytes);
  const plan = await planRepair(open);
  return { plan, repaired: await collect(repairedBytes(open, plan)) };
}

Deno.test("repair leaves out damaged stretches and keeps every other record byte for byte", async () => {
  const execution = record(0, EXECUTION, Status.SENT);
  const acknowledgement = record(5, new Uint8Array(), Status.SENT);
  const good = [execution, event(1), event(2), event(5), acknowledgement, event(8)];
  const damaged = concat(
    encodeHeader(),
    execution,
    good[1],
    good[2],
    flipped(event(3)),
    flipped(event(4)),
    good[3],
    good[4],
    withBadLength(event(6)),
    good[5],
    event(9).subarray(0, 50),
  );
  const { plan, repaired } = await repair(damaged);
  // What is lost in the middle may have said that event 1 or 2 was refused.
  const proven = good.filter((record) => record !== acknowledgement);
  assert.deepEqual(repaired, concat(encodeHeader(), ...proven));
  const two = HEADER_BYTES + execution.length + 2 * 72;
  assert.deepEqual(plan.damaged, [
    { problem: "crc_mismatch", offset: two, length: 2 * 72 },
    { problem: "bad_length", offset: two + 3 * 72 + 32, length: 72 },
    { problem: "torn_record", offset: two + 5 * 72 + 32, length: 50 },
  ]);
  assert.deepEqual([plan.records, plan.salvaged, plan.distrusted, plan.unproven], [5, 2, 0, 1]);
});

Deno.test("repair of a whole log has nothing to leave out", async () => {
  const whole = concat(encodeHeader(), event(1), event(2));
  const { plan, repaired } = await repair(whole);
  assert.deepEqual(plan.damaged, []);
  assert.deepEqual(repaired, whole);
});

Deno.test("repair does not take a record that a job printed for one of the log's own", async () => {
  // The job prints an acknowledgement of everything; the record around it is damaged, its length is not.
  const forged = record(1_000_000, new Uint8Array(), Status.SENT);
  const printed = flipped(record(2, concat(new Uint8Array(20), forged, new Uint8Array(20))));
  const log = concat(encodeHeader(), event(1), printed, event(3));
  const { plan, repaired } = await repair(log);
  assert.deepEqual(repaired, concat(encodeHeader(), event(1), event(3)));
  assert.equal(plan.distrusted, 1);

  // The same at the end of the file.
  const atEnd = await repair(concat(encodeHeader(), event(1), printed));
  assert.deepEqual(atEnd.repaired, concat(encodeHeader(), event(1)));
});

Deno.test("repair spares good neighbours that a damaged length happens to lead over", async () => {
  // Not only its length is wrong, so nothing proves where it ends; the next two records are as long as it
  // says.
  const damaged = flipped(event(2));
  new DataView(damaged.buffer).setUint32(0, 3 * 72, true);
  const good = [event(1), event(3), event(4), event(5)];
  const { plan, repaired } = await repair(concat(encodeHeader(), event(1), damaged, ...good.slice(1)));
  assert.deepEqual(repaired, concat(encodeHeader(), ...good));
  assert.deepEqual([plan.records, plan.distrusted, plan.mended], [4, 0, 0]);
});

Deno.test("repair believes in no adoption from behind damage, and in no acknowledgement to an earlier server", async () => {
  const execution = record(0, EXECUTION, Status.SENT);
  const adoption = record(0, EXECUTION.map((byte) => byte), Status.SENT);
  const behind = await repair(concat(encodeHeader(), execution, withBadLength(event(1)), adoption, event(2)));
  assert.deepEqual(behind.repaired, concat(encodeHeader(), execution, event(2)));
  assert.equal(behind.plan.distrusted, 1);
  // Before it, it stays, and what was acknowledged by then the new server lacks.
  const acknowledgement = record(2, new Uint8Array(), Status.SENT);
  const before = [execution, event(1), event(2), acknowledgement, adoption];
  const damaged = concat(encodeHeader(), ...before, withBadLength(event(3)), event(4));
  const { plan, repaired } = await repair(damaged);
  assert.deepEqual(repaired, concat(encodeHeader(), ...before, event(4)));
  assert.deepEqual(plan.serverHas, []);
});

Deno.test("repair does not take an execution record from anywhere but the front of a log", async () => {
  const execution = record(0, EXECUTION, Status.SENT);
  const misplaced = await repair(concat(new Uint8Array(80).fill(9), execution, event(1)));
  assert.deepEqual(misplaced.repaired, concat(encodeHeader(), event(1)));
  assert.equal(misplaced.plan.distrusted, 1);

  const header = encodeHeader();
  header[0] ^= 1;
  const overwritten = await repair(concat(header, execution, event(1)));
  assert.deepEqual(overwritten.repaired, concat(encodeHeader(), execution, event(1)));
  const cut = await repair(concat(execution, event(1)));
  assert.deepEqual(cut.repaired, concat(encodeHeader(), execution, event(1)));
});

Deno.test("repair names a tail of zeros, an empty file and a file of garbage", async () => {
  const zeros = await repair(
    concat(encodeHeader(), event(1), withBadLength(event(2)), event(3), new Uint8Array(99)),
  );
  assert.deepEqual(zeros.plan.damaged.map(({ problem, length }) => [problem, length]), [
    ["bad_length", 72],
    ["zero_tail", 99],
  ]);
  const empty = await repair(new Uint8Array());
  assert.deepEqual(empty.plan.damaged, [{ problem: "short_header", offset: 0, length: 0 }]);
  assert.deepEqual(empty.plan.kept, []);
  const garbage = await repair(new Uint8Array(500).fill(0x41));
  assert.deepEqual(garbage.plan.damaged, [{ problem: "bad_magic", offset: 0, length: 500 }]);
  assert.equal(garbage.plan.records, 0);
});

Deno.test("repair of any damaged log is a whole log, and damage plus kept bytes are the file", async () => {
  const damage = fc.record({ at: fc.nat(1200), bytes: fc.uint8Array({ minLength: 1, maxLength: 90 }) });
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.nat(80), { minLength: 1, maxLength: 12 }),
      fc.array(damage, { maxLength: 4 }),
      fc.integer({ min: 1, max: 300 }),
      async (lengths, damages, chunkBytes) => {
        const records = lengths.map((length, i) => event(i + 1, length));
        const bytes = concat(encodeHeader(), ...records);
        for (const { at, bytes: noise } of damages) {
          if (at < bytes.length) bytes.set(noise.subarray(0, bytes.length - at), at);
        }
        const { plan, repaired } = await repair(bytes, chunkBytes);
        const { damage: left, records: count } = await scanLog(source(repaired)(), () => {});
        assert.equal(left, undefined);
        assert.equal(count, plan.records);
        const header = plan.damaged[0]?.offset === 0 ? 0 : HEADER_BYTES;
        const covered = [...plan.kept, ...plan.damaged].reduce((sum, { length }) => sum + length, header);
        assert.equal(covered, bytes.length);
        // A record that nothing touched is saved.
        for (const record of records) {
          const isWhole = indexOf(bytes, record) >= 0;
          // Unless the damage spells a length that leads right over it.
          if (plan.distrusted > 0) continue;
          assert.ok(!isWhole || indexOf(repaired, record) >= 0);
          // Nothing else is, but what only the length is damaged of.
          const isMended = plan.mended > 0 && indexOf(bytes, record.subarray(4)) >= 0;
          if (!isMended) assert.equal(indexOf(repaired, record) >= 0, isWhole);
        }
      },
    ),
    { numRuns: 300 },
  );
});

function indexOf(bytes: Uint8Array, wanted: Uint8Array): number {
  outer: for (let at = 0; at + wanted.length <= bytes.length; at++) {
    for (let i = 0; i < wanted.length; i++) if (bytes[at + i] !== wanted[i]) continue outer;
    return at;
  }
  return -1;
}
