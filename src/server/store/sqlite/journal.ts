/**
 * Syncs of the database's journal beside the thread that everything else runs in.
 *
 * SQLite syncs within COMMIT, and nothing else can run while the disk works: no request is read, no event
 * looked at. So events are committed without a sync, and the journal is synced from here before anybody hears
 * of it. One sync covers all that was committed before it began.
 */
import { messageOf } from "../../../platform/error_text.ts";
import type { Files, WritableFile } from "../../../platform/files.ts";
import { StoreError } from "../store_error.ts";
import type { Database } from "./database.ts";

export class Journal {
  readonly #files: Pick<Files, "openForWriting">;
  readonly #database: Database;
  #file: WritableFile | undefined;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  constructor(files: Pick<Files, "openForWriting">, database: Database) {
    this.#files = files;
    this.#database = database;
  }

  /**
   * Resolves when all that was committed before this call is on stable storage. A sync that fails seals the
   * database: the system may have dropped what it could not write, and nobody knows what the journal has
   * then.
   */
  sync(): Promise<void> {
    // A sync that is under way may have begun before the commit that this one is for.
    return this.#next ??= this.#afterRunning();
  }

  /**
   * Resolves when all that was appended before this call, whether this caller did or not, is on stable
   * storage.
   */
  settled(): Promise<void> {
    return this.#next ?? this.#running ?? Promise.resolve();
  }

  async close(): Promise<void> {
    await this.#next?.catch(() => {});
    await this.#running?.catch(() => {});
    this.#file?.close();
  }

  async #afterRunning(): Promise<void> {
    // Its failure is told to those who waited for it, and by `check` to everybody else.
    await this.#running?.catch(() => {});
    const running = this.#running = this.#run();
    this.#next = undefined;
    try {
      await running;
    } finally {
      if (this.#running === running) this.#running = undefined;
    }
  }

  async #run(): Promise<void> {
    const { path } = this.#database;
    try {
      this.#file ??= await this.#files.openForWriting(`${path}-wal`, "existing");
      await this.#file.syncData();
    } catch (cause) {
      const failure = new StoreError(
        `Cannot sync the journal of ${path}: ${
          messageOf(cause)
        }. Nothing of what waited was acknowledged, and ` +
          `nothing more will be. Look at the kernel log, then start the server again.`,
        path,
        { cause },
      );
      this.#database.seal(failure);
      throw failure;
    }
  }
}
