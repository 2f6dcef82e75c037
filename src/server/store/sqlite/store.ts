/**
 * Jobs, their queues and their executions in SQL, and nothing else: no waiting, no wake-ups, no tokens.
 *
 * The states a job goes through:
 *
 *     enqueue -> SCHEDULED -> dequeue -> RUNNING -> complete -> COMPLETED or FAILED
 *                    ^                      |
 *                    +-- expired, released -+      also from here, as long as nobody dequeued it again
 *
 * Every dequeue makes a new execution, whose number rises. A job keeps its place in its queue when it
 * is requeued, so it is the next one to be handed out.
 */
import type { StatementSync } from "node:sqlite";
import { JobState } from "../../../events/gen/job/v1/job_pb.ts";
import type {
  Claim,
  ListFilter,
  NewJob,
  Refusal,
  Requeued,
  StoredExecution,
  StoredJob,
} from "../contract.ts";
import type { Database } from "./database.ts";

// node:sqlite knows rows only as records of values; the statements below name exactly these columns.
interface JobRow {
  id: number;
  job_id: string;
  queue: string;
  state: number;
  created_at_ms: number;
  updated_at_ms: number;
  params: Uint8Array;
}

interface ExecutionRow {
  id: number;
  job: number;
  number: number;
  started_at_ms: number;
  expires_at_ms: number | null;
  ended_at_ms: number | null;
  outcome: StoredExecution["outcome"] | null;
  result: Uint8Array | null;
}

export class Store {
  readonly #database: Database;
  readonly #statements = new Map<string, StatementSync>();

  constructor(database: Database) {
    this.#database = database;
  }

  /** The secret of that name, made by `create` when the database has none yet. */
  secret(name: string, create: () => Uint8Array): Uint8Array {
    return this.#database.write(() => {
      this.#run("INSERT INTO settings (name, value) VALUES (?, ?) ON CONFLICT DO NOTHING", name, create());
      return this.#row<{ value: Uint8Array }>("SELECT value FROM settings WHERE name = ?", name)!.value;
    });
  }

  /**
   * Adds the job, unless its request id was seen before: then nothing changes and the first job is returned.
   */
  enqueue(job: NewJob, nowMs: number): { job: StoredJob; isNew: boolean } {
    return this.#database.write(() => {
      const first = job.requestId === ""
        ? undefined
        : this.#row<JobRow>("SELECT * FROM jobs WHERE request_id = ?", job.requestId);
      if (first) return { job: toJob(first), isNew: false };
      this.#run(
        `INSERT INTO jobs (job_id, request_id, queue, state, created_at_ms, updated_at_ms, params)
         VALUES (?, ?, ?, ?, ?, ?, ?)`,
        job.jobId,
        job.requestId === "" ? null : job.requestId,
        job.queue,
        JobState.SCHEDULED,
        nowMs,
        nowMs,
        job.params,
      );
      return { job: toJob(this.#jobRow(job.jobId)!), isNew: true };
    });
  }

  /** Hands out the queue's first job as a new execution; undefined when none waits. */
  dequeue(queue: string, visibilityMs: number, nowMs: number): Claim | undefined {
    const next = "FROM jobs WHERE queue = ? AND state = 1 ORDER BY id LIMIT 1";
    // Asking in vain is the usual case, and must not cost a write.
    if (!this.#database.read(() => this.#row(`SELECT id ${next}`, queue))) return undefined;
    return this.#database.write(() => {
      const job = this.#row<JobRow>(`SELECT * ${next}`, queue)!;
      const { last } = this.#row<{ last: number }>(
        "SELECT coalesce(max(number), 0) AS last FROM executions WHERE job = ?",
        job.id,
      )!;
      const expiresAtMs = nowMs + visibilityMs;
      const { lastInsertRowid } = this.#run(
        "INSERT INTO executions (job, number, started_at_ms, visibility_ms, expires_at_ms) VALUES (?, ?, ?, ?, ?)",
        job.id,
        last + 1,
        nowMs,
        visibilityMs,
        expiresAtMs,
      );
      this.#setState(job.id, JobState.RUNNING, nowMs);
      return {
        job: { ...toJob(job), state: JobState.RUNNING, updatedAtMs: nowMs },
        executionId: BigInt(lastInsertRowid),
        execution: last + 1,
        expiresAtMs,
      };
    });
  }

  /**
   * Takes a job back that never reached its worker. Does nothing, and returns false, when the execution shows
   * any sign of having been received: extended, ended, or with events.
   */
  release(claim: Claim, nowMs: number): boolean {
    return this.#database.write(() => {
      const row = this.#row<ExecutionRow>(
        `SELECT * FROM executions WHERE id = ? AND expires_at_ms = ?
         AND NOT EXISTS (SELECT 1 FROM events WHERE execution = executions.id)`,
        claim.executionId,
        claim.expiresAtMs,
      );
      if (row) this.#requeue(row, nowMs);
      return row !== undefined;
    });
  }

  /** Requeues every job whose execution has not been extended in time. */
  requeueExpired(nowMs: number): Requeued[] {
    const next = this.nextExpiryMs();
    if (next === undefined || next > nowMs) return [];
    return this.#database.write(() => {
      const expired = this.#rows<ExecutionRow & { job_id: string; queue: string }>(
        `SELECT executions.*, jobs.job_id, jobs.queue FROM executions JOIN jobs ON jobs.id = executions.job
         WHERE expires_at_ms <= ? ORDER BY jobs.id`,
        nowMs,
      );
      for (const row of expired) this.#requeue(row, nowMs);
      return expired.map((row) => ({ jobId: row.job_id, queue: row.queue, execution: row.number }));
    });
  }

  /** When the next running execution expires; undefined when none runs. */
  nextExpiryMs(): number | undefined {
    const sql = "SELECT min(expires_at_ms) AS next FROM executions WHERE expires_at_ms IS NOT NULL";
    return this.#database.read(() => this.#row<{ next: number | null }>(sql))?.next ?? undefined;
  }

  /**
   * Lets every running execution run for `graceMs` more at least, or for its own visibility timeout if that
   * is less.
   */
  grantGrace(graceMs: number, nowMs: number): void {
    this.#database.write(() =>
      this.#run(
        `UPDATE executions SET expires_at_ms = max(expires_at_ms, ? + min(visibility_ms, ?))
         WHERE expires_at_ms IS NOT NULL`,
        nowMs,
        graceMs,
      )
    );
  }

  /** Moves the expiry of the job's current execution to `visibilityMs` from now. */
  extend(jobId: string, execution: number, visibilityMs: number, nowMs: number): "done" | Refusal {
    return this.#change(jobId, execution, (row) => {
      if (row.expires_at_ms === null) return "ended";
      this.#run(
        "UPDATE executions SET visibility_ms = ?, expires_at_ms = ? WHERE id = ?",
        visibilityMs,
        nowMs + visibilityMs,
        row.id,
      );
      this.#setState(row.job, JobState.RUNNING, nowMs);
      return "done";
    });
  }

  /**
   * Ends the job with the result of its latest execution. That the execution had expired does not matter
   * while nobody has dequeued the job again: the work was done, so the job leaves its queue.
   */
  complete(
    jobId: string,
    execution: number,
    result: { success: boolean; bytes: Uint8Array },
    nowMs: number,
  ): "done" | "repeated" | Refusal {
    return this.#change(jobId, execution, (row) => {
      if (row.outcome === "completed") return "repeated";
      this.#run(
        `UPDATE executions SET expires_at_ms = NULL, ended_at_ms = ?, outcome = 'completed', result = ? WHERE id = ?`,
        nowMs,
        result.bytes,
        row.id,
      );
      this.#setState(row.job, result.success ? JobState.COMPLETED : JobState.FAILED, nowMs);
      return "done";
    });
  }

  job(jobId: string): StoredJob | undefined {
    const row = this.#database.read(() => this.#jobRow(jobId));
    return row && toJob(row);
  }

  /**
   * Every execution the job ever had, first to latest. None is ever forgotten, and neither are its events.
   */
  executions(jobId: string): StoredExecution[] {
    const sql = `SELECT executions.* FROM executions JOIN jobs ON jobs.id = executions.job
                 WHERE jobs.job_id = ? ORDER BY number`;
    return this.#database.read(() => this.#rows<ExecutionRow>(sql, jobId)).map(toExecution);
  }

  /** The row that an execution's events belong to. */
  executionId(jobId: string, execution: number): bigint | undefined {
    const sql = `SELECT executions.id FROM executions JOIN jobs ON jobs.id = executions.job
                 WHERE jobs.job_id = ? AND number = ?`;
    const row = this.#database.read(() => this.#row<{ id: number }>(sql, jobId, execution));
    return row && BigInt(row.id);
  }

  /** The number of the job's latest execution; 0 before the first, undefined for an unknown job. */
  latestExecution(jobId: string): number | undefined {
    const sql = `SELECT (SELECT coalesce(max(number), 0) FROM executions WHERE job = jobs.id) AS latest
                 FROM jobs WHERE job_id = ?`;
    return this.#database.read(() => this.#row<{ latest: number }>(sql, jobId))?.latest;
  }

  /** One page of jobs, newest first. There is always a page 1, so `lastPage` is at least 1. */
  list(filter: ListFilter): { jobs: StoredJob[]; lastPage: number } {
    const where = "FROM jobs WHERE (? = '' OR queue = ?) AND (? = 0 OR state = ?)";
    const values = [filter.queue, filter.queue, filter.state, filter.state];
    return this.#database.read(() => {
      const { total } = this.#row<{ total: number }>(`SELECT count(*) AS total ${where}`, ...values)!;
      const rows = this.#rows<JobRow>(
        `SELECT * ${where} ORDER BY id DESC LIMIT ? OFFSET ?`,
        ...values,
        filter.pageSize,
        (filter.page - 1) * filter.pageSize,
      );
      return { jobs: rows.map(toJob), lastPage: Math.max(1, Math.ceil(total / filter.pageSize)) };
    });
  }

  /** The length of the parameters on a page of `list`, found out without reading them. */
  listedBytes({ queue, state, page, pageSize }: ListFilter): number {
    const sql = `SELECT coalesce(sum(bytes), 0) AS bytes FROM (
                   SELECT length(params) AS bytes FROM jobs WHERE (? = '' OR queue = ?) AND (? = 0 OR state = ?)
                   ORDER BY id DESC LIMIT ? OFFSET ?)`;
    const values = [queue, queue, state, state, pageSize, (page - 1) * pageSize];
    return this.#database.read(() => this.#row<{ bytes: number }>(sql, ...values)!.bytes);
  }

  /** How many jobs there are in each state, by the state's name in lower case. */
  countJobs(): Map<string, number> {
    const sql = "SELECT state, count(*) AS jobs FROM jobs GROUP BY state";
    const rows = this.#database.read(() => this.#rows<{ state: JobState; jobs: number }>(sql));
    const counts = new Map(rows.map(({ state, jobs }) => [state, jobs]));
    const states = [
      JobState.SCHEDULED,
      JobState.RUNNING,
      JobState.COMPLETED,
      JobState.FAILED,
      JobState.CANCELLED,
    ];
    return new Map(states.map((state) => [JobState[state].toLowerCase(), counts.get(state) ?? 0]));
  }

  /** Finds the job and its execution, and lets `change` act when the execution is the job's latest. */
  #change<Outcome>(
    jobId: string,
    execution: number,
    change: (row: ExecutionRow) => Outcome,
  ): Outcome | "unknown" | "superseded" {
    return this.#database.write(() => {
      const job = this.#jobRow(jobId);
      const latest = job && this.#row<ExecutionRow>(
        "SELECT * FROM executions WHERE job = ? ORDER BY number DESC LIMIT 1",
        job.id,
      );
      if (!job || !latest || execution > latest.number) return "unknown";
      if (execution < latest.number) return "superseded";
      return change(latest);
    });
  }

  #requeue(row: ExecutionRow, nowMs: number): void {
    this.#run(
      "UPDATE executions SET expires_at_ms = NULL, ended_at_ms = ?, outcome = 'requeued' WHERE id = ?",
      nowMs,
      row.id,
    );
    this.#setState(row.job, JobState.SCHEDULED, nowMs);
  }

  #setState(job: number, state: JobState, nowMs: number): void {
    this.#run("UPDATE jobs SET state = ?, updated_at_ms = ? WHERE id = ?", state, nowMs, job);
  }

  #jobRow(jobId: string): JobRow | undefined {
    return this.#row<JobRow>("SELECT * FROM jobs WHERE job_id = ?", jobId);
  }

  #statement(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (!statement) this.#statements.set(sql, statement = this.#database.prepare(sql));
    return statement;
  }

  #run(sql: string, ...values: SqlValue[]) {
    return this.#statement(sql).run(...values);
  }

  #row<R>(sql: string, ...values: SqlValue[]): R | undefined {
    return this.#statement(sql).get(...values) as R | undefined;
  }

  #rows<R>(sql: string, ...values: SqlValue[]): R[] {
    return this.#statement(sql).all(...values) as R[];
  }
}

type SqlValue = string | number | bigint | null | Uint8Array;

function toJob(row: JobRow): StoredJob {
  return {
    jobId: row.job_id,
    queue: row.queue,
    state: row.state,
    createdAtMs: row.created_at_ms,
    updatedAtMs: row.updated_at_ms,
    params: row.params,
  };
}

function toExecution(row: ExecutionRow): StoredExecution {
  return {
    executionId: BigInt(row.id),
    execution: row.number,
    startedAtMs: row.started_at_ms,
    expiresAtMs: row.expires_at_ms ?? undefined,
    endedAtMs: row.ended_at_ms ?? undefined,
    outcome: row.outcome ?? undefined,
    result: row.result ?? undefined,
  };
}
