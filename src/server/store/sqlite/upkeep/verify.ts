/**
 * Checks that a database is whole: its pages, by SQLite's own check; its references; that every event decodes
 * and is the one that its row says; that the counters agree with what is counted; and which sequences an
 * execution that completed lacks. Only reads, and may do so beside the server that writes.
 *
 * Events are read page by page, each in a read transaction of its own. The check of the pages and those of
 * references and counters are one long read each: while one lasts the journal of a running server grows by
 * what is written, and is emptied afterwards.
 */
import type { DatabaseSync } from "node:sqlite";
import { decodeEvent } from "../../../../events/event.ts";
import { eventProblem, type GapRange, SequenceRun } from "./event_check.ts";

export interface Problem {
  kind: "pages" | "references" | "events" | "counters";
  /** A sentence without a full stop. */
  text: string;
}

/** Sequences that a completed execution lacks: its worker gave these events up, or never had them. */
export interface Gap extends GapRange {
  jobId: string;
  execution: number;
}

export interface Verification {
  schemaVersion: number;
  jobs: number;
  executions: number;
  events: number;
  /** Length of all events' payloads. */
  eventBytes: number;
  /** The first hundred. */
  problems: Problem[];
  problemCount: number;
  /** The first hundred. */
  gaps: Gap[];
  gapCount: number;
}

export interface VerifyOptions {
  /** Resolves when others have had their turn. */
  pause(): Promise<void>;
  /** Called after each page of events. */
  onProgress?(doneEvents: number): Promise<void>;
}

const LISTED_MAX = 100;
const EXECUTIONS_PAGE = 500;
const PAGE_EVENTS = 256;
const PAGE_BYTES = 1024 * 1024;

interface ExecutionRow {
  id: bigint;
  job_id: string | null;
  number: bigint;
  outcome: string | null;
}

export async function verifyDatabase(database: DatabaseSync, options: VerifyOptions): Promise<Verification> {
  return await new Verifier(database, options).run();
}

class Verifier {
  readonly #database: DatabaseSync;
  readonly #options: VerifyOptions;
  readonly #found: Verification;
  readonly #hasCounters: boolean;

  constructor(database: DatabaseSync, options: VerifyOptions) {
    this.#database = database;
    this.#options = options;
    const one = (sql: string) => Number(Object.values(database.prepare(sql).get()!)[0]);
    this.#hasCounters =
      one("SELECT count(*) FROM pragma_table_info('executions') WHERE name = 'event_count'") > 0;
    this.#found = {
      schemaVersion: one("PRAGMA user_version"),
      jobs: one("SELECT count(*) FROM jobs"),
      executions: 0,
      events: 0,
      eventBytes: 0,
      problems: [],
      problemCount: 0,
      gaps: [],
      gapCount: 0,
    };
  }

  async run(): Promise<Verification> {
    if (!this.#checkPages()) return this.#found;
    await this.#options.pause();
    this.#checkReferences();
    await this.#options.pause();
    for (let last = -1n;;) {
      const page = this.#executionsAfter(last);
      if (page.length === 0) break;
      for (const execution of page) await this.#checkExecution(execution);
      last = page.at(-1)!.id;
    }
    if (this.#hasCounters) this.#checkQueues();
    return this.#found;
  }

  /** False: what SQLite itself cannot read right is not read any further. */
  #checkPages(): boolean {
    const rows = this.#database.prepare(`PRAGMA integrity_check(${LISTED_MAX})`).all();
    const texts = rows.map((row) => String(Object.values(row)[0])).filter((text) => text !== "ok");
    for (const text of texts) this.#problem("pages", text);
    return texts.length === 0;
  }

  #checkReferences(): void {
    for (const row of this.#database.prepare("PRAGMA foreign_key_check").all()) {
      this.#problem(
        "references",
        `row ${row.rowid} of ${row.table} belongs to a row of ${row.parent} that is not there`,
      );
    }
  }

  #executionsAfter(last: bigint): ExecutionRow[] {
    // An execution without a job is being deleted, with its events.
    return this.#all<ExecutionRow>(
      `SELECT executions.id, jobs.job_id, number, outcome FROM executions JOIN jobs ON jobs.id = executions.job
       WHERE executions.id > ? ORDER BY executions.id LIMIT ${EXECUTIONS_PAGE}`,
      last,
    );
  }

  async #checkExecution(execution: ExecutionRow): Promise<void> {
    this.#found.executions++;
    const run = new SequenceRun();
    for (let last = 0n;;) {
      const next = this.#checkPage(execution, last, run);
      if (next === undefined) break;
      last = next;
      await this.#options.onProgress?.(this.#found.events);
      await this.#options.pause();
    }
    if (this.#hasCounters) this.#checkCounters(execution);
    // What still runs may send more, and of what was given back to its queue nobody knows how much there was.
    if (execution.outcome !== "completed") return;
    for (const gap of run.gaps) {
      this.#found.gapCount++;
      if (this.#found.gaps.length >= LISTED_MAX) continue;
      this.#found.gaps.push({ jobId: execution.job_id!, execution: Number(execution.number), ...gap });
    }
  }

  /** The sequence that was checked last; undefined when there was none left. */
  #checkPage(execution: ExecutionRow, after: bigint, run: SequenceRun): bigint | undefined {
    const lengths = this.#all<{ sequence: bigint; bytes: bigint }>(
      `SELECT sequence, length(payload) AS bytes FROM events WHERE execution = ? AND sequence > ?
       ORDER BY sequence LIMIT ${PAGE_EVENTS}`,
      execution.id,
      after,
    );
    if (lengths.length === 0) return undefined;
    let bytes = 0n;
    const last = lengths.find((row) => (bytes += row.bytes) >= PAGE_BYTES) ?? lengths.at(-1)!;
    const rows = this.#all<{ sequence: bigint; type: bigint; payload: Uint8Array }>(
      `SELECT sequence, type, payload FROM events WHERE execution = ? AND sequence > ? AND sequence <= ?
       ORDER BY sequence`,
      execution.id,
      after,
      last.sequence,
    );
    for (const row of rows) {
      this.#found.events++;
      this.#found.eventBytes += row.payload.length;
      const event = decodeEvent(row.payload);
      const problem = eventProblem(event, row);
      if (problem !== undefined) {
        this.#problem("events", `${subject(execution)}, event ${row.sequence}: ${problem}`);
      }
      run.add(row.sequence, event);
    }
    return last.sequence;
  }

  #checkCounters(execution: ExecutionRow): void {
    const [row] = this.#all<{ event_count: bigint; event_bytes: bigint; count: bigint; bytes: bigint }>(
      `SELECT event_count, event_bytes,
         (SELECT count(*) FROM events WHERE execution = executions.id) AS count,
         (SELECT coalesce(sum(length(payload)), 0) FROM events WHERE execution = executions.id) AS bytes
       FROM executions WHERE id = ? AND job IS NOT NULL`,
      execution.id,
    );
    if (row === undefined || (row.event_count === row.count && row.event_bytes === row.bytes)) return;
    this.#problem(
      "counters",
      `${subject(execution)} has ${row.count} events of ${row.bytes} bytes, and its counters say ` +
        `${row.event_count} of ${row.event_bytes}`,
    );
  }

  #checkQueues(): void {
    const counts = this.#all<{ queue: string; state: bigint; jobs: bigint }>(differences(
      "SELECT queue, state, jobs FROM queue_counts WHERE jobs <> 0",
      "SELECT queue, state, count(*) FROM jobs GROUP BY queue, state",
    ));
    const sizes = this.#all<{ queue: string }>(differences(
      "SELECT queue, event_bytes FROM queue_sizes WHERE event_bytes <> 0",
      `SELECT queue, sum(event_bytes) FROM executions JOIN jobs ON jobs.id = executions.job
       GROUP BY queue HAVING sum(event_bytes) <> 0`,
    ));
    for (const queue of new Set(counts.map((row) => row.queue))) {
      this.#problem(
        "counters",
        `the number of jobs in queue ${JSON.stringify(queue)} differs from its counters`,
      );
    }
    for (const queue of new Set(sizes.map((row) => row.queue))) {
      this.#problem("counters", `the size of queue ${JSON.stringify(queue)} differs from its counter`);
    }
  }

  #problem(kind: Problem["kind"], text: string): void {
    this.#found.problemCount++;
    if (this.#found.problems.length < LISTED_MAX) this.#found.problems.push({ kind, text });
  }

  #all<Row>(sql: string, ...values: bigint[]): Row[] {
    const statement = this.#database.prepare(sql);
    statement.setReadBigInts(true);
    return statement.all(...values) as unknown as Row[];
  }
}

function subject({ job_id, number }: ExecutionRow): string {
  return `job ${job_id}, execution ${number}`;
}

/** Rows that only one of the two has; both seen at the same moment, since it is one statement. */
function differences(a: string, b: string): string {
  return `SELECT * FROM (${a} EXCEPT ${b}) UNION ALL SELECT * FROM (${b} EXCEPT ${a})`;
}
