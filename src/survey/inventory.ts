/**
 * Every log, quarantined file and archive of the data directory, with its state and what it holds: what `wal
 * ls` and `wal stats` are made of. Reads only, but for the cache that spares the next run the reading.
 */
import { isMissing } from "../platform/files.ts";
import type { Host } from "../platform/host.ts";
import { FILES_PER_TURN } from "./directory.ts";
import type { FactsCache } from "./facts_cache.ts";
import { loadFacts, saveFacts } from "./facts_file.ts";
import { type LogFacts, readLogFacts } from "./facts.ts";
import { listLogFiles, type LogFile } from "./log_files.ts";
import type { Directories } from "./locate.ts";
import { LogUnreadableError } from "./errors.ts";
import type { LockOwner } from "../platform/lock_table.ts";

/**
 * `active`: a worker owns it. `orphaned`: nobody does; the next worker on this host takes it up. `corrupt`:
 * set aside, or damaged in such a way that it will be. `archived`: in the archive.
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

/** `onProgress` is called after each file. */
export async function takeInventory(
  host: Pick<Host, "files" | "clock">,
  settings: Directories & { readonly dataDir: string },
  onProgress: (done: number, total: number) => Promise<void>,
): Promise<Inventory> {
  const { files, clock } = host;
  const found = await listLogFiles(host, settings);
  const locks = files.lockTable();
  const cachePath = `${settings.dataDir}/cache/ls.json`;
  const cache = await loadFacts<LogFacts>(files, cachePath);
  const logs: InventoryLog[] = [];
  for (const [index, file] of found.entries()) {
    // So that signals get a turn, also while everything is known from the last run.
    if (index % FILES_PER_TURN === FILES_PER_TURN - 1) await clock.sleep(0);
    const log = await lookAt(host, file, locks?.ownerOf(file), cache);
    if (log !== undefined) logs.push(log);
    await onProgress(index + 1, found.length);
  }
  cache.forgetUnseen();
  await saveFacts(files, cachePath, cache);
  return { logs, isOwnerKnown: locks !== undefined };
}

async function lookAt(
  { files, clock }: Pick<Host, "files" | "clock">,
  file: LogFile,
  owner: LockOwner | undefined,
  cache: FactsCache<LogFacts>,
): Promise<InventoryLog | undefined> {
  try {
    const facts = await cache.of(file, () => readLogFacts(files, file), clock.nowMs());
    return { file, state: stateOf(file, owner, facts), owner, facts, error: undefined };
  } catch (error) {
    // Archived, taken up or deleted since the directory was read.
    if (isGone(error)) return undefined;
    const { message } = unreadable(file.path, error);
    return { file, state: stateOf(file, owner, undefined), owner, facts: undefined, error: message };
  }
}

function unreadable(path: string, error: unknown): Error {
  return error instanceof LogUnreadableError ? error : LogUnreadableError.because(path, error);
}

/** Whether a log is not there any more, by what reading it threw. */
export function isGone(error: unknown): boolean {
  return isMissing(error) || (error instanceof Error && isMissing(error.cause));
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
