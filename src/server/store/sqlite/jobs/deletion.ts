/**
 * Jobs that go away for good.
 *
 * A job is gone in one transaction, which leaves its executions without a job; these and their events are
 * deleted afterwards, a little at a time, because a gigabyte deleted at once would keep everybody else
 * waiting. A crash in between leaves executions without a job, which the next opening deletes.
 */
import { JobState } from "../../../../events/gen/job/v1/job_pb.ts";
import type { Sql } from "../sql.ts";
import type { Turns } from "../turns.ts";
import { findJob } from "./rows.ts";

/** What one transaction deletes: some milliseconds of work. */
const PIECE_EVENTS = 256;
const PIECE_BYTES = 2 * 1024 * 1024;

/** Takes the job away from everybody who looks; what is left of it is for the sweeper. */
export function detach(sql: Sql, jobId: string): "done" | "unknown" | "not_ended" {
  return sql.write(() => {
    const job = findJob(sql, jobId);
    if (!job) return "unknown";
    if (job.state === JobState.SCHEDULED || job.state === JobState.RUNNING) return "not_ended";
    sql.run("UPDATE executions SET job = NULL, expires_at_ms = NULL WHERE job = ?", job.id);
    sql.run("DELETE FROM jobs WHERE id = ?", job.id);
    return "done";
  });
}

export class Sweeper {
  readonly #sql: Sql;
  readonly #turns: Turns;
  #sweeping: Promise<void> | undefined;
  #isStopped = false;

  constructor(sql: Sql, turns: Turns) {
    this.#sql = sql;
    this.#turns = turns;
  }

  /** Resolves when nothing is left of deleted jobs, or after `stop`. */
  sweep(): Promise<void> {
    return this.#sweeping ??= this.#run();
  }

  /** Leaves what remains to the next opening. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    // Its error is told by whoever began it.
    await this.#sweeping?.catch(() => {});
  }

  async #run(): Promise<void> {
    try {
      // Whoever called has been answered by `detach` already; this is never part of its turn.
      do await this.#turns.next(); while (!this.#isStopped && this.#deletePiece());
    } finally {
      // Nothing is awaited since nothing was found, so nobody has left anything behind meanwhile.
      this.#sweeping = undefined;
    }
  }

  /** False: there is nothing to delete. */
  #deletePiece(): boolean {
    const sql = this.#sql;
    const owner = sql.read(() =>
      sql.row<{ id: number }>("SELECT id FROM executions WHERE job IS NULL LIMIT 1")
    );
    if (owner === undefined) return false;
    sql.write(() => {
      const events = sql.rows<{ id: bigint | number; bytes: number }>(
        `SELECT id, length(payload) AS bytes FROM events INDEXED BY events_by_arrival
         WHERE execution = ? ORDER BY id LIMIT ${PIECE_EVENTS}`,
        owner.id,
      );
      if (events.length === 0) {
        sql.run("DELETE FROM executions WHERE id = ?", owner.id);
        return;
      }
      let bytes = 0;
      const last = events.find((event) => (bytes += event.bytes) >= PIECE_BYTES) ?? events.at(-1)!;
      sql.run(
        "DELETE FROM events INDEXED BY events_by_arrival WHERE execution = ? AND id <= ?",
        owner.id,
        last.id,
      );
    });
    return true;
  }
}
