/**
 * What there is to know about a log, in one pass and in memory that does not grow with its payloads.
 */
import { ArchiveDamagedError } from "../archive/archive_errors.ts";
import { decodeFailure, type Execution, type Failure } from "../wal/execution.ts";
import type { CompletionState } from "../wal/completion.ts";
import type { WalRecord } from "../wal/format.ts";
import type { EffectiveStatus } from "../wal/ledger.ts";
import type { LogBytes } from "../wal/reader.ts";
import { Scanner } from "../wal/scanner.ts";
import { payloadTypeName } from "../events/event_type.ts";
import { LogTally, UNDECODABLE } from "./log_tally.ts";
import { type LogScan, scanBytes } from "./scan.ts";

/**
 * Reasons of failures shown in full; a log in which everything failed has the same reason a thousand times.
 */
const FAILURES_MAX = 5;

export interface LogSummary extends LogScan {
  readonly events: number;
  readonly pending: number;
  readonly sent: number;
  readonly failed: number;
  /** When the oldest event that the server lacks happened. */
  readonly oldestPendingMs: number | undefined;
  readonly eventsByType: ReadonlyMap<string, number>;
  readonly firstTimestampMs: bigint | undefined;
  readonly lastTimestampMs: bigint | undefined;
  readonly execution: Execution | undefined;
  /** The first few failures, in file order. */
  readonly failures: readonly (Failure & { sequence: bigint })[];
  /** The exit code of the command, once it has ended. */
  readonly exitCode: number | undefined;
  /** Whether the server has the result of a job that ended. */
  readonly completion: CompletionState;
  readonly marks: EventMarks;
}

export async function summarizeLog(bytes: LogBytes): Promise<LogSummary> {
  const tally = new LogTally();
  const marks = new EventMarks();
  const eventsByType = new Map<string, number>();
  const failures: (Failure & { sequence: bigint })[] = [];
  const scan = await scanBytes(bytes, (record, kind) => {
    marks.add(kind === "event");
    const type = tally.add(record, kind) ?? UNDECODABLE;
    if (kind === "event") eventsByType.set(type, (eventsByType.get(type) ?? 0) + 1);
    if (kind !== "failure" || failures.length === FAILURES_MAX) return;
    const failure = decodeFailure(record.payload);
    if (failure) failures.push({ ...failure, sequence: record.sequence });
  });
  const { events, pending, sent, failed } = scan.ledger;
  const { firstTimestampMs, lastTimestampMs, execution, exitCode, completion } = tally;
  return {
    ...scan,
    events,
    pending,
    sent,
    failed,
    oldestPendingMs: tally.pending(scan.ledger).oldestMs,
    eventsByType,
    firstTimestampMs,
    lastTimestampMs,
    execution,
    failures,
    exitCode,
    completion,
    marks,
  };
}

/** An event of a log with its status after everything in the log. */
export interface EventRow {
  readonly offset: number;
  readonly length: number;
  readonly sequence: bigint;
  readonly status: EffectiveStatus;
  readonly timestampMs: bigint;
  readonly payloadBytes: number;
  readonly eventType: string;
  /** Valid until the callback's promise settles. */
  readonly payload: Uint8Array;
}

export function eventRow(record: WalRecord, status: EffectiveStatus): EventRow {
  const { offset, length, sequence, timestampMs, payload } = record;
  const eventType = payloadTypeName(payload) ?? UNDECODABLE;
  return { offset, length, sequence, status, timestampMs, payloadBytes: payload.length, eventType, payload };
}

/** What an earlier pass over a log found out, and a later one needs to tell its events and their statuses. */
export type KnownLog = Pick<LogSummary, "ledger" | "marks">;

/**
 * The events of a log in file order, until `onEvent` says that it has enough. `known` is from an earlier pass
 * over the same log: events appended since then are left out, because their statuses are not known.
 */
export async function readEvents(
  bytes: LogBytes,
  { ledger, marks }: KnownLog,
  onEvent: (row: EventRow) => Promise<void | "enough"> | void | "enough",
): Promise<void> {
  const scanner = new Scanner();
  let recordIndex = 0;
  let eventIndex = 0;
  try {
    for await (const chunk of bytes) {
      for (const record of scanner.push(chunk)) {
        if (eventIndex === ledger.events) return;
        if (!marks.isEvent(recordIndex++)) continue;
        const told = onEvent(eventRow(record, ledger.statusAt(eventIndex++)));
        if (told === "enough" || (told !== undefined && await told === "enough")) return;
      }
    }
  } catch (error) {
    // The earlier pass has come just as far, and has reported it.
    if (!(error instanceof ArchiveDamagedError)) throw error;
  }
}

/**
 * Which records of a log are events, a bit for each: a second ledger in a second pass would cost a hundred
 * times as much.
 */
class EventMarks {
  #bits = new Uint8Array(1024);
  #records = 0;

  add(isEvent: boolean): void {
    const at = this.#records++;
    if (at >> 3 === this.#bits.length) {
      const larger = new Uint8Array(2 * this.#bits.length);
      larger.set(this.#bits);
      this.#bits = larger;
    }
    if (isEvent) this.#bits[at >> 3] |= 1 << (at & 7);
  }

  /** `record` counts all records of the log from 0. */
  isEvent(record: number): boolean {
    return record < this.#records && (this.#bits[record >> 3] & 1 << (record & 7)) !== 0;
  }
}
