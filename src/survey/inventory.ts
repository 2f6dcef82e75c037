/**
 * Every log, quarantined file and archive of the data directory, with its state and what it holds: what `wal ls` and `wal stats` are
 * made of. Reads only, but for the cache that spares the next run the reading.
 */
import type { Clock } from "../platform/clock.ts";
import { FactsCache } from "./facts_cache.ts";
import { type LogFacts, readLogFacts } from "./facts.ts";
import { listLogFiles, type LogFile } from "./log_files.ts";
import type { Directories } from "./locate.ts";
import { LogUnreadableError } from "./errors.ts";
import type { LockOwner } from "../platform/lock_table.ts";
import { systemFiles } from "../platform/system_files.ts";

/**
 * `active`: a worker owns it. `orphaned`: nobody does; the next worker on this host takes it up. `corrupt`: set aside, or damaged in
 * such a way that it will be. `archived`: in the archive.
 */
export type LogState = "active" | "orphaned" | "corrupt" | "archived";

export const LOG_STATES: readonly LogState[] = ["active", "orphaned", "corrupt", "archived"];

export interface InventoryLog {
  readonly file: LogFile;
  readonly state: LogState;
  readonly owner: LockOwner | undefined;
  /** Undefined when it could not be read; then `error` says why. */
  readonly facts: LogFacts | undefined;
  readonly error: string | undefined;
}

export interface Inventory {
  readonly logs: readonly InventoryLog[];
  /** False where the kernel does not show who holds locks: then every log looks orphaned. */
  readonly isOwnerKnown: boolean;
}

/** So many files are looked at before signals get a turn. */
const FILES_PER_TURN = 256;

export interface InventoryOptions {
  readonly clock: Clock;
  /** Called after each file. */
  onProgress(done: number, total: number): Promise<void>;
}

export async function takeInventory(
  settings: Directories & { readonly dataDir: string },
  { clock, onProgress }: InventoryOptions,
): Promise<Inventory> {
  const files = await listLogFiles(settings);
  const locks = systemFiles.lockTable();
  const cache = await FactsCache.open<LogFacts>(`${settings.dataDir}/cache/ls.json`);
  const logs: InventoryLog[] = [];
  for (const [index, file] of files.entries()) {
    if (index % FILES_PER_TURN === FILES_PER_TURN - 1) await nextTurn();
    const log = await lookAt(file, locks?.ownerOf(file), cache, clock.nowMs());
    if (log !== undefined) logs.push(log);
    await onProgress(index + 1, files.length);
  }
  await cache.save();
  return { logs, isOwnerKnown: locks !== undefined };
}

async function lookAt(
  file: LogFile,
  owner: LockOwner | undefined,
  cache: FactsCache<LogFacts>,
  nowMs: number,
): Promise<InventoryLog | undefined> {
  let facts = cache.get(file);
  if (facts === undefined) {
    try {
      facts = await readLogFacts(file);
      cache.set(file, facts, nowMs);
    } catch (error) {
      // Archived, taken up or deleted since the directory was read.
      if (isGone(error)) return undefined;
      const { message } = unreadable(file.path, error);
      return { file, state: stateOf(file, owner, undefined), owner, facts: undefined, error: message };
    }
  }
  return { file, state: stateOf(file, owner, facts), owner, facts, error: undefined };
}

function unreadable(path: string, error: unknown): Error {
  return error instanceof LogUnreadableError ? error : LogUnreadableError.because(path, error);
}

function isGone(error: unknown): boolean {
  return error instanceof Deno.errors.NotFound ||
    (error instanceof Error && error.cause instanceof Deno.errors.NotFound);
}

export function stateOf(
  { kind }: Pick<LogFile, "kind">,
  owner: LockOwner | undefined,
  facts: Pick<LogFacts, "damage"> | undefined,
): LogState {
  if (kind === "quarantined") return "corrupt";
  // What is damaged in a log that is being written, its owner knows first.
  if (kind === "log" && owner !== undefined) return "active";
  if (facts?.damage && !facts.damage.isTornTail) return "corrupt";
  return kind === "archive" ? "archived" : "orphaned";
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}
