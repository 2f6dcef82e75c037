/**
 * Moves the directories of logs and archives to another disk. At every instant each file is whole and on
 * stable storage at the old place or at the new one, and a run that was killed is gone on with by the next.
 * In this order:
 *
 *      1  check that nobody writes a log, and that there is room
 *      2  copy each file: hidden name, sync, read back, rename; what is there already is compared instead
 *      3  write down which files were verified (`migration_state.ts`)
 *      4  swap, with symbolic links: the directory is renamed to `wal.migrated`, and a link takes its name
 *         (without them the settings are the operator's to change, and the next run goes on from here)
 *      5  remove the originals of a directory that the settings find at the new place: each one whose bytes
 *         are the beginning of a file there, or that was verified and is unchanged (a worker may have
 *         archived the copy since)
 *
 * While it runs no worker starts in the directory, because the directory itself is locked. For writers that
 * do not know of that lock, the locks of the logs are checked again before and after the directory gets its
 * new name, and what appears in the old directory after 3 is copied before it is removed.
 */
import { type Files, isMissing } from "../platform/files.ts";
import { parentDirectory } from "../platform/path_names.ts";
import { comparePrefix, contentOf, copyFile, isCopyingName } from "./copy_file.ts";
import {
  type DirectoryPlan,
  filesIn,
  isMoving,
  lockAgainstWorkers,
  type MigrateOptions,
  type MigrationObstacle,
  type MigrationPlan,
  obstaclesIn,
  planMigration,
  realPath,
  RETIRED_SUFFIX,
  sizeOf,
} from "./plan.ts";
import {
  type DirectoryName,
  type MigrationState,
  readState,
  removeState,
  verifiedKey,
  writeState,
} from "./state.ts";

/** A migration cannot begin or go on. */
export class MigrationError extends Error {
  override readonly name = "MigrationError";
  constructor(message: string, readonly obstacles: readonly MigrationObstacle[], options?: ErrorOptions) {
    super(message, options);
  }
}

export interface MigrationResult {
  plan: MigrationPlan;
  copiedFiles: number;
  copiedBytes: number;
  /** Directories that links lead to now. */
  linked: DirectoryName[];
  removedFiles: number;
  removedBytes: number;
  /** Directories whose originals stay until the settings name the new place. */
  waiting: DirectoryName[];
}

/**
 * @throws {MigrationError} when it cannot begin or go on, {CopyConflictError} when the new place has other
 * files of these names
 */
export async function migrate(options: MigrateOptions): Promise<MigrationResult> {
  const { files, to } = options;
  const plan = await planMigration(options);
  if (plan.obstacles.length > 0) throw new MigrationError("it cannot begin", plan.obstacles);
  // Held to the end: a worker does not start in a directory that is being moved.
  const lock = plan.directories.some(isMoving)
    ? await lockAgainstWorkers(files, options.sources.wal)
    : undefined;
  try {
    await files.makeDirectory(to);
    return await new Migration(options, plan, await readState(files, to)).run();
  } finally {
    lock?.release();
  }
}

class Migration {
  readonly files: Files;
  readonly #result: MigrationResult;
  /** The name that each directory gets when a link takes its own. */
  readonly #retired = new Map<DirectoryName, string>();

  constructor(
    readonly options: MigrateOptions,
    readonly plan: MigrationPlan,
    readonly state: MigrationState,
  ) {
    this.files = options.files;
    this.#result = {
      plan,
      copiedFiles: 0,
      copiedBytes: 0,
      linked: [],
      removedFiles: 0,
      removedBytes: 0,
      waiting: [],
    };
  }

  async run(): Promise<MigrationResult> {
    const { directories } = this.plan;
    const moving = directories.filter(({ where }) => where === "old");
    for (const directory of moving) await this.#copyDirectory(directory);
    if (moving.length > 0) await this.#rememberOriginals(moving);
    for (const directory of directories) {
      if (directory.where === "in_place") continue;
      // What will be in it shall not come to lie on the old disk.
      if (directory.where === "absent") {
        if (directories.every(({ where }) => where === "absent")) continue;
        await this.files.makeDirectory(directory.target);
      }
      if (this.options.symlink || directory.where === "cut_off") await this.#swap(directory);
      else this.#result.waiting.push(directory.name);
    }
    for (const directory of directories) {
      if (!this.#result.waiting.includes(directory.name)) await this.#removeOriginals(directory);
    }
    for (const { target } of directories) await removeUnfinished(this.files, target);
    if (this.#result.waiting.length === 0) await removeState(this.files, this.options.to);
    return this.#result;
  }

  async #copyDirectory(directory: DirectoryPlan): Promise<void> {
    await this.files.makeDirectory(directory.target);
    for (const name of await filesIn(this.files, directory.source)) {
      await this.#copy(directory, directory.source, name);
    }
    await this.files.syncDirectory(directory.target);
  }

  async #copy({ name: of, target }: DirectoryPlan, from: string, name: string): Promise<void> {
    const { signal, onProgress } = this.options;
    signal.throwIfAborted();
    const { isNew, ...content } = await copyFile(this.files, `${from}/${name}`, `${target}/${name}`);
    this.state.verified.set(verifiedKey(of, name), content);
    if (isNew) this.#result.copiedFiles++;
    this.#result.copiedBytes += content.bytes;
    await onProgress?.(
      this.#result.copiedBytes,
      this.plan.directories.reduce((sum, { bytes }) => sum + bytes, 0),
    );
  }

  /** Before anything is renamed: whoever goes on has to know where the originals are. */
  async #rememberOriginals(moving: readonly DirectoryPlan[]): Promise<void> {
    for (const { name, source } of moving) {
      const originals = this.state.originals[name];
      const real = await this.files.realPath(source);
      const retired = await this.#isLink(source)
        ? real
        : await freeName(this.files, `${source}${RETIRED_SUFFIX}`);
      this.#retired.set(name, retired);
      for (const path of [real, retired]) if (!originals.includes(path)) originals.push(path);
    }
    await writeState(this.files, this.options.to, this.state);
  }

  async #swap(directory: DirectoryPlan): Promise<void> {
    const { name, source, target } = directory;
    const { files } = this;
    this.options.signal.throwIfAborted();
    // Always the same name, so that one which a killed run left is found here and taken away.
    const link = `${source}.link`;
    await removeLink(files, link);
    if (directory.where === "old") await this.#setAside(source, this.#retired.get(name)!);
    // Renamed into place: that also replaces an older link, and never a directory.
    await files.symlink(await files.realPath(target), link);
    try {
      await files.rename(link, source);
    } catch (error) {
      await files.remove(link);
      throw error;
    }
    await files.syncDirectory(parentDirectory(source));
    this.#result.linked.push(name);
  }

  /** Renames the directory, and back if a worker turns out to be at work in it. */
  async #setAside(source: string, retired: string): Promise<void> {
    await this.#checkUnused(source);
    // A link is replaced in one step, and what it led to keeps its name.
    if (await this.#isLink(source)) return;
    await this.files.rename(source, retired);
    await this.files.syncDirectory(parentDirectory(source));
    try {
      await this.#checkUnused(retired);
    } catch (error) {
      await this.files.rename(retired, source);
      await this.files.syncDirectory(parentDirectory(source));
      throw error;
    }
  }

  async #removeOriginals(directory: DirectoryPlan): Promise<void> {
    const { name, source, target } = directory;
    const here = await realPath(this.files, source);
    const seen = new Set<string>();
    for (const path of this.state.originals[name]) {
      const real = await realPath(this.files, path);
      if (
        real === undefined || real === here || real === await realPath(this.files, target) || seen.has(real)
      ) continue;
      seen.add(real);
      await this.#checkUnused(real);
      for (const file of await filesIn(this.files, real)) await this.#removeOriginal(directory, real, file);
      await removeUnfinished(this.files, real);
      await this.files.remove(real);
      await this.files.syncDirectory(parentDirectory(real));
    }
  }

  async #removeOriginal(directory: DirectoryPlan, from: string, name: string): Promise<void> {
    this.options.signal.throwIfAborted();
    const path = `${from}/${name}`;
    const { size } = await this.files.lstat(path);
    if (!await this.#isSafe(directory, path, name)) {
      await this.#copy(directory, from, name);
      await this.files.syncDirectory(directory.target);
    }
    await this.files.remove(path);
    this.#result.removedFiles++;
    this.#result.removedBytes += size;
  }

  async #isSafe({ name: of, target }: DirectoryPlan, path: string, name: string): Promise<boolean> {
    if (await realPath(this.files, `${target}/${name}`) !== undefined) {
      const found = await comparePrefix(this.files, path, `${target}/${name}`);
      return found !== undefined && found !== "conflict";
    }
    const verified = this.state.verified.get(verifiedKey(of, name));
    if (verified === undefined) return false;
    const { bytes, crc64 } = await contentOf(this.files, path);
    return bytes === verified.bytes && crc64 === verified.crc64;
  }

  async #checkUnused(directory: string): Promise<void> {
    const obstacles = await obstaclesIn(this.files, directory);
    if (obstacles.length > 0) throw new MigrationError("it cannot go on", obstacles);
  }

  async #isLink(path: string): Promise<boolean> {
    return (await this.files.lstat(path)).isSymlink;
  }
}

/** Only a link: anything else of that name is somebody's, and keeps the new link from being made. */
async function removeLink(files: Files, path: string): Promise<void> {
  try {
    if ((await files.lstat(path)).isSymlink) await files.remove(path);
  } catch (error) {
    // The usual case: no run was killed at that very moment.
    if (!isMissing(error)) throw error;
  }
}

/** What a killed run was copying; it has been copied since, or is gone from the old place. */
async function removeUnfinished(files: Files, directory: string): Promise<void> {
  if (await realPath(files, directory) === undefined) return;
  for (const { name } of await files.list(directory)) {
    if (isCopyingName(name)) await files.remove(`${directory}/${name}`);
  }
}

async function freeName(files: Files, path: string): Promise<string> {
  for (let number = 1;; number++) {
    const name = number === 1 ? path : `${path}-${number}`;
    if (await sizeOf(files, name) === undefined) return name;
  }
}
