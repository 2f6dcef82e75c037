/**
 * Events in SQL, and nothing else.
 *
 * An event is known by its execution and its sequence, and stored once: the first to arrive stays.
 * There are two orders to read in. History goes by sequence. Live reading goes by arrival (the row's
 * id, which only rises, because rows are never deleted): an event that arrives late with a low
 * sequence has a high id, so a live reader still gets it.
 */
import type { StatementSync } from "node:sqlite";
import type { Database } from "./database.ts";

export interface NewEvent {
  sequence: bigint;
  /** Undefined when the event carries no usable timestamp. */
  timestampMs: bigint | undefined;
  type: number;
  /** A JobEvent message. */
  payload: Uint8Array;
}

export interface EventBatch {
  executionId: bigint;
  events: readonly NewEvent[];
}

export interface BatchOutcome {
  stored: number;
  /** Events whose sequence the execution had already. */
  duplicate: number;
  /** The sequences among the duplicates whose bytes were others than the stored ones. */
  conflicts: bigint[];
}

export interface EventFilter {
  fromSequence: bigint;
  /** Unix milliseconds; undefined: whatever the time, and also events without one. */
  fromTimestampMs: bigint | undefined;
  /** Empty: every type. */
  types: readonly number[];
}

export interface EventPage {
  payloads: Uint8Array[];
  /** Where the next page starts: a sequence in history, an arrival in live reading. */
  cursor: bigint;
  /** True when nothing that was stored when this page was read lies behind it. */
  isLast: boolean;
}

interface EventRow {
  position: bigint;
  payload: Uint8Array;
}

// A reader holds one page. Its events are at most 4 MiB each (the publishing limit), so a page is at most
// PAGE_BYTES_MAX and one event long; the count bounds the rows read in one go while nothing else can run.
const PAGE_EVENTS_MAX = 256;
const PAGE_BYTES_MAX = 1024 * 1024;

const FILTER = `sequence >= :from AND (:timestamp IS NULL OR timestamp_ms >= :timestamp)
  AND (:types IS NULL OR type IN (SELECT value FROM json_each(:types)))`;

export class EventStore {
  readonly #database: Database;
  readonly #insert: StatementSync;
  readonly #payload: StatementSync;
  readonly #bySequence: PageStatements;
  readonly #byArrival: PageStatements;
  readonly #lastArrival: StatementSync;

  constructor(database: Database) {
    this.#database = database;
    this.#insert = database.prepare(
      `INSERT INTO events (execution, sequence, timestamp_ms, type, payload) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT (execution, sequence) DO NOTHING`,
    );
    this.#payload = database.prepare("SELECT payload FROM events WHERE execution = ? AND sequence = ?");
    this.#bySequence = preparePage(
      database,
      "sequence",
      `events WHERE execution = :execution AND sequence > :after AND id <= :until AND ${FILTER} ORDER BY sequence`,
    );
    // Without the hint SQLite may walk the events of all executions in the order of their ids.
    this.#byArrival = preparePage(
      database,
      "id",
      `events INDEXED BY events_by_arrival WHERE execution = :execution AND id > :after AND ${FILTER} ORDER BY id`,
    );
    this.#lastArrival = database.prepare("SELECT coalesce(max(id), 0) AS last FROM events");
    this.#lastArrival.setReadBigInts(true);
  }

  /** Stores all the batches in one transaction; the outcomes are in their order. */
  append(batches: readonly EventBatch[]): BatchOutcome[] {
    return this.#database.write(() => batches.map((batch) => this.#appendBatch(batch)));
  }

  #appendBatch({ executionId, events }: EventBatch): BatchOutcome {
    const outcome: BatchOutcome = { stored: 0, duplicate: 0, conflicts: [] };
    for (const { sequence, timestampMs, type, payload } of events) {
      const { changes } = this.#insert.run(executionId, sequence, timestampMs ?? null, type, payload);
      if (Number(changes) === 1) {
        outcome.stored++;
        continue;
      }
      outcome.duplicate++;
      const first = this.#payload.get(executionId, sequence) as unknown as { payload: Uint8Array };
      if (!sameBytes(first.payload, payload)) outcome.conflicts.push(sequence);
    }
    return outcome;
  }

  /** The arrival of the latest event of all executions; 0 when there is none. */
  lastArrival(): bigint {
    return this.#database.read(() => this.#lastArrival.get() as unknown as { last: bigint }).last;
  }

  /**
   * Events of an execution that had arrived by `until`, in the order of their sequences, those after `after`.
   */
  history(executionId: bigint, filter: EventFilter, after: bigint, until: bigint): EventPage {
    return this.#page(this.#bySequence, { ...bind(executionId, filter, after), until }, after);
  }

  /** Events of an execution in the order of their arrival, those after `after`. */
  arrivals(executionId: bigint, filter: EventFilter, after: bigint): EventPage {
    const page = this.#page(this.#byArrival, bind(executionId, filter, after), after);
    // What the filter left out lies behind the reader too, and need not be looked at again.
    return page.isLast ? { ...page, cursor: this.lastArrival() } : page;
  }

  #page({ lengths, rows }: PageStatements, parameters: Parameters, after: bigint): EventPage {
    return this.#database.read(() => {
      const count = pageLength(lengths.all(parameters) as unknown as { bytes: number }[]);
      const page = rows.all({ ...parameters, count: count.events }) as unknown as EventRow[];
      return {
        payloads: page.map((row) => row.payload),
        cursor: page.at(-1)?.position ?? after,
        isLast: count.isLast,
      };
    });
  }
}

/**
 * Two questions for a page: how long are the payloads, which SQLite answers without reading them, and then as
 * many of them as fit. (One statement read row by row would do, but `iterate` of Deno 2.5.7 works only once a
 * statement.)
 */
interface PageStatements {
  lengths: StatementSync;
  rows: StatementSync;
}

function preparePage(
  database: Database,
  position: "id" | "sequence",
  fromWhereOrder: string,
): PageStatements {
  const lengths = database.prepare(
    `SELECT length(payload) AS bytes FROM ${fromWhereOrder} LIMIT ${PAGE_EVENTS_MAX}`,
  );
  const rows = database.prepare(
    `SELECT ${position} AS position, payload FROM ${fromWhereOrder} LIMIT :count`,
  );
  // Sequences use all of int64.
  rows.setReadBigInts(true);
  return { lengths, rows };
}

function pageLength(found: readonly { bytes: number }[]): { events: number; isLast: boolean } {
  let bytes = 0;
  for (let events = 1; events <= found.length; events++) {
    bytes += found[events - 1].bytes;
    if (bytes >= PAGE_BYTES_MAX || events === PAGE_EVENTS_MAX) return { events, isLast: false };
  }
  return { events: found.length, isLast: true };
}

type Parameters = Record<string, bigint | number | string | null>;

function bind(executionId: bigint, filter: EventFilter, after: bigint): Parameters {
  return {
    execution: executionId,
    after,
    from: filter.fromSequence,
    timestamp: filter.fromTimestampMs ?? null,
    types: filter.types.length === 0 ? null : JSON.stringify(filter.types),
  };
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}
