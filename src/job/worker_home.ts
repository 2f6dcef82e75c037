/**
 * The two directories that a worker works in: made, and the one of the logs announced as worked in. They may
 * be taken away while it runs, as by `rm -r`, and are made again then: jobs that run write on into files that
 * have lost their names and are delivered from there, and the next ones need a place.
 */
import { messageOf } from "../platform/error_text.ts";
import type { Files } from "../platform/files.ts";
import type { Logger } from "../platform/logging/logger.ts";
import { DirectoryMovingError } from "../wal/errors.ts";
import { announcePresence, type Presence } from "./presence.ts";

export interface WorkerHomeOptions {
  walDir: string;
  archiveDir: string;
  logger: Logger;
  files: Files;
}

/** A directory cannot be used now. The message is for the user to read. */
export class HomeError extends Error {
  override readonly name = "HomeError";
}

/** A directory may be taken away between its making and its locking; this often in a row is not chance. */
const ATTEMPTS_MAX = 4;

export class WorkerHome implements Disposable {
  readonly #options: WorkerHomeOptions;
  #presence: Presence | undefined;
  #isSettled = false;

  constructor(options: WorkerHomeOptions) {
    this.#options = options;
  }

  /**
   * Makes what is missing, and announces the worker where it is not announced. To be called again from time
   * to time.
   * @throws {HomeError} when a directory cannot be made or locked, as while the logs are being moved
   */
  async settle(): Promise<void> {
    for (let attempt = 1;; attempt++) {
      try {
        return await this.#settle();
      } catch (cause) {
        if (cause instanceof DirectoryMovingError) throw new HomeError(cause.message, { cause });
        if (attempt < ATTEMPTS_MAX) continue;
        const { walDir, archiveDir } = this.#options;
        throw new HomeError(`Cannot use ${walDir} and ${archiveDir}: ${messageOf(cause)}`, { cause });
      }
    }
  }

  async #settle(): Promise<void> {
    const { walDir, archiveDir, logger, files } = this.#options;
    for (const directory of [walDir, archiveDir]) await files.makeDirectory(directory);
    if (this.#presence?.isCurrent()) return;
    this.#presence?.[Symbol.dispose]();
    this.#presence = announcePresence(files, walDir);
    if (this.#isSettled) {
      logger.error(
        "The directory of logs was taken away while the worker runs, and is made again. Jobs that run go on " +
          "and are still delivered; of logs that no job had open, what the server did not have is lost with it",
        { path: walDir },
      );
    }
    this.#isSettled = true;
  }

  [Symbol.dispose](): void {
    this.#presence?.[Symbol.dispose]();
    this.#presence = undefined;
  }
}
