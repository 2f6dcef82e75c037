/**
 * What the records of a log add up to, told one after the other: the one count behind every listing, screen
 * and metric. Pure.
 */
import { decodeEvent } from "../events/event.ts";
import { payloadTypeName } from "../events/event_type.ts";
import { decodeExecution, type Execution } from "../wal/execution.ts";
import {
  type CompletionMark,
  completionMark,
  type CompletionState,
  completionState,
} from "../wal/completion.ts";
import type { WalRecord } from "../wal/format.ts";
import type { Ledger, RecordKind } from "../wal/ledger.ts";
import { PendingTally } from "../wal/pending_tally.ts";

/** What `event_type` says for a payload that is not an event. */
export const UNDECODABLE = "UNDECODABLE";

/** What of a log waits for the server. */
export interface Pending {
  readonly events: number;
  /** Length of the events' records. */
  readonly bytes: number;
  /** When the oldest of them happened, Unix milliseconds; undefined when there is none. */
  readonly oldestMs: number | undefined;
}

export class LogTally {
  readonly #pending = new PendingTally();
  #hasEnded = false;
  #mark: CompletionMark | undefined;
  execution: Execution | undefined;
  firstTimestampMs: bigint | undefined;
  lastTimestampMs: bigint | undefined;
  /** Of the job's command, once it has ended. */
  exitCode: number | undefined;

  /** Returns an event's type; undefined for what is no event of ours, and for every other record. */
  add(record: WalRecord, kind: RecordKind): string | undefined {
    if (kind === "execution") {
      this.execution = decodeExecution(record.payload);
      // What an earlier server was told, the one that adopted the execution may not know.
      this.#mark = undefined;
    }
    if (kind === "acknowledgement") this.#mark = completionMark(record) ?? this.#mark;
    if (kind !== "event") return undefined;
    this.#pending.add(record, kind);
    this.firstTimestampMs ??= record.timestampMs;
    this.lastTimestampMs = record.timestampMs;
    const type = payloadTypeName(record.payload);
    if (type === "PROCESS_END") {
      this.#hasEnded = true;
      this.exitCode = exitCodeOf(record.payload) ?? this.exitCode;
    }
    return type;
  }

  get completion(): CompletionState {
    const hasToken = this.execution?.task_token !== undefined;
    return completionState({ hasEnded: this.#hasEnded, hasToken, mark: this.#mark });
  }

  /** By the ledger of the same records. */
  pending(ledger: Ledger): Pending {
    const { bytes, oldestTimestampMs: oldestMs } = this.#pending.sum(ledger);
    return { events: ledger.pending, bytes, oldestMs };
  }
}

function exitCodeOf(payload: Uint8Array): number | undefined {
  const data = decodeEvent(payload)?.eventData;
  return data?.case === "processEnd" ? data.value.exitCode : undefined;
}
