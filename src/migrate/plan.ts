/**
 * What a migration would move, and what stands in its way. It looks only.
 */
import { statfs } from "node:fs";
import { promisify } from "node:util";
import { FileLock, FileLockedError } from "../platform/file_lock.ts";
import type { Files } from "../platform/files.ts";
import { parentDirectory } from "../platform/path_names.ts";
import { systemFiles } from "../platform/system_files.ts";
import { isCopyingName } from "./copy_file.ts";
import { type DirectoryName, type MigrationState, readState } from "./state.ts";

export interface MigrateOptions {
  /** The directories as the settings name them, absolute. */
  sources: Readonly<Record<DirectoryName, string>>;
  /** Absolute; `wal` and `archive` are made in it. */
  to: string;
  symlink: boolean;
  signal: AbortSignal;
  onProgress?(doneBytes: number, totalBytes: number): Promise<void>;
  /** A seam for tests. */
  files?: Files;
}

export interface DirectoryPlan {
  name: DirectoryName;
  /** As in the settings. */
  source: string;
  target: string;
  /** `absent`: there is none. `in_place`: the settings lead to the new place. `cut_off`: a run was killed just before the link was made. */
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
  const { sources, to, files = systemFiles } = options;
  const state = await readState(to);
  const directories: DirectoryPlan[] = [];
  const obstacles: MigrationObstacle[] = [];
  let neededBytes = 0;
  for (const name of NAMES) {
    const plan = await planDirectory(name, sources[name], `${to}/${name}`, state);
    directories.push(plan);
    const occupied = [...(plan.where === "old" ? [plan.source] : []), ...plan.leftOver];
    for (const directory of occupied) obstacles.push(...await obstaclesIn(directory, files));
    if (plan.where === "old") {
      const real = await Deno.realPath(plan.source);
      if (`${await nearestRealPath(plan.target)}/`.startsWith(`${real}/`)) {
        obstacles.push({ kind: "inside_itself", path: plan.target });
      }
      neededBytes += await bytesToCopy(plan);
    }
  }
  if (directories.some(isMoving)) {
    try {
      (await lockAgainstWorkers(sources.wal))?.release();
    } catch (error) {
      if (!(error instanceof FileLockedError)) throw error;
      obstacles.unshift({ kind: "worker_runs", path: sources.wal, pid: error.ownerPid });
    }
  }
  const freeBytes = await freeBytesAt(to);
  if (neededBytes > freeBytes) obstacles.push({ kind: "no_room", neededBytes, freeBytes });
  return { directories, freeBytes, obstacles };
}

async function planDirectory(
  name: DirectoryName,
  source: string,
  target: string,
  { originals }: MigrationState,
): Promise<DirectoryPlan> {
  const plan: DirectoryPlan = { name, source, target, where: "absent", files: 0, bytes: 0, leftOver: [] };
  const real = await realPath(source);
  const realTarget = await realPath(target);
  for (const path of originals[name]) {
    const its = await realPath(path);
    if (its !== undefined && its !== real && its !== realTarget) plan.leftOver.push(path);
  }
  const wasSetAside = plan.leftOver.some((path) => path.startsWith(`${source}${RETIRED_SUFFIX}`));
  if (real === undefined) plan.where = wasSetAside ? "cut_off" : "absent";
  else plan.where = real === realTarget ? "in_place" : "old";
  if (plan.where !== "old") return plan;
  for (const file of await filesIn(source)) {
    plan.files++;
    plan.bytes += (await Deno.lstat(`${source}/${file}`)).size;
  }
  return plan;
}

export function isMoving({ where }: DirectoryPlan): boolean {
  return where === "old" || where === "cut_off";
}

/** @throws {FileLockedError} when a worker runs, or another migration */
export async function lockAgainstWorkers(walDir: string): Promise<FileLock | undefined> {
  return await realPath(walDir) === undefined ? undefined : FileLock.acquireDirectory(walDir, "exclusive");
}

/** Regular files, by name. What a killed run was copying is none of them. */
export async function filesIn(directory: string): Promise<string[]> {
  const names: string[] = [];
  for await (const { name, isFile } of Deno.readDir(directory)) {
    if (isFile && !isCopyingName(name)) names.push(name);
  }
  return names.sort();
}

export async function obstaclesIn(directory: string, files: Files): Promise<MigrationObstacle[]> {
  const obstacles: MigrationObstacle[] = [];
  for await (const { name, isFile } of Deno.readDir(directory)) {
    const path = `${directory}/${name}`;
    if (!isFile) {
      obstacles.push({ kind: "not_a_file", path });
      continue;
    }
    try {
      (await files.open(path)).close();
    } catch (error) {
      if (error instanceof FileLockedError) obstacles.push({ kind: "in_use", path, pid: error.ownerPid });
      else if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  return obstacles;
}

async function bytesToCopy({ source, target }: DirectoryPlan): Promise<number> {
  let needed = 0;
  for (const name of await filesIn(source)) {
    const { size } = await Deno.lstat(`${source}/${name}`);
    if (await sizeOf(`${target}/${name}`) !== size) needed += size;
  }
  return needed;
}

export async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await Deno.lstat(path)).size;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

async function freeBytesAt(path: string): Promise<number> {
  const { bavail, bsize } = await promisify(statfs)(await nearestRealPath(path));
  return bavail * bsize;
}

/** The path, or what is there of it. */
async function nearestRealPath(path: string): Promise<string> {
  return await realPath(path) ?? await nearestRealPath(parentDirectory(path));
}

export async function realPath(path: string): Promise<string | undefined> {
  try {
    return await Deno.realPath(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
