/**
 * The store in one SQLite file.
 */
import type { NextTurn } from "../../../platform/clock.ts";
import type { Files } from "../../../platform/files.ts";
import { type Logger, silentLogger } from "../../../platform/logging/logger.ts";
import type { EventStore, JobStore, Store, WorkerStore } from "../contract.ts";
import { Database } from "./database.ts";
import { createEventStore } from "./event_store.ts";
import { Journal } from "./journal.ts";
import { createJobStore } from "./job_store.ts";
import { Sweeper } from "./jobs/deletion.ts";
import { Sql } from "./sql.ts";
import { Turns } from "./turns.ts";
import { createWorkerStore } from "./worker_store.ts";

export interface SqliteStoreOptions {
  files: Pick<Files, "openForWriting">;
  nextTurn: NextTurn;
  logger?: Logger;
}

export class SqliteStore implements Store {
  readonly database: Database;
  readonly jobs: JobStore;
  readonly events: EventStore;
  readonly workers: WorkerStore;
  readonly #journal: Journal;
  readonly #sweeper: Sweeper;

  /** @throws StoreError when the file cannot be used, with the next step in its message. */
  constructor(path: string, { files, nextTurn, logger = silentLogger }: SqliteStoreOptions) {
    this.database = new Database(path);
    const sql = new Sql(this.database);
    const turns = new Turns(nextTurn);
    this.#journal = new Journal(files, this.database);
    this.#sweeper = new Sweeper(sql, turns);
    this.jobs = createJobStore(sql, turns, this.#sweeper);
    this.events = createEventStore(sql, turns, this.#journal);
    this.workers = createWorkerStore(sql);
    // What a crash left of jobs that were being deleted.
    this.#sweeper.sweep().catch((error: Error) =>
      logger.error("Cannot delete what is left of deleted jobs; the next start tries again", {
        error: error.message,
      })
    );
  }

  async close(): Promise<void> {
    await this.#sweeper.stop();
    await this.#journal.close();
    this.database.close();
  }
}
