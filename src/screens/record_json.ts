/**
 * An event of a log in the JSON form of `wal inspect`, which scripts depend on.
 */
import { decodeEvent } from "../events/event.ts";
import { eventToJson } from "../events/event_json.ts";
import type { EventRow } from "../survey/summary.ts";

/** The fixed shape; `event` is there only when payloads were asked for, and null for one that is no event. */
export function recordJson(row: EventRow, showPayload: boolean) {
  const record = {
    offset: row.offset,
    length: row.length,
    sequence: row.sequence,
    status: row.status,
    timestamp_ms: row.timestampMs,
    payload_bytes: row.payloadBytes,
    event_type: row.eventType,
  };
  if (!showPayload) return record;
  const event = decodeEvent(row.payload);
  return { ...record, event: (event && eventToJson(event)) ?? null };
}
