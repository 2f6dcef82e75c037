/**
 * One bit of a log rots: any bit of a length, a status or the header, and one of each other byte, for
 * whatever a checksum covers is damaged by any. Every record whose own bytes were not touched is in the
 * recovered log, byte for byte. The log is made to be hard: records of equal and of doubled lengths, so that
 * a flipped length leads from one boundary to another; a record whose payload is a piece of a log;
 * acknowledgements and failures between the events.
 *
 * It holds for the events and the execution without exception. It must not hold for two kinds of records,
 * which say something of others: the failure of an event that the flip destroyed (it would be taken for an
 * event itself), and an acknowledgement that lies behind the flip when what it destroyed may have been the
 * failure of an event that is covered. Both are counted here, and every event that was settled before the
 * damage began is settled in the recovered log.
 */
import assert from "node:assert/strict";
import { encodeExecution, encodeFailure } from "./execution.ts";
import { encodeHeader, encodeRecord, HEADER_BYTES, Status } from "./format.ts";
import { type LogBytes, scanLog } from "./reader.ts";
import { planRepair, repairedBytes } from "./repair.ts";

interface Made {
  bytes: Uint8Array;
  sequence: bigint;
  kind: "event" | "acknowledgement" | "failure" | "execution";
}

const fields = { timestampMs: 1_700_000_000_000n };
const acknowledgement = (sequence: bigint) =>
  encodeRecord({ ...fields, sequence, status: Status.SENT, payload: new Uint8Array() });

function makeRecords(): Made[] {
  const records: Made[] = [];
  const add = (kind: Made["kind"], sequence: bigint, bytes: Uint8Array) =>
    records.push({ kind, sequence, bytes });
  const execution = { job_id: "j", execution: 1, queue: "q", server: "s", task_token: "t", worker: "w" };
  const payload = encodeExecution({ ...execution, version: "1", started_at_ms: 1 });
  add("execution", 0n, encodeRecord({ ...fields, sequence: 0n, status: Status.SENT, payload }));
  // With the 32 bytes around them: 32, 64, 64, 64, 128, 64, 96 and so on.
  const payloadBytes = [0, 32, 32, 32, 96, 32, 64, 32, 32, 1];
  for (let sequence = 1n; sequence <= 70n; sequence++) {
    const length = payloadBytes[Number(sequence) % payloadBytes.length];
    let payload = new Uint8Array(Math.max(1, length)).fill(Number(sequence));
    if (sequence === 35n) {
      // The job prints what looks like its own log.
      payload = new Uint8Array([...records[5].bytes, ...acknowledgement(1_000_000n), ...records[6].bytes]);
    }
    add("event", sequence, encodeRecord({ ...fields, sequence, status: Status.PENDING, payload }));
    if (sequence % 10n === 4n) {
      const why = encodeFailure({ code: "invalid_argument", message: "m", attempts: 5 });
      const failed = sequence - 1n;
      add(
        "failure",
        failed,
        encodeRecord({ ...fields, sequence: failed, status: Status.FAILED, payload: why }),
      );
    }
    if (sequence % 5n === 0n) add("acknowledgement", sequence, acknowledgement(sequence));
  }
  return records;
}

const RECORDS = makeRecords();
const LOG = new Uint8Array(
  [encodeHeader(), ...RECORDS.map(({ bytes }) => bytes)].flatMap((part) => [...part]),
);
const OFFSETS = RECORDS.reduce(
  (offsets, { bytes }) => [...offsets, offsets[offsets.length - 1] + bytes.length],
  [
    HEADER_BYTES,
  ],
);

function areSame(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, i) => byte === other[i]);
}

async function recover(bytes: Uint8Array) {
  const open = async function* (): LogBytes {
    yield await Promise.resolve(bytes);
  };
  const plan = await planRepair(open, { lastSequenceOf: ({ sequence }) => sequence });
  const log = new Uint8Array(bytes.length);
  let length = 0;
  for await (const chunk of repairedBytes(open, plan)) {
    log.set(chunk, length);
    length += chunk.length;
  }
  /** Which of the records are there: the order is the same. */
  const found = new Set<number>();
  let next = 0;
  const events: bigint[] = [];
  const { damage, ledger } = await scanLog(
    (async function* (): LogBytes {
      yield await Promise.resolve(log.subarray(0, length));
    })(),
    ({ offset, length, sequence }, kind) => {
      const bytes = log.subarray(offset, offset + length);
      const at = RECORDS.findIndex((record, i) => i >= next && areSame(record.bytes, bytes));
      if (at >= 0) found.add(at);
      next = Math.max(next, at + 1);
      if (kind === "event") events.push(sequence);
    },
  );
  assert.equal(damage, undefined);
  const statuses = new Map(events.map((sequence, i) => [sequence, ledger.statusAt(i)]));
  return { plan, found, statuses };
}

/** The record that the byte at `offset` lies in; -1 for the header. */
const recordAt = (offset: number) => OFFSETS.findIndex((_, i) => offset < OFFSETS[i]) - 1;

Deno.test("whichever bit of a log rots, every record whose own bytes were not touched survives", async () => {
  const before = (await recover(LOG)).statuses;
  let flips = 0;
  let leftOut = 0;
  let mended = 0;
  for (let bit = 0; bit < 8 * LOG.length; bit++) {
    const touched = recordAt(bit >> 3);
    const within = (bit >> 3) - (OFFSETS[touched] ?? 0);
    const isDecisive = touched < 0 || within < 4 || within === 12;
    if (!isDecisive && (bit & 7) !== (within & 7)) continue;
    const bytes = LOG.slice();
    bytes[bit >> 3] ^= 1 << (bit & 7);
    const { plan, found, statuses } = await recover(bytes);
    flips++;
    mended += plan.mended;
    const missing = RECORDS.filter((_, i) => i !== touched && !found.has(i));
    const name = `bit ${bit & 7} of byte ${bit >> 3}, in record ${touched}`;
    const isOrphan = ({ kind, sequence }: Made) =>
      kind === "failure" && RECORDS[touched]?.kind === "event" && RECORDS[touched].sequence === sequence;
    const orphaned = missing.filter(isOrphan).length;
    const unproven = missing.filter(({ kind }) => kind === "acknowledgement").length;
    assert.deepEqual([orphaned, unproven, 0], [
      plan.orphaned,
      plan.unproven,
      missing.length - orphaned - unproven,
    ], name);
    leftOut += unproven;
    // A flip in the length leaves everything that the checksum proves.
    const isInLength = touched >= 0 && within < 4;
    if (isInLength) assert.ok(found.has(touched) && plan.unproven === 0, name);
    for (const [sequence, status] of statuses) {
      const was = before.get(sequence);
      // Nothing becomes sent, or failed, that was not; and what had been acknowledged when the damage began
      // stays so.
      assert.ok(status === was || status === "pending", `${name}: ${sequence} was ${was}, is ${status}`);
      const settled = RECORDS.findIndex((record) =>
        record.sequence >= sequence && record.kind === "acknowledgement"
      );
      if (settled >= 0 && settled < touched) assert.equal(status, was, name);
    }
  }
  assert.ok(flips > LOG.length + 7 * 5 * RECORDS.length, `${flips} flips`);
  assert.equal(mended, 8 * 4 * RECORDS.length);
  assert.ok(leftOut > 0, "the rule for acknowledgements was never used");
});
