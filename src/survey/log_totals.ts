/**
 * What the logs of a directory hold that the server lacks, whoever writes them. Nothing is counted along:
 * this worker's open logs are asked, and all others are read from disk, so the numbers are right again after
 * any crash.
 *
 * A log is read once and then only after it has changed, so that looking at ten thousand of them again is a
 * matter of milliseconds.
 */
import { readFileName } from "../wal/file_names.ts";
import { isMissing } from "../platform/files.ts";
import type { Host } from "../platform/host.ts";
import { type ListedFile, listFiles } from "./directory.ts";
import { FactsCache } from "./facts_cache.ts";
import type { Pending } from "./log_tally.ts";

/** The logs of a directory that this worker did not have open. */
export interface OtherLogs {
  /** By path. */
  pending: ReadonlyMap<string, Pending>;
  /** Paths of those that another process has open. */
  locked: ReadonlySet<string>;
  quarantined: number;
  /** Length of all files. */
  directoryBytes: number;
  /** Paths of all files. */
  paths: ReadonlySet<string>;
}

export interface LogSurveyOptions {
  host: Pick<Host, "files" | "clock">;
  directory: string;
  isOwn(path: string): boolean;
  read(file: ListedFile): Promise<Pending>;
  /** A log that could not be read is left out. */
  onUnreadable(path: string, error: unknown): void;
}

export class LogSurvey {
  readonly #options: LogSurveyOptions;
  readonly #facts = new FactsCache<Pending | undefined>();

  constructor(options: LogSurveyOptions) {
    this.#options = options;
  }

  async run(): Promise<OtherLogs> {
    const { host, directory, isOwn } = this.#options;
    const files = await listFiles(host, directory);
    const locks = host.files.lockTable();
    const nowMs = host.clock.nowMs();
    const pending = new Map<string, Pending>();
    const locked = new Set<string>();
    for (const file of files) {
      // Under whatever name: what a worker leaves alone for its name waits for the server all the same.
      if (readFileName(file.name)?.kind !== "log" || isOwn(file.path)) continue;
      const found = await this.#facts.of(file, (changed) => this.#read(changed), nowMs);
      if (found === undefined) continue;
      pending.set(file.path, found);
      if (locks?.isLocked(file)) locked.add(file.path);
    }
    this.#facts.forgetUnseen();
    return {
      pending,
      locked,
      quarantined: files.filter(({ name }) => readFileName(name)?.kind === "quarantined").length,
      directoryBytes: files.reduce((total, { bytes }) => total + bytes, 0),
      paths: new Set(files.map(({ path }) => path)),
    };
  }

  /** Undefined when the log is gone, or cannot be read. */
  async #read(file: ListedFile): Promise<Pending | undefined> {
    try {
      return await this.#options.read(file);
    } catch (error) {
      if (!isMissing(error)) this.#options.onUnreadable(file.path, error);
      return undefined;
    }
  }
}

export interface LogTotals {
  events: number;
  bytes: number;
  oldestMs: number | undefined;
  active: number;
  orphaned: number;
  /** The log with the oldest event. */
  oldestPath: string | undefined;
}

/**
 * Adds up this worker's logs as they are now and all others as they were found. A log that was taken up since
 * counts as it is now. `isKept`: whether a log that nobody has open and of which the server has everything
 * lies there on purpose.
 */
export function totalLogs(
  own: Iterable<Pending & { path: string }>,
  others: OtherLogs,
  isKept: boolean,
): LogTotals {
  const totals: LogTotals = {
    events: 0,
    bytes: 0,
    oldestMs: undefined,
    oldestPath: undefined,
    active: 0,
    orphaned: 0,
  };
  const add = (path: string, { events, bytes, oldestMs }: Pending) => {
    totals.events += events;
    totals.bytes += bytes;
    if (oldestMs === undefined || oldestMs >= (totals.oldestMs ?? Infinity)) return;
    totals.oldestMs = oldestMs;
    totals.oldestPath = path;
  };
  const ownPaths = new Set<string>();
  for (const log of own) {
    ownPaths.add(log.path);
    add(log.path, log);
    totals.active++;
  }
  for (const [path, pending] of others.pending) {
    if (ownPaths.has(path)) continue;
    add(path, pending);
    if (others.locked.has(path)) totals.active++;
    else if (pending.events > 0 || !isKept) totals.orphaned++;
  }
  return totals;
}
