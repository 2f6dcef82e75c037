/**
 * The server's one SQLite file: how it is opened, brought up to date, and what a transaction promises.
 *
 * A write that returned is on stable storage (journal in WAL mode, synchronous=FULL: the journal is
 * synced before COMMIT returns), so a caller may acknowledge it. A write that threw left nothing
 * behind. The file is locked by this process for as long as it is open: wake-ups between readers and
 * writers live in this process's memory, and a second server on the same file would not hear them.
 */
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { StoreError } from "../store_error.ts";
import { originOf, prepareFile } from "./database_file.ts";
import { type Migration, MIGRATIONS, TABLES } from "./schema.ts";

/**
 * How long opening waits for another process to let go of the file, as when one server takes over from
 * another.
 */
const BUSY_TIMEOUT_MS = 5_000;

// Measured with 2 KB events: a checkpoint every 32 MiB takes three times the events of SQLite's default,
// 4 MiB, because the index pages are written back less often. Pages of 16 KiB hold seven such events where
// two of 8 KiB hold six, and take 1.4 times as many a second; a commit of one small event takes 0.09 ms
// longer. A file keeps the pages that it was made with.
const PAGE_BYTES = 16 * 1024;
const CHECKPOINT_BYTES = 32 * 1024 * 1024;

export class Database {
  readonly path: string;
  readonly #db: DatabaseSync;
  #sealed: StoreError | undefined;

  /** @throws StoreError when the file cannot be used, with the next step in its message. */
  constructor(path: string, options: { busyTimeoutMs?: number } = {}) {
    this.path = path;
    prepare(path);
    this.#db = this.#convert("open", () => new DatabaseSync(path));
    try {
      this.#convert("open", () => this.#configure(options.busyTimeoutMs ?? BUSY_TIMEOUT_MS));
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

  #configure(busyTimeoutMs: number): void {
    this.#db.exec(`
      PRAGMA busy_timeout = ${busyTimeoutMs};
      PRAGMA page_size = ${PAGE_BYTES};
      PRAGMA locking_mode = EXCLUSIVE;
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = FULL;
      PRAGMA foreign_keys = ON;
      BEGIN EXCLUSIVE; COMMIT;
    `);
    const { page_size: pageBytes } = this.#db.prepare("PRAGMA page_size").get()!;
    this.#db.exec(`PRAGMA wal_autocheckpoint = ${CHECKPOINT_BYTES / Number(pageBytes)}`);
  }

  #migrate(): void {
    const version = this.read(() => Number(this.#db.prepare("PRAGMA user_version").get()!.user_version));
    if (version > MIGRATIONS.length) {
      throw new StoreError(
        `Cannot use ${this.path}: its schema has version ${version}, and this program knows versions up to ` +
          `${MIGRATIONS.length}. The file was not changed. Run the newer airunner that made it, or name another file.`,
        this.path,
      );
    }
    for (let next = version; next < MIGRATIONS.length; next++) {
      this.#bringUpTo(next + 1, MIGRATIONS[next]!);
    }
  }

  /**
   * Foreign keys are looked at only when the whole step is done: a table that is replaced is gone for a
   * moment, and its rows must not take those with them that refer to them. (SQLite ignores this pragma within
   * a transaction.)
   */
  #bringUpTo(version: number, { sql, fill, replaced = [] }: Migration): void {
    this.#convert("bring up to date", () => this.#db.exec("PRAGMA foreign_keys = OFF"));
    this.write(() => {
      this.#db.exec(sql);
      fill?.(this.#db);
      for (const table of replaced) {
        const broken = this.#db.prepare(`PRAGMA foreign_key_check(${table})`).get();
        if (broken !== undefined) {
          throw new StoreError(
            `Cannot bring ${this.path} up to date: rows of ${table} refer to rows that are not there. ` +
              `The file was not changed. It is damaged; restore it from a copy.`,
            this.path,
          );
        }
      }
      this.#db.exec(`PRAGMA user_version = ${version}`);
    });
    this.#convert("bring up to date", () => this.#db.exec("PRAGMA foreign_keys = ON"));
  }

  #convert<T>(action: string, work: () => T): T {
    try {
      return work();
    } catch (error) {
      if (!isSqliteError(error)) throw error;
      throw new StoreError(`Cannot ${action} ${this.path}: ${explain(error)}`, this.path, { cause: error });
    }
  }
}

/** @throws StoreError before anything was changed when the file is another program's, or cannot be used. */
function prepare(path: string): void {
  try {
    const origin = originOf(path, TABLES);
    if (origin === "foreign") {
      throw new StoreError(
        `Cannot open ${path}: it is not a database of this program. It was not changed. Name another file.`,
        path,
      );
    }
    prepareFile(path, origin);
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

function isSqliteError(error: unknown): error is Error {
  return error instanceof Error && (error as { code?: unknown }).code === "ERR_SQLITE_ERROR";
}

// Deno's node:sqlite carries no result code, so SQLite's own fixed texts (sqlite3ErrStr) tell the cases
// apart.
const ADVICE: readonly (readonly [text: string, advice: string])[] = [
  ["database is locked", "another process holds it. Stop the other server first, or name another file"],
  ["attempt to write a readonly database", "it is read-only. Correct its permissions"],
  ["disk I/O error", "the disk reported an error. Nothing was acknowledged; look at the kernel log"],
  ["database disk image is malformed", "it is damaged. It was not changed; restore it from a copy"],
  [
    "database or disk is full",
    "the disk is full. Nothing was acknowledged; make room and clients will try again",
  ],
  ["file is not a database", "it is not a database of this program. It was not changed; name another file"],
];

function explain(error: Error): string {
  const known = ADVICE.find(([text]) => error.message.includes(text));
  return known ? `${known[1]} (SQLite: ${error.message})` : error.message;
}
