/**
 * What a migration would move, and what stands in its way. It looks only.
 */
import { FileLockedError } from "../platform/file_lock.ts";
import { type Files, type HeldLock, isMissing } from "../platform/files.ts";
import { parentDirectory } from "../platform/path_names.ts";
import { isCopyingName } from "./copy_file.ts";
import { type DirectoryName, type MigrationState, readState } from "./state.ts";

export interface MigrateOptions {
  files: Files;
  /** The directories as the settings name them, absolute. */
  sources: Readonly<Record<DirectoryName, string>>;
  /** Absolute; `wal` and `archive` are made in it. */
  to: string;
  symlink: boolean;
  signal: AbortSignal;
  onProgress?(doneBytes: number, totalBytes: number): Promise<void>;
}

export interface DirectoryPlan {
  name: DirectoryName;
  /** As in the settings. */
  source: string;
  target: string;
  /**
   * `absent`: there is none. `in_place`: the settings lead to the new place. `cut_off`: a run was killed just
   * before the link was made.
   */
  where: "absent" | "old" | "in_place" | "cut_off";
  files: number;
  bytes: number;
  /** Directories with originals of an earlier run, to be removed. */
  leftOver: string[];
}

export interface MigrationPlan {
  directories: DirectoryPlan[];
  freeBytes: number;
  /** What stands in the way; empty when it can begin. */
  obstacles: MigrationObstacle[];
}

export type MigrationObstacle =
  | { kind: "worker_runs"; path: string; pid: number | undefined }
  | { kind: "in_use"; path: string; pid: number | undefined }
  | { kind: "not_a_file"; path: string }
  | { kind: "no_room"; neededBytes: number; freeBytes: number }
  | { kind: "inside_itself"; path: string };

const NAMES = ["wal", "archive"] as const;

/** What a directory is called between the swap and the removal of what is in it. */
export const RETIRED_SUFFIX = ".migrated";

/** Looks only. */
export async function planMigration(options: MigrateOptions): Promise<MigrationPlan> {
  const { sources, to, files } = options;
  const state = await readState(files, to);
  const directories: DirectoryPlan[] = [];
  const obstacles: MigrationObstacle[] = [];
  let neededBytes = 0;
  for (const name of NAMES) {
    const plan = await planDirectory(files, name, sources[name], `${to}/${name}`, state);
    directories.push(plan);
    const occupied = [...(plan.where === "old" ? [plan.source] : []), ...plan.leftOver];
    for (const directory of occupied) obstacles.push(...await obstaclesIn(files, directory));
    if (plan.where === "old") {
      const real = await files.realPath(plan.source);
      if (`${await nearestRealPath(files, plan.target)}/`.startsWith(`${real}/`)) {
        obstacles.push({ kind: "inside_itself", path: plan.target });
      }
      neededBytes += await bytesToCopy(files, plan);
    }
  }
  if (directories.some(isMoving)) {
    try {
      (await lockAgainstWorkers(files, sources.wal))?.release();
    } catch (error) {
      if (!(error instanceof FileLockedError)) throw error;
      obstacles.unshift({ kind: "worker_runs", path: sources.wal, pid: error.ownerPid });
    }
  }
  const freeBytes = await freeBytesAt(files, to);
  if (neededBytes > freeBytes) obstacles.push({ kind: "no_room", neededBytes, freeBytes });
  return { directories, freeBytes, obstacles };
}

async function planDirectory(
  files: Files,
  name: DirectoryName,
  source: string,
  target: string,
  { originals }: MigrationState,
): Promise<DirectoryPlan> {
  const plan: DirectoryPlan = { name, source, target, where: "absent", files: 0, bytes: 0, leftOver: [] };
  const real = await realPath(files, source);
  const realTarget = await realPath(files, target);
  for (const path of originals[name]) {
    const its = await realPath(files, path);
    if (its !== undefined && its !== real && its !== realTarget) plan.leftOver.push(path);
  }
  const wasSetAside = plan.leftOver.some((path) => path.startsWith(`${source}${RETIRED_SUFFIX}`));
  if (real === undefined) plan.where = wasSetAside ? "cut_off" : "absent";
  else plan.where = real === realTarget ? "in_place" : "old";
  if (plan.where !== "old") return plan;
  for (const file of await filesIn(files, source)) {
    plan.files++;
    plan.bytes += (await files.lstat(`${source}/${file}`)).size;
  }
  return plan;
}

export function isMoving({ where }: DirectoryPlan): boolean {
  return where === "old" || where === "cut_off";
}

/** @throws {FileLockedError} when a worker runs, or another migration */
export async function lockAgainstWorkers(files: Files, walDir: string): Promise<HeldLock | undefined> {
  return await realPath(files, walDir) === undefined ? undefined : files.lockDirectory(walDir, "exclusive");
}

/** Regular files, by name. What a killed run was copying is none of them. */
export async function filesIn(files: Files, directory: string): Promise<string[]> {
  const names: string[] = [];
  for (const { name, isFile } of await files.list(directory)) {
    if (isFile && !isCopyingName(name)) names.push(name);
  }
  return names.sort();
}

export async function obstaclesIn(files: Files, directory: string): Promise<MigrationObstacle[]> {
  const obstacles: MigrationObstacle[] = [];
  for (const { name, isFile } of await files.list(directory)) {
    const path = `${directory}/${name}`;
    if (!isFile) {
      obstacles.push({ kind: "not_a_file", path });
      continue;
    }
    try {
      (await files.open(path)).close();
    } catch (error) {
      if (error instanceof FileLockedError) obstacles.push({ kind: "in_use", path, pid: error.ownerPid });
      else if (!isMissing(error)) throw error;
    }
  }
  return obstacles;
}

async function bytesToCopy(files: Files, { source, target }: DirectoryPlan): Promise<number> {
  let needed = 0;
  for (const name of await filesIn(files, source)) {
    const { size } = await files.lstat(`${source}/${name}`);
    if (await sizeOf(files, `${target}/${name}`) !== size) needed += size;
  }
  return needed;
}

export async function sizeOf(files: Files, path: string): Promise<number | undefined> {
  try {
    return (await files.lstat(path)).size;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

async function freeBytesAt(files: Files, path: string): Promise<number> {
  return (await files.space(await nearestRealPath(files, path))).freeBytes;
}

/** The path, or what is there of it. */
async function nearestRealPath(files: Files, path: string): Promise<string> {
  return await realPath(files, path) ?? await nearestRealPath(files, parentDirectory(path));
}

export async function realPath(files: Files, path: string): Promise<string | undefined> {
  try {
    return await files.realPath(path);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}
