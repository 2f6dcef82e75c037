/**
 * Makes a new log out of everything that is still right in a damaged one. The damaged file is only read; the new one holds each
 * record that was saved byte for byte, statuses included, and is scanned by the same rules as any other log.
 *
 *     damaged    header | 0 | 1 | 2 |xxxxxxxxx| 5 | 6 |xx| 7 |
 *     new        header | 0 | 1 | 2 | 5 | 6 | 7 |
 *
 * Two kinds of records that salvage finds are left out, because a job can write them itself by printing the bytes of a log:
 * - those *inside* a damaged record whose length is still right, which a whole record (or the end of the file) just where it ends
 *   proves: they are a piece of that record's payload;
 * - an execution record anywhere but where a log has it: it names the server and the token that events are sent with.
 */
import {
  encodeHeader,
  HEADER_BYTES,
  isPossibleLength,
  LENGTH_BYTES,
  readLength,
  Status,
  type WalRecord,
} from "./format.ts";
import { type LogBytes, salvageLog, scanLog } from "./reader.ts";
import { type Damage, isAllZeros, type Problem } from "./scanner.ts";

/** Reads the damaged file from its beginning, as often as it is called. */
export type OpenLog = () => LogBytes | Promise<LogBytes>;

/** Bytes of the file, from `offset` on. */
export interface Stretch {
  offset: number;
  length: number;
}

/** Bytes that no record could be had from, and what is wrong where they start. */
export interface DamagedStretch extends Stretch {
  problem: Problem;
}

export interface RepairPlan {
  fileBytes: number;
  /** In file order; empty when the log is whole. */
  damaged: DamagedStretch[];
  /** What goes into the new log, in file order; neighbours are joined. */
  kept: Stretch[];
  /** Records in `kept`, and how many of them lie behind the first damage. */
  records: number;
  salvaged: number;
  /** Whole records that were left out because a job may have written them. */
  distrusted: number;
}

/** What salvage found, in file order; columns, because a log can have millions. */
interface Found {
  offsets: number[];
  lengths: number[];
  /** Offset of a record that may not be the new log's first. */
  forbiddenFirst: number | undefined;
}

/** Reads the file up to three times, in bounded memory but for 16 bytes for each record behind the damage. */
export async function planRepair(open: OpenLog): Promise<RepairPlan> {
  let fileBytes = 0;
  const { damage, goodBytes, records } = await scanLog(
    counted(await open(), (length) => fileBytes += length),
    () => {},
  );
  const kept = goodBytes > HEADER_BYTES ? [{ offset: HEADER_BYTES, length: goodBytes - HEADER_BYTES }] : [];
  if (damage === undefined) {
    return { fileBytes, damaged: [], kept, records, salvaged: 0, distrusted: 0 };
  }
  const found = await findRecords(open, goodBytes, records === 0);
  const starts = await readStarts(open, goodBytes, found);
  const plan = { fileBytes, damaged: [], kept, records, salvaged: 0, distrusted: 0 };
  return new Planning(plan, found, starts).run(damage, goodBytes);
}

/** The new log's bytes. */
export async function* repairedBytes(open: OpenLog, { kept }: Pick<RepairPlan, "kept">): LogBytes {
  yield encodeHeader();
  let offset = 0;
  let at = 0;
  for await (const chunk of await open()) {
    const end = offset + chunk.length;
    for (; at < kept.length && kept[at].offset < end; at++) {
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

async function findRecords(open: OpenLog, offset: number, isFirst: boolean): Promise<Found> {
  const found: Found = { offsets: [], lengths: [], forbiddenFirst: undefined };
  await salvageLog(await open(), offset, (record) => {
    if (isFirst && found.offsets.length === 0 && isMisplacedExecution(record)) {
      found.forbiddenFirst = record.offset;
    }
    found.offsets.push(record.offset);
    found.lengths.push(record.length);
  });
  return found;
}

/** Before the header's end a record can start when the front of the file was cut off. */
function isMisplacedExecution({ offset, sequence, status }: WalRecord): boolean {
  return offset > HEADER_BYTES && sequence === 0n && status === Status.SENT;
}

/** What stands where damage may start: a length, and whether only zeros follow. */
interface Start {
  /** Undefined when the file ends within it. */
  length: number | undefined;
  zerosToEnd: boolean;
}

async function readStarts(open: OpenLog, goodBytes: number, found: Found): Promise<Map<number, Start>> {
  const places = [goodBytes];
  found.offsets.forEach((offset, i) => {
    const end = offset + found.lengths[i];
    if (found.offsets[i + 1] !== end) places.push(end);
  });
  const starts = new Map<number, Start>();
  const bytes = new Uint8Array(LENGTH_BYTES);
  let filled = 0;
  let at = 0;
  let offset = 0;
  const last = places[places.length - 1];
  let zerosToEnd = true;
  for await (const chunk of await open()) {
    const end = offset + chunk.length;
    while (at < places.length && places[at] + filled < end) {
      const from = places[at] + filled - offset;
      const part = chunk.subarray(from, from + LENGTH_BYTES - filled);
      bytes.set(part, filled);
      filled += part.length;
      if (filled < LENGTH_BYTES) break;
      starts.set(places[at++], { length: readLength(bytes, 0), zerosToEnd: false });
      filled = 0;
    }
    if (end > last) zerosToEnd &&= isAllZeros(chunk.subarray(Math.max(0, last - offset)));
    offset = end;
  }
  const ending = starts.get(last);
  if (ending !== undefined) ending.zerosToEnd = zerosToEnd;
  return starts;
}

class Planning {
  #at = 0;
  #next = 0;

  constructor(
    readonly plan: RepairPlan,
    readonly found: Found,
    readonly starts: ReadonlyMap<number, Start>,
  ) {}

  run(damage: Damage, goodBytes: number): RepairPlan {
    const { plan, found } = this;
    const offsets = new Set(found.offsets);
    this.#at = goodBytes;
    while (this.#at < plan.fileBytes) {
      if (found.offsets[this.#next] === this.#at) {
        this.#keepNext();
        continue;
      }
      const start = this.starts.get(this.#at);
      const claimedEnd = start?.length !== undefined && isPossibleLength(start.length)
        ? this.#at + start.length
        : undefined;
      const isLengthRight = claimedEnd !== undefined &&
        (claimedEnd === plan.fileBytes || offsets.has(claimedEnd));
      const end = isLengthRight ? claimedEnd : found.offsets[this.#next] ?? plan.fileBytes;
      this.#skipTo(end, plan.damaged.length === 0 ? damage.problem : this.#problem(start, claimedEnd));
    }
    // A file that ends within its header may have no bytes at all.
    if (plan.damaged.length === 0) {
      plan.damaged.push({ problem: damage.problem, offset: goodBytes, length: 0 });
    }
    return plan;
  }

  #keepNext(): void {
    const { plan, found } = this;
    const offset = this.#at;
    const length = found.lengths[this.#next++];
    this.#at += length;
    if (offset === found.forbiddenFirst) {
      plan.distrusted++;
      return this.#addDamage({ problem: "bad_magic", offset, length });
    }
    const last = plan.kept[plan.kept.length - 1];
    if (last !== undefined && last.offset + last.length === offset) last.length += length;
    else plan.kept.push({ offset, length });
    plan.records++;
    plan.salvaged++;
  }

  #skipTo(end: number, problem: Problem): void {
    for (; this.found.offsets[this.#next] < end; this.#next++) this.plan.distrusted++;
    this.#addDamage({ problem, offset: this.#at, length: end - this.#at });
    this.#at = end;
  }

  #addDamage(stretch: DamagedStretch): void {
    const last = this.plan.damaged[this.plan.damaged.length - 1];
    // Two that touch are two damaged records, and one stretch of the file.
    if (last !== undefined && last.offset + last.length === stretch.offset) last.length += stretch.length;
    else this.plan.damaged.push(stretch);
  }

  #problem(start: Start | undefined, claimedEnd: number | undefined): Problem {
    if (start?.length === undefined) return "torn_record";
    if (start.zerosToEnd) return "zero_tail";
    if (claimedEnd === undefined) return "bad_length";
    return claimedEnd > this.plan.fileBytes ? "torn_record" : "crc_mismatch";
  }
}

async function* counted(bytes: LogBytes, count: (length: number) => void): LogBytes {
  for await (const chunk of bytes) {
    count(chunk.length);
    yield chunk;
  }
}
