/**
 * Makes a new log out of everything that is still right in a damaged one. The damaged file is only read; the
 * new one holds each record that was saved byte for byte, statuses included, and is scanned by the same rules
 * as any other log. A record that is whole but for its length is saved as well, and gets the length that its
 * checksum proves.
 *
 *     damaged    header | 0 | 1 | 2 |xxxxxxxxx| 5 | 6 |xx| 7 |
 *     new        header | 0 | 1 | 2 | 5 | 6 | 7 |
 *
 * Left out are, besides what is damaged:
 * - what a job can write itself by printing the bytes of a log: records *inside* a damaged record whose
 *   length is still right, and an execution record anywhere but where a log has it, for it names the server
 *   and the token that events are sent with (`repair_layout.ts`);
 * - acknowledgements that the damage makes unproven, and failures of events that are lost
 *   (`repair_proof.ts`).
 */
import { isAdoption } from "./execution.ts";
import { encodeHeader, HEADER_BYTES, LENGTH_BYTES, Status, type WalRecord } from "./format.ts";
import { type LogBytes, salvageLog, scanLog } from "./reader.ts";
import { layOut } from "./repair_layout.ts";
import type { Found, OpenBytes, RepairPlan, Stretch } from "./repair_plan.ts";
import { type LastSequenceOf, proveSent } from "./repair_proof.ts";
import { readStarts } from "./repair_starts.ts";

export type { DamagedStretch, OpenBytes, RepairPlan } from "./repair_plan.ts";

export interface RepairOptions {
  /**
   * The last of the sequences that an event's record uses up. Without it no damage is known to have held an
   * event.
   */
  lastSequenceOf?: LastSequenceOf;
  /**
   * Where in the bytes others are missing, in bytes and ascending, as those of a damaged archive do. Asked
   * when all was read.
   */
  holes?(): readonly number[];
}

/** Reads the file a few times, in bounded memory but for 16 bytes for each record behind the damage. */
export async function planRepair(open: OpenBytes, options: RepairOptions = {}): Promise<RepairPlan> {
  let fileBytes = 0;
  const { damage, goodBytes, records } = await scanLog(
    counted(await open(), (length) => fileBytes += length),
    () => {},
  );
  const kept = goodBytes > HEADER_BYTES ? [{ offset: HEADER_BYTES, length: goodBytes - HEADER_BYTES }] : [];
  const plan: RepairPlan = {
    fileBytes,
    damaged: [],
    kept,
    records,
    salvaged: 0,
    mended: 0,
    distrusted: 0,
    unproven: 0,
    orphaned: 0,
    serverHas: [],
  };
  const holes = options.holes?.() ?? [];
  if (damage === undefined && holes.length === 0) return plan;
  let losses = holes.map((offset) => ({ offset, isOneRecord: false }));
  if (damage !== undefined) {
    const found = await findRecords(open, goodBytes, records === 0);
    const starts = await readStarts(open, goodBytes, { found, fileBytes });
    const lost = layOut(plan, damage, goodBytes, { found, starts });
    const isPierced = ({ offset, length }: Stretch) =>
      holes.some((hole) => hole >= offset && hole <= offset + length);
    losses = [
      ...losses,
      ...lost.map((loss) => ({ ...loss, isOneRecord: loss.isOneRecord && !isPierced(loss) })),
    ].sort((one, other) => one.offset - other.offset);
  }
  await proveSent(plan, losses, {
    open: () => repairedBytes(open, { kept: [...plan.kept] }),
    lastSequenceOf: options.lastSequenceOf,
  });
  return plan;
}

/** The new log's bytes. */
export async function* repairedBytes(open: OpenBytes, { kept }: Pick<RepairPlan, "kept">): LogBytes {
  yield encodeHeader();
  let offset = 0;
  let at = 0;
  for await (const chunk of await open()) {
    const end = offset + chunk.length;
    for (; at < kept.length && kept[at].offset < end; at++) {
      const { recordLength } = kept[at];
      if (recordLength !== undefined && kept[at].offset >= offset) yield encodeLength(recordLength);
      const from = Math.max(kept[at].offset, offset);
      const to = kept[at].offset + kept[at].length;
      if (from < Math.min(to, end)) yield chunk.subarray(from - offset, Math.min(to, end) - offset);
      // Goes on in the next chunk.
      if (to > end) break;
    }
    offset = end;
    if (at === kept.length) return;
  }
}

function encodeLength(length: number): Uint8Array {
  const bytes = new Uint8Array(LENGTH_BYTES);
  new DataView(bytes.buffer).setUint32(0, length, true);
  return bytes;
}

async function findRecords(open: OpenBytes, offset: number, isFirst: boolean): Promise<Found> {
  const found: Found = { offsets: [], lengths: [], forbidden: new Set() };
  await salvageLog(await open(), offset, (record) => {
    const isFoundFirst = isFirst && found.offsets.length === 0;
    if (isFoundFirst ? isMisplacedExecution(record) : isAdoption(record)) found.forbidden.add(record.offset);
    found.offsets.push(record.offset);
    found.lengths.push(record.length);
  });
  return found;
}

/** Before the header's end a record can start when the front of the file was cut off. */
function isMisplacedExecution({ offset, sequence, status }: WalRecord): boolean {
  return offset > HEADER_BYTES && sequence === 0n && status === Status.SENT;
}

async function* counted(bytes: LogBytes, count: (length: number) => void): LogBytes {
  for await (const chunk of bytes) {
    count(chunk.length);
    yield chunk;
  }
}
