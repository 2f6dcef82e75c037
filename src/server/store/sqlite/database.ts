/**
 * The server's one SQLite file: how it is opened, brought up to date, and what a transaction promises.
 *
 * A write that returned is on stable storage (journal in WAL mode, synchronous=FULL: the journal is
 * synced before COMMIT returns), so a caller may acknowledge it. A write that threw left nothing
 * behind. Whoever opens it holds its lock (`database_lock.ts`), so this process is the only one that writes,
 * and the only one that empties the journal; others may read.
 */
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { StoreError } from "../store_error.ts";
import { NEW_FILE_PRAGMAS, type Origin, originOf, prepareFile } from "./database_file.ts";
import { bringUpToDate, newerSchema } from "./migrate.ts";
import { MIGRATIONS, TABLES } from "./schema.ts";
import { converted, isSqliteError } from "./sqlite_errors.ts";

/**
 * How long opening waits for a server of an earlier version, which kept everybody else away from the file,
 * and for readers that read its journal after a crash.
 */
const BUSY_TIMEOUT_MS = 5_000;

// The journal's size at which it is emptied. Whoever stores events in that moment waits for it: with 8 MiB 14
// ms at most, with 32 MiB 45 ms, at no fewer events a second (2 KB events, fifty a transaction, a quiet
// machine).
const CHECKPOINT_BYTES = 8 * 1024 * 1024;
/** What a journal that had to grow is cut to when it was emptied: it grows while somebody reads for long. */
const JOURNAL_BYTES_KEPT = 64 * 1024 * 1024;

export class Database {
  readonly path: string;
  readonly #db: DatabaseSync;
  #sealed: StoreError | undefined;

  /** @throws StoreError when the file cannot be used, with the next step in its message. */
  constructor(path: string, options: { busyTimeoutMs?: number } = {}) {
    this.path = path;
    const isNew = prepare(path) === "new";
    this.#db = this.#convert("open", () => new DatabaseSync(path));
    try {
      this.#convert("open", () => this.#configure(isNew, options.busyTimeoutMs ?? BUSY_TIMEOUT_MS));
      this.#migrate();
    } catch (error) {
      this.#db.close();
      throw error;
    }
  }

  prepare(sql: string): StatementSync {
    return this.#convert("read", () => this.#db.prepare(sql));
  }

  /**
   * Runs `work` and converts SQLite's errors. For reads, which need no transaction: nothing here yields
   * half-way.
   */
  read<T>(work: () => T): T {
    return this.#convert("read", work);
  }

  /**
   * Runs `work` in one transaction: when this returns all of it is on stable storage, when it throws none of
   * it is.
   */
  write<T>(work: () => T): T {
    if (this.#sealed !== undefined) throw this.#sealed;
    return this.#convert("write to", () => {
      this.#db.exec("BEGIN IMMEDIATE");
      try {
        const result = work();
        this.#db.exec("COMMIT");
        return result;
      } catch (error) {
        this.#rollback();
        throw error;
      }
    });
  }

  /**
   * As `write`, but what it wrote is on stable storage only when the journal was synced: a power cut before
   * that takes the whole transaction away, with all that came after it, and nothing else.
   */
  writeUnsynced<T>(work: () => T): T {
    this.#convert("write to", () => this.#db.exec("PRAGMA synchronous = NORMAL"));
    try {
      return this.write(work);
    } finally {
      this.#convert("write to", () => this.#db.exec("PRAGMA synchronous = FULL"));
    }
  }

  /** From now on nothing is written: what it would be built on may be lost. Every write throws `failure`. */
  seal(failure: StoreError): void {
    this.#sealed ??= failure;
  }

  /** Moves the journal into the file, so that the file alone is the whole database, and lets go of it. */
  close(): void {
    try {
      this.#convert("checkpoint", () => this.#db.exec("PRAGMA wal_checkpoint(TRUNCATE)"));
    } finally {
      this.#db.close();
    }
  }

  #rollback(): void {
    try {
      this.#db.exec("ROLLBACK");
    } catch (error) {
      // After some errors (a full disk) SQLite has rolled back by itself, and says so; the first error is the
      // one to tell.
      if (!isSqliteError(error)) throw error;
    }
  }

  #configure(isNew: boolean, busyTimeoutMs: number): void {
    // Not for every file: SQLite writes even to one that has this layout already, and that we may refuse.
    const layout = isNew ? NEW_FILE_PRAGMAS : "";
    this.#db.exec(`
      PRAGMA busy_timeout = ${busyTimeoutMs};
      ${layout};
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = FULL;
      PRAGMA foreign_keys = ON;
      PRAGMA journal_size_limit = ${JOURNAL_BYTES_KEPT};
    `);
    const { page_size: pageBytes } = this.#db.prepare("PRAGMA page_size").get()!;
    this.#db.exec(`PRAGMA wal_autocheckpoint = ${CHECKPOINT_BYTES / Number(pageBytes)}`);
  }

  /** An older file was brought up to date before it is opened here (`upkeep/upgrade.ts`). */
  #migrate(): void {
    const version = this.read(() => Number(this.#db.prepare("PRAGMA user_version").get()!.user_version));
    if (version > MIGRATIONS.length) throw newerSchema(this.path, version);
    if (version === 0) return this.#convert("make", () => bringUpToDate(this.#db, this.path));
    if (version < MIGRATIONS.length) {
      throw new StoreError(`Cannot use ${this.path}: its schema has the old version ${version}`, this.path);
    }
  }

  #convert<T>(action: string, work: () => T): T {
    return converted(action, this.path, work);
  }
}

/** @throws StoreError before anything was changed when the file is another program's, or cannot be used. */
function prepare(path: string): Origin {
  try {
    const origin = originOf(path, TABLES);
    if (origin === "foreign") {
      throw new StoreError(
        `Cannot open ${path}: it is not a database of this program. It was not changed. Name another file.`,
        path,
      );
    }
    prepareFile(path, origin);
    return origin;
  } catch (cause) {
    if (cause instanceof StoreError) throw cause;
    throw new StoreError(
      `Cannot open ${path}: ${(cause as Error).message}. Nothing was changed. ` +
        `Name a file that this user may write, or correct the permissions of its directory.`,
      path,
      { cause },
    );
  }
}
