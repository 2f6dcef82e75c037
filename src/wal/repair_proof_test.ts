import assert from "node:assert/strict";
import { completionMark, completionRecord } from "./completion.ts";
import { encodeExecution, encodeFailure } from "./execution.ts";
import { encodeHeader, encodeRecord, Status } from "./format.ts";
import { type LogBytes, scanLog } from "./reader.ts";
import { planRepair, repairedBytes, type RepairOptions } from "./repair.ts";

/**
 * A log in short: `e` the execution, a number an event, `a3` the acknowledgement of 3, `f2` the failure of 2.
 * Behind a record: `!` its payload is damaged and its length right, `?` not even that, `l` only its length is
 * wrong. `/` is a hole between two records.
 */
function build(text: string): { bytes: Uint8Array<ArrayBuffer>; holes: number[] } {
  const parts: Uint8Array[] = [encodeHeader()];
  const holes: number[] = [];
  for (const word of text.split(" ")) {
    if (word === "/") {
      holes.push(parts.reduce((sum, { length }) => sum + length, 0));
      continue;
    }
    const [, kind, number, mark] = /^([eaf]?)(\d*)([!?l]?)$/.exec(word)!;
    const record = encode(kind, BigInt(number || 0));
    if (mark === "!" || mark === "?") record[13] ^= 0xff;
    if (mark === "l") record[1] ^= 4;
    if (mark === "?") record.fill(0xff, 0, 4);
    parts.push(record);
  }
  return { bytes: new Uint8Array(parts.flatMap((part) => [...part])), holes };
}

function encode(kind: string, sequence: bigint): Uint8Array {
  const fields = { sequence, timestampMs: 1n };
  if (kind === "a") return encodeRecord({ ...fields, status: Status.SENT, payload: new Uint8Array() });
  if (kind === "f") {
    const payload = encodeFailure({ code: "invalid_argument", message: "no", attempts: 5 });
    return encodeRecord({ ...fields, status: Status.FAILED, payload });
  }
  if (kind === "e") {
    const payload = encodeExecution({
      job_id: "job",
      execution: 1,
      queue: "q",
      server: "http://127.0.0.1:1",
      worker: "w",
      version: "1",
      started_at_ms: 1,
    });
    return encodeRecord({ ...fields, status: Status.SENT, payload });
  }
  return encodeRecord({
    ...fields,
    status: Status.PENDING,
    payload: new Uint8Array(30).fill(Number(sequence)),
  });
}

/** What the repaired log says of its events, and of those that are lost. */
async function repaired(text: string, options: RepairOptions = {}): Promise<string> {
  const { bytes, holes } = build(text);
  const open = async function* (): LogBytes {
    for (let at = 0; at < bytes.length; at += 50) yield await Promise.resolve(bytes.slice(at, at + 50));
  };
  const plan = await planRepair(open, {
    lastSequenceOf: ({ sequence }) => sequence,
    holes: () => holes,
    ...options,
  });
  const sequences: bigint[] = [];
  const { ledger, damage, records } = await scanLog(repairedBytes(open, plan), (record, kind) => {
    if (kind === "event") sequences.push(record.sequence);
  });
  assert.equal(damage, undefined);
  assert.equal(records, plan.records);
  const by = (wanted: string) => sequences.filter((_, i) => ledger.statusAt(i) === wanted).join(" ");
  const has = plan.serverHas.map(({ first, last }) => first === last ? first : `${first}-${last}`).join(" ");
  const found = { pending: by("pending"), sent: by("sent"), failed: by("failed"), has };
  return Object.entries(found).flatMap(([name, list]) => list === "" ? [] : [`${name} ${list}`]).join(", ");
}

const CASES: [log: string, expected: string][] = [
  // Nothing is damaged.
  ["e 1 2 f2 3 a3", "sent 1 3, failed 2"],
  // The failure of 2 is damaged, and an acknowledgement lies behind it: 2 was refused, and nobody knows any
  // more.
  ["e 1 a1 2 f2! 3 a3", "pending 2 3, sent 1"],
  ["e 1 a1 2 f2? 3 a3", "pending 2 3, sent 1"],
  ["e 1 a1 2 3 f2! a3", "pending 2 3, sent 1"],
  // Only its length is wrong: it is known, and so is everything else.
  ["e 1 a1 2 f2l 3 a3", "sent 1 3, failed 2"],
  // What was acknowledged before the damage stays so, and so does what came after it when nothing waited
  // before.
  ["e 1 2 a2 f1? 3 a3", "sent 1 2 3"],
  ["e 1 2 a2 3 4? 5 a5 6 a6", "pending 3 5 6, sent 1 2"],
  // One record, and just one sequence is missing there: it was that event and no failure, and the server has
  // it as well.
  ["e 1 2 3! 4 a4", "sent 1 2 4, has 3"],
  ["e 1 2 3! a3", "sent 1 2, has 3"],
  ["e 1 2! 3 4! 5 a5", "sent 1 3 5, has 2 4"],
  ["e 1 2! 3 4! a2 5 a5", "sent 1 3 5, has 2 4"],
  // It is not known to be one record, or not known to be the event.
  ["e 1 2 3? 4 a4", "pending 1 2 4"],
  ["e 1 2 3! 4! 5 a5", "pending 1 2 5"],
  ["e 1 2 f1! 3! 4 a4", "pending 1 2 4"],
  ["e 1 2! f1! 3 a3", "pending 1 3"],
  ["e 1 2! 3 a3 4 f3? 5 a5", "pending 4 5, sent 1 3, has 2"],
  ["e 1 2! 3 f2? 4 a4", "pending 1 3 4"],
  // The server refused 2, which is lost: neither is it an event that had failed, nor does the server have it.
  ["e 1 2! f2 3 a3", "sent 1 3"],
  ["e 1 2! 3 f2 a3", "sent 1 3"],
  // Other damage that a job's own acknowledgement would be behind.
  ["e! 1 2 a2", "sent 1 2"],
  ["e 1 a1! 2 a2", "pending 1 2"],
  ["e 1 2 a2!", "pending 1 2"],
  // A hole of an archive, between two records as if nothing were missing, or through a record that seems to
  // be one.
  ["e 1 2 / 3 a3", "pending 1 2 3"],
  ["e 1 2 a2 / 3 a3", "sent 1 2 3"],
  ["e 1 2 / 3! 4 a4", "pending 1 2 4"],
];

Deno.test("what is not proven sent is pending in a repaired log", async () => {
  for (const [log, expected] of CASES) assert.equal(await repaired(log), expected, log);
});

Deno.test("the mark that the job is completed settles no event, and so stays", async () => {
  const mark = encodeRecord(completionRecord("completed", 1n));
  const { bytes } = build("e 1 2 f1? 3 a3");
  const whole = new Uint8Array([...bytes, ...mark]);
  const open = async function* (): LogBytes {
    yield await Promise.resolve(whole);
  };
  const plan = await planRepair(open, { lastSequenceOf: ({ sequence }) => sequence });
  const marks: unknown[] = [];
  const { ledger } = await scanLog(
    repairedBytes(open, plan),
    (record) => void marks.push(completionMark(record)),
  );
  assert.deepEqual([ledger.pending, plan.unproven, marks.at(-1)], [3, 1, "completed"]);
});

Deno.test("without knowing what sequences an event uses up, no damage is known to have been an event", async () => {
  assert.equal(await repaired("e 1 2 3! 4 a4", { lastSequenceOf: undefined }), "pending 1 2 4");
});

Deno.test("a missing sequence that an output batch before it uses up is no lost event", async () => {
  // The event 1 is a batch of 1 to 3, so the damaged record before 4 can only have been something else.
  const lastSequenceOf = ({ sequence }: { sequence: bigint }) => sequence === 1n ? 3n : sequence;
  assert.equal(await repaired("e 1 f1! 4 a4", { lastSequenceOf }), "pending 1 4");
});
