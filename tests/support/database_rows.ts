/**
 * Rows of a server's database, written as a server leaves them: for tests and measurements that need many.
 */
import { createHash } from "node:crypto";
import type { DatabaseSync } from "node:sqlite";
import { createEvent, encodeEvent } from "../../src/events/event.ts";
import { JobState, StreamType } from "../../src/events/gen/job/v1/job_pb.ts";

export interface JobRows {
  queue?: string;
  state?: JobState;
  /** Unix milliseconds. */
  endedAtMs?: number;
  /** Sequences of the events; one number: 1 to that. */
  events?: number | readonly number[];
  /** Of each event's output. */
  outputBytes?: number;
  executions?: number;
}

interface Statements {
  // deno-lint-ignore no-explicit-any -- node:sqlite's own type of a value
  run(sql: string, ...values: any[]): number;
}

/**
 * A job with its executions and events, each in its own row, counted as the server counts. Returns its id.
 */
export function addJob(
  database: DatabaseSync,
  jobId: string,
  rows: JobRows = {},
): { job: number; executions: number[] } {
  const { queue = "default", state = JobState.COMPLETED, endedAtMs = 2_000, executions = 1 } = rows;
  const sql: Statements = {
    run: (text, ...values) => Number(database.prepare(text).run(...values).lastInsertRowid),
  };
  const job = sql.run(
    "INSERT INTO jobs (job_id, queue, state, created_at_ms, updated_at_ms, params) VALUES (?, ?, ?, ?, ?, ?)",
    jobId,
    queue,
    state,
    endedAtMs - 1_000,
    endedAtMs,
    new Uint8Array(),
  );
  const ids = Array.from({ length: executions }, (_, index) => {
    const execution = sql.run(
      `INSERT INTO executions (job, number, started_at_ms, visibility_ms, ended_at_ms, outcome, last_seen_at_ms)
       VALUES (?, ?, ?, 60000, ?, 'completed', ?)`,
      job,
      index + 1,
      endedAtMs - 1_000,
      endedAtMs,
      endedAtMs,
    );
    addEvents(database, execution, rows);
    return execution;
  });
  return { job, executions: ids };
}

/** As the server appends: the counters rise with the rows. */
export function addEvents(
  database: DatabaseSync,
  execution: number,
  { events = 3, outputBytes = 100 }: Pick<JobRows, "events" | "outputBytes">,
): void {
  const sequences = typeof events === "number"
    ? Array.from({ length: events }, (_, index) => index + 1)
    : events;
  const insert = database.prepare(
    "INSERT INTO events (execution, sequence, timestamp_ms, type, payload) VALUES (?, ?, ?, ?, ?)",
  );
  let bytes = 0;
  for (const sequence of sequences) {
    const event = outputEvent(sequence, outputBytes);
    insert.run(execution, sequence, 1_000 + sequence, event.type, event.payload);
    bytes += event.payload.length;
  }
  database.prepare(
    "UPDATE executions SET event_count = event_count + ?, event_bytes = event_bytes + ? WHERE id = ?",
  )
    .run(sequences.length, bytes, execution);
}

function outputEvent(sequence: number, outputBytes: number): { type: number; payload: Uint8Array } {
  const output = new Uint8Array(outputBytes);
  for (let at = 0; at < output.length; at++) output[at] = (sequence * 31 + at * 7) % 251;
  const event = createEvent(BigInt(sequence), 1_000 + sequence, {
    case: "outputBatch",
    value: {
      startSequence: BigInt(sequence),
      endSequence: BigInt(sequence),
      outputs: [{ output, streamType: StreamType.STDOUT }],
    },
  });
  return { type: event.eventType, payload: encodeEvent(event) };
}

/** Every row of every table, to compare two databases; long bytes by their hash. */
export function allRows(database: DatabaseSync): Record<string, unknown[]> {
  const tables = database.prepare(
    "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_stat%' ORDER BY name",
  ).all();
  return Object.fromEntries(
    tables.map(({ name }) => {
      const rows = database.prepare(`SELECT * FROM "${name}" ORDER BY 1, 2`).all();
      return [name, rows.map((row) => Object.values(row).map(comparable))];
    }),
  );
}

function comparable(value: unknown): unknown {
  return value instanceof Uint8Array ? createHash("sha256").update(value).digest("hex") : value;
}

/** How everything in it was made. */
export function schemaOf(database: DatabaseSync): unknown[] {
  return database.prepare("SELECT type, name, sql FROM sqlite_schema ORDER BY type, name").all();
}
