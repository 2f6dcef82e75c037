/**
 * Events that come in.
 */
import type { BatchOutcome, EventBatch } from "../../contract.ts";
import type { Journal } from "../journal.ts";
import type { Sql } from "../sql.ts";

const INSERT = `INSERT INTO events (execution, sequence, timestamp_ms, type, payload) VALUES (?, ?, ?, ?, ?)
  ON CONFLICT (execution, sequence) DO NOTHING`;

export async function append(
  sql: Sql,
  journal: Journal,
  batches: readonly EventBatch[],
  nowMs: number,
): Promise<BatchOutcome[]> {
  const outcomes = sql.writeUnsynced(() => batches.map((batch) => appendBatch(sql, batch, nowMs)));
  // Also when all of them were there already: whoever brought them first may still wait for this, too.
  await journal.sync();
  return outcomes;
}

function appendBatch(sql: Sql, { executionId, events }: EventBatch, nowMs: number): BatchOutcome {
  const outcome: BatchOutcome = { isUnknown: false, stored: 0, duplicate: 0, conflicts: [] };
  // Its job may have been deleted since the caller looked.
  if (!sql.row("SELECT 1 FROM executions WHERE id = ? AND job IS NOT NULL", executionId)) {
    return { ...outcome, isUnknown: true };
  }
  let bytes = 0;
  for (const { sequence, timestampMs, type, payload } of events) {
    const { changes } = sql.run(INSERT, executionId, sequence, timestampMs ?? null, type, payload);
    if (Number(changes) === 1) {
      outcome.stored++;
      bytes += payload.length;
      continue;
    }
    outcome.duplicate++;
    const first = sql.row<{ payload: Uint8Array }>(
      "SELECT payload FROM events WHERE execution = ? AND sequence = ?",
      executionId,
      sequence,
    )!;
    if (!sameBytes(first.payload, payload)) outcome.conflicts.push(sequence);
  }
  sql.run(
    `UPDATE executions SET event_count = event_count + ?, event_bytes = event_bytes + ?,
       last_seen_at_ms = max(last_seen_at_ms, ?) WHERE id = ?`,
    outcome.stored,
    bytes,
    nowMs,
    executionId,
  );
  return outcome;
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}
