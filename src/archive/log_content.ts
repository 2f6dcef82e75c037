/**
 * What has to be known of a log before it is archived, and the one thing that is changed on the way: the
 * task token, a secret that nobody needs once the server has every event, stays out of the archive.
 */
import {
  type CompletionMark,
  completionMark,
  type CompletionState,
  completionState,
  isSettled,
} from "../wal/completion.ts";
import { Crc64 } from "../platform/checksum/crc64.ts";
import { advance, exchangeBeginning, product } from "../platform/checksum/crc64_product.ts";
import { haveEqualBytes } from "../platform/checksum/equal_bytes.ts";
import { decodeExecution, type Execution } from "../wal/execution.ts";
import { CHECKSUM_BYTES, encodeRecord, HEADER_BYTES, LENGTH_BYTES, type WalRecord } from "../wal/format.ts";
import { type LogBytes, scanLog } from "../wal/reader.ts";
import type { Damage } from "../wal/scanner.ts";
import { type ArchiveSummary, formatCrc64 } from "./summary.ts";

/** Bytes that take the place of `length` bytes at `offset`. */
export interface Replacement {
  offset: number;
  length: number;
  bytes: Uint8Array;
}

export interface Survey {
  damage: Damage | undefined;
  /** In the order of their offsets; empty when everything is carried over as it is. */
  replacements: readonly Replacement[];
  execution: Execution | undefined;
  /** What the summary says of events; the rest of it is about bytes. */
  events: Pick<ArchiveSummary, "events" | "pending" | "failed" | "first_ms" | "last_ms">;
  /** Of the log as it is, before anything is replaced. Of a damaged one, of what was read. */
  measure: Measure;
  completion: CompletionState;
}

/** `hasEnded`: whether the job has, which its events tell and this does not read. */
export async function surveyLog(log: LogBytes, hasEnded: boolean): Promise<Survey> {
  let execution: Execution | undefined;
  const redacted: Replacement[] = [];
  let first: bigint | undefined;
  let last: bigint | undefined;
  let mark: CompletionMark | undefined;
  const measure = new Measure();
  const { damage, ledger } = await scanLog(measuringHeader(log, measure), (record, kind) => {
    measure.addRecord(record.length);
    if (kind === "execution") {
      execution = decodeExecution(record.payload);
      redacted.push(...withoutToken(record));
      // What an earlier server was told, this one may not know.
      mark = undefined;
    } else if (kind === "acknowledgement") {
      mark = completionMark(record) ?? mark;
    } else if (kind === "event") {
      if (first === undefined || record.timestampMs < first) first = record.timestampMs;
      if (last === undefined || record.timestampMs > last) last = record.timestampMs;
    }
  });
  const { events, pending, failed } = ledger;
  const hasToken = execution?.task_token !== undefined;
  const completion = completionState({ hasEnded, hasToken, mark });
  return {
    damage,
    // With something unsent the log must stay replayable, and the token is part of that. What was given up is
    // unsent as well. Without its token nobody could complete the job any more; one that its server does not
    // know opens nothing until it does again.
    replacements: pending + failed === 0 && isSettled(completion) ? redacted : [],
    execution,
    measure,
    completion,
    events: { events, pending, failed, first_ms: asNumber(first), last_ms: asNumber(last) },
  };
}

/** The header has a word that nobody looks at, so its bytes are measured as they are. */
async function* measuringHeader(log: LogBytes, measure: Measure): LogBytes {
  let left = HEADER_BYTES;
  for await (const chunk of log) {
    if (left > 0) {
      const part = chunk.subarray(0, left);
      measure.add(part);
      left -= part.length;
    }
    yield chunk;
  }
}

/** An execution record with everything but the token, fields of newer versions included. */
function withoutToken(record: WalRecord): Replacement[] {
  const fields = parseJson(record.payload);
  if (typeof fields !== "object" || fields === null || !("task_token" in fields)) return [];
  const { task_token: _, ...rest } = fields;
  const payload = new TextEncoder().encode(JSON.stringify(rest));
  return [{ offset: record.offset, length: record.length, bytes: encodeRecord({ ...record, payload }) }];
}

function parseJson(payload: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(payload));
  } catch {
    // Another writer's record: it holds no token of ours and is carried over as it is.
    return undefined;
  }
}

/** Other writers may have put any 64 bits there; what a number cannot hold exactly is left out. */
function asNumber(value: bigint | undefined): number | undefined {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : undefined;
}

/** `log` with the replacements made, which are in the order of their offsets. */
export function replaceBytes(log: LogBytes, replacements: readonly Replacement[]): LogBytes {
  // The last first, so that the offsets of the others stay what they are.
  return replacements.reduceRight(replaceOne, log);
}

async function* replaceOne(log: LogBytes, replacement: Replacement): LogBytes {
  const from = replacement.offset;
  const to = from + replacement.length;
  let offset = 0;
  for await (const chunk of log) {
    const end = offset + chunk.length;
    const before = chunk.subarray(0, Math.max(0, from - offset));
    if (before.length > 0) yield before;
    if (from >= offset && from < end) yield replacement.bytes;
    const after = chunk.subarray(Math.max(0, to - offset));
    if (after.length > 0) yield after;
    offset = end;
  }
}

/** The register behind any record's checksum, had it begun as all ones at its body. */
function allOnesBehindChecksum(): Crc64 {
  const checksum = new Crc64();
  checksum.update(new Uint8Array(CHECKSUM_BYTES));
  return checksum;
}

/** How many bytes there are, and their CRC-64 as the summary has it. */
export class Measure {
  #bytes = 0;
  readonly #checksum = new Crc64();
  readonly #length = new Uint8Array(LENGTH_BYTES);
  #behindChecksum: Crc64 | undefined;

  /** Takes the next bytes. */
  add(bytes: Uint8Array): void {
    this.#checksum.update(bytes);
    this.#bytes += bytes.length;
  }

  /**
   * Takes the next record without looking at its bytes: its own checksum was found right. Behind its
   * checksum, a register that began as all ones at the record's body holds the same value for every body; one
   * that began as anything else differs from it by what that difference has become.
   */
  addRecord(recordBytes: number): void {
    const checksum = this.#checksum;
    new DataView(this.#length.buffer).setUint32(0, recordBytes, true);
    checksum.update(this.#length);
    advance(~checksum.registerLow, ~checksum.registerHigh, recordBytes - LENGTH_BYTES);
    this.#behindChecksum ??= allOnesBehindChecksum();
    checksum.registerLow = product.low ^ this.#behindChecksum.registerLow;
    checksum.registerHigh = product.high ^ this.#behindChecksum.registerHigh;
    this.#bytes += recordBytes;
  }

  /** As if the bytes had begun with what `after` measured instead of what `before` did. */
  exchangeBeginning(before: Measure, after: Measure): void {
    exchangeBeginning(this.#checksum, {
      before: before.#checksum,
      after: after.#checksum,
      bytesBehind: this.#bytes - before.#bytes,
    });
    this.#bytes += after.#bytes - before.#bytes;
  }

  result(): Pick<ArchiveSummary, "raw_bytes" | "raw_crc64"> {
    return { raw_bytes: this.#bytes, raw_crc64: formatCrc64(this.#checksum.digest()) };
  }
}

export type Comparison = "same" | "left_goes_on" | "right_goes_on" | "different";

/** Whether two sources yield the same bytes. */
export async function haveSameBytes(left: LogBytes, right: LogBytes): Promise<boolean> {
  return await compareBytes(left, right) === "same";
}

/** Both are read side by side, and only until they differ or one of them ends; then the other may go on. */
export async function compareBytes(left: LogBytes, right: LogBytes): Promise<Comparison> {
  const sources = [left[Symbol.asyncIterator](), right[Symbol.asyncIterator]()];
  const chunks = [new Uint8Array(0), new Uint8Array(0)] as Uint8Array[];
  try {
    for (;;) {
      for (const side of [0, 1]) {
        while (chunks[side].length === 0) {
          const next = await sources[side].next();
          if (!next.done) chunks[side] = next.value;
          // The first to end decides: the other one may have nothing left either.
          else if (await isAtEnd(chunks[1 - side], sources[1 - side])) return "same";
          else return side === 0 ? "right_goes_on" : "left_goes_on";
        }
      }
      const length = Math.min(chunks[0].length, chunks[1].length);
      const [left, right] = chunks.map((chunk) => chunk.subarray(0, length));
      if (!haveEqualBytes(left, right)) return "different";
      for (const side of [0, 1]) chunks[side] = chunks[side].subarray(length);
    }
  } finally {
    for (const source of sources) await source.return?.();
  }
}

async function isAtEnd(chunk: Uint8Array, source: AsyncIterator<Uint8Array>): Promise<boolean> {
  if (chunk.length > 0) return false;
  for (let next; !(next = await source.next()).done;) if (next.value.length > 0) return false;
  return true;
}
