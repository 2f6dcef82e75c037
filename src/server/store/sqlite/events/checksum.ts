/**
 * The checksum over an execution's events, as CompareEventsRequest in airunner.proto says.
 */
import { Crc64 } from "../../../../platform/checksum/crc64.ts";
import type { EventsChecksum } from "../../contract.ts";
import type { Journal } from "../journal.ts";
import type { Sql } from "../sql.ts";
import type { Turns } from "../turns.ts";
import { type PageLimits, readRows } from "./pages.ts";

const RANGE = "events WHERE execution = ? AND sequence BETWEEN ? AND ? ORDER BY sequence";

/**
 * Nobody waits for this, and everybody else has a turn after each piece: a call takes several of them, and a
 * mebibyte, read and summed up, took some milliseconds of each.
 */
const PIECE: PageLimits = { eventsMax: 64, bytesMax: 256 * 1024 };

export async function checksum(
  sql: Sql,
  turns: Turns,
  journal: Journal,
  executionId: bigint,
  from: bigint,
  to: bigint,
): Promise<EventsChecksum> {
  const sum = new Crc64();
  const head = new Uint8Array(12);
  const view = new DataView(head.buffer);
  let count = 0;
  for (let next = from; next <= to;) {
    const { rows, isLast } = readRows(sql, "sequence", RANGE, [executionId, next, to], PIECE);
    for (const { position, payload } of rows) {
      view.setBigInt64(0, position, true);
      view.setUint32(8, payload.length, true);
      sum.update(head);
      sum.update(payload);
    }
    count += rows.length;
    if (isLast) break;
    next = rows.at(-1)!.position + 1n;
    await turns.next();
  }
  // The worker that is told of a match may forget the events.
  await journal.settled();
  return { count, checksum: sum.digest() };
}
