/**
 * What a log made by salvage holds and lacks, in the terms of its events: the bytes alone do not know what an
 * output batch is.
 */
import { decodeEvent } from "../events/event.ts";
import { decodeExecution, type Execution } from "../wal/execution.ts";
import type { WalRecord } from "../wal/format.ts";
import { type LogBytes, scanLog } from "../wal/reader.ts";
import { SequenceGaps, type SequenceRange } from "../events/sequence_gaps.ts";
import { payloadTypeName } from "../events/event_type.ts";

/** Sequences that are missing. */
export interface LostRange extends SequenceRange {
  /** An acknowledgement proves it: the server has these events, and only this file lacks them. */
  readonly serverHasThem: boolean;
}

export interface RecoveredLog {
  readonly events: number;
  readonly pending: number;
  readonly sent: number;
  readonly failed: number;
  readonly execution: Execution | undefined;
  /** Whether the event with which a job ends was saved; if not, what came after the last event is unknown. */
  readonly hasEnd: boolean;
  readonly lastSequence: bigint | undefined;
  readonly lost: readonly LostRange[];
}

/** `serverHas`: lost events of which that is proven. */
export async function describeRecovered(
  bytes: LogBytes,
  serverHas: readonly SequenceRange[],
): Promise<RecoveredLog> {
  const gaps = new SequenceGaps();
  let execution: Execution | undefined;
  let hasEnd = false;
  const { ledger } = await scanLog(bytes, (record, kind) => {
    if (kind === "execution") execution = decodeExecution(record.payload);
    if (kind !== "event") return;
    gaps.add(sequencesOf(record));
    hasEnd ||= payloadTypeName(record.payload) === "PROCESS_END";
  });
  const { events, pending, sent, failed } = ledger;
  return {
    events,
    pending,
    sent,
    failed,
    execution,
    hasEnd,
    lastSequence: gaps.highest,
    lost: gaps.missing().map((range) => ({
      ...range,
      serverHasThem: serverHas.some(({ first, last }) => range.first >= first && range.last <= last),
    })),
  };
}

/** The last of them. */
export function lastSequenceOf(record: WalRecord): bigint {
  return sequencesOf(record).last;
}

/** An output batch uses up all sequences from its first to its last (wire contract). */
function sequencesOf({ sequence, payload }: WalRecord): SequenceRange {
  if (payloadTypeName(payload) !== "OUTPUT_BATCH") return { first: sequence, last: sequence };
  const data = decodeEvent(payload)?.eventData;
  const last = data?.case === "outputBatch" ? data.value.endSequence : sequence;
  return { first: sequence, last };
}
