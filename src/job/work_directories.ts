/**
 * A working directory for each execution that does not name one: empty, the job's user's alone, and gone
 * after the job.
 *
 * It is named after the execution's log, which no other execution has at the same time: whoever holds the
 * log's lock may make and remove it. It goes before the log does, so that what a killed worker left is found
 * and removed with its log. Workers with other log directories may share the place, so a mark of the log
 * directory is part of the name.
 */
import type { Logger } from "../platform/logging/logger.ts";
import {
  type DirectoryOwner,
  makeOwnedDirectory,
  removeOwnedDirectory,
} from "../platform/owned_directory.ts";
import { messageOf } from "../platform/error_text.ts";
import { fileName } from "../platform/path_names.ts";
import { fingerprintOf } from "../platform/encoding/key_fingerprint.ts";

/** Enough that two log directories of one host have different marks. */
const MARK_LENGTH = 8;

export interface WorkDirectoriesOptions {
  /** Made by `preparePassage`. */
  readonly root: string;
  /** Absolute. */
  readonly logDirectory: string;
  /** Undefined: the worker's user. */
  readonly owner: DirectoryOwner | undefined;
}

export class WorkDirectories {
  readonly #root: string;
  readonly #logDirectory: string;
  readonly #owner: DirectoryOwner | undefined;

  constructor({ root, logDirectory, owner }: WorkDirectoriesOptions) {
    this.#root = root;
    this.#logDirectory = logDirectory;
    this.#owner = owner;
  }

  /** Makes the directory of a log's execution and gives its path. */
  async make(logPath: string): Promise<string> {
    const path = await this.#pathFor(logPath);
    await makeOwnedDirectory(path, this.#owner);
    return path;
  }

  /** Removes it, if there is one. That something stays behind is said, and keeps nobody from going on. */
  async remove(logPath: string, logger: Logger): Promise<void> {
    const path = await this.#pathFor(logPath);
    try {
      await removeOwnedDirectory(path, this.#owner);
    } catch (error) {
      logger.warn("Cannot remove a job's working directory; remove it by hand", {
        path,
        error: messageOf(error),
      });
    }
  }

  async #pathFor(logPath: string): Promise<string> {
    const mark = await fingerprintOf(new TextEncoder().encode(this.#logDirectory));
    return `${this.#root}/${fileName(logPath).replace(/\.wal$/, "")}.${mark.slice(0, MARK_LENGTH)}`;
  }
}
