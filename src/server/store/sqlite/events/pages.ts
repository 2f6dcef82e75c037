/**
 * Events that are read, page by page.
 */
import type { EventFilter, EventPage } from "../../contract.ts";
import type { Sql, SqlValue } from "../sql.ts";

export interface EventRow {
  position: bigint;
  payload: Uint8Array;
}

export interface EventRows {
  rows: EventRow[];
  /** True when no row lies behind these. */
  isLast: boolean;
}

// A reader holds one page. Its events are at most 4 MiB each (the publishing limit), so a page is at most
// `bytesMax` and one event long; the count bounds the rows read in one go while nothing else can run.
const READERS_PAGE: PageLimits = { eventsMax: 256, bytesMax: 1024 * 1024 };

/** A page ends with the event that reaches one of them. */
export interface PageLimits {
  eventsMax: number;
  bytesMax: number;
}

const FILTER = `(? IS NULL OR timestamp_ms >= ?) AND (? IS NULL OR type IN (SELECT value FROM json_each(?)))`;
const BY_SEQUENCE = `events WHERE execution = ? AND sequence > ? AND id <= ? AND ${FILTER} ORDER BY sequence`;
// Without the hint SQLite may walk the events of all executions in the order of their ids.
const BY_ARRIVAL =
  `events INDEXED BY events_by_arrival WHERE execution = ? AND id > ? AND sequence >= ? AND ${FILTER} ORDER BY id`;

export function lastArrival(sql: Sql, executionId: bigint): bigint {
  const text = "SELECT max(id) AS last FROM events INDEXED BY events_by_arrival WHERE execution = ?";
  return sql.read(() => sql.bigRow<{ last: bigint | null }>(text, executionId))?.last ?? 0n;
}

export function history(
  sql: Sql,
  executionId: bigint,
  filter: EventFilter,
  after: bigint,
  until: bigint,
): EventPage {
  // One bound and not two, or SQLite would walk from the one that it likes better to the other.
  const before = filter.fromSequence > after ? filter.fromSequence - 1n : after;
  return readPage(sql, "sequence", BY_SEQUENCE, [executionId, before, until, ...bind(filter)], before);
}

export function arrivals(sql: Sql, executionId: bigint, filter: EventFilter, after: bigint): EventPage {
  const page = readPage(
    sql,
    "id",
    BY_ARRIVAL,
    [executionId, after, filter.fromSequence, ...bind(filter)],
    after,
  );
  if (!page.isLast) return page;
  // What the filter left out lies behind the reader too, and need not be looked at again.
  const last = lastArrival(sql, executionId);
  return last > page.cursor ? { ...page, cursor: last } : page;
}

function readPage(
  sql: Sql,
  position: "id" | "sequence",
  fromWhereOrder: string,
  values: SqlValue[],
  after: bigint,
): EventPage {
  const { rows, isLast } = readRows(sql, position, fromWhereOrder, values);
  return { payloads: rows.map(({ payload }) => payload), cursor: rows.at(-1)?.position ?? after, isLast };
}

/**
 * Two questions for a page: how long are the payloads, which SQLite answers without reading them, and then as
 * many of them as fit. (One statement read row by row would do, but `iterate` of Deno 2.5.7 works only once a
 * statement.)
 */
export function readRows(
  sql: Sql,
  position: "id" | "sequence",
  fromWhereOrder: string,
  values: SqlValue[],
  limits: PageLimits = READERS_PAGE,
): EventRows {
  return sql.read(() => {
    const lengths = sql.rows<{ bytes: number }>(
      `SELECT length(payload) AS bytes FROM ${fromWhereOrder} LIMIT ?`,
      ...values,
      limits.eventsMax,
    );
    const { events, isLast } = pageLength(lengths, limits);
    if (events === 0) return { rows: [], isLast };
    const text = `SELECT ${position} AS position, payload FROM ${fromWhereOrder} LIMIT ?`;
    return { rows: sql.bigRows<EventRow>(text, ...values, events), isLast };
  });
}

function pageLength(
  found: readonly { bytes: number }[],
  { eventsMax, bytesMax }: PageLimits,
): { events: number; isLast: boolean } {
  let bytes = 0;
  for (let events = 1; events <= found.length; events++) {
    bytes += found[events - 1].bytes;
    if (bytes >= bytesMax || events === eventsMax) return { events, isLast: false };
  }
  return { events: found.length, isLast: true };
}

/** As FILTER has them. */
function bind({ fromTimestampMs, types }: EventFilter): SqlValue[] {
  const timestamp = fromTimestampMs ?? null;
  const list = types.length === 0 ? null : JSON.stringify(types);
  return [timestamp, timestamp, list, list];
}
