/**
 * What has to be known of a log before it is archived, and the one thing that is changed on the way: the
 * task token, a secret that nobody needs once the server has every event, stays out of the archive.
 */
import {
  type CompletionMark,
  completionMark,
  type CompletionState,
  completionState,
} from "../wal/completion.ts";
import { Crc64 } from "../platform/checksum/crc64.ts";
import { exchangeBeginning } from "../platform/checksum/crc64_product.ts";
import { haveEqualBytes } from "../platform/equal_bytes.ts";
import { decodeExecution, type Execution } from "../wal/execution.ts";
import { encodeRecord, type WalRecord } from "../wal/format.ts";
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
  /** Undefined when everything is carried over as it is. */
  replacement: Replacement | undefined;
  execution: Execution | undefined;
  /** What the summary says of events; the rest of it is about bytes. */
  events: Pick<ArchiveSummary, "events" | "pending" | "failed" | "first_ms" | "last_ms">;
  completion: CompletionState;
}

/** `hasEnded`: whether the job has, which its events tell and this does not read. */
export async function surveyLog(log: LogBytes, hasEnded: boolean): Promise<Survey> {
  let execution: Execution | undefined;
  let redacted: Replacement | undefined;
  let first: bigint | undefined;
  let last: bigint | undefined;
  let mark: CompletionMark | undefined;
  const { damage, ledger } = await scanLog(log, (record, kind) => {
    if (kind === "execution") {
      execution = decodeExecution(record.payload);
      redacted = withoutToken(record);
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
  // Without its token nobody could complete the job any more; one that its server does not know opens nothing
  // until it does again.
  const isSettled = completion !== "due" && completion !== "refused";
  return {
    damage,
    // With something unsent the log must stay replayable, and the token is part of that. What was given up is
    // unsent as well.
    replacement: pending + failed === 0 && isSettled ? redacted : undefined,
    execution,
    completion,
    events: { events, pending, failed, first_ms: asNumber(first), last_ms: asNumber(last) },
  };
}

/** The execution record with everything but the token, fields of newer versions included. */
function withoutToken(record: WalRecord): Replacement | undefined {
  const fields = parseJson(record.payload);
  if (typeof fields !== "object" || fields === null || !("task_token" in fields)) return undefined;
  const { task_token: _, ...rest } = fields;
  const payload = new TextEncoder().encode(JSON.stringify(rest));
  return { offset: record.offset, length: record.length, bytes: encodeRecord({ ...record, payload }) };
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

/** `log` with the replacement made. */
export async function* replaceBytes(log: LogBytes, replacement: Replacement | undefined): LogBytes {
  if (replacement === undefined) {
    yield* log;
    return;
  }
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

/** Counts bytes that are read anyway, and takes their CRC-64 as the summary has it. */
export class Measure {
  #bytes = 0;
  readonly #checksum = new Crc64();

  async *of(bytes: LogBytes): LogBytes {
    for await (const chunk of bytes) {
      this.#checksum.update(chunk);
      this.#bytes += chunk.length;
      yield chunk;
    }
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
