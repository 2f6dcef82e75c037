/**
 * Puts records on stable storage: everything that waits goes out in one write and one sync, and an append is
 * answered only after the sync that covers it. While one group is at the disk the next one gathers.
 *
 * What keeps the file safe:
 * - `writtenBytes` is the end of the last record that was wholly written. A write that fails or stops short
 *   is undone by truncating to it, and everything that waits is turned away, so that records never change
 *   their order. If even that fails, the log is sealed.
 * - `durableBytes` moves only after a sync. A sync that failed may have lost any of the unsynced bytes, and a
 *   later one would hide that; so after the first failure the log is sealed for ever.
 */
import { type Clock } from "../platform/clock.ts";
import { isNoSpaceError, type LockedFile, writeAll } from "../platform/files.ts";
import { type Logger } from "../platform/logging/logger.ts";
import { LogSealedError, LogWriteError, reason } from "./errors.ts";
import { type NewRecord, RECORD_OVERHEAD_BYTES } from "./format.ts";
import { Group, type GroupEntry } from "./group.ts";
import { GroupMemory } from "./group_memory.ts";

/**
 * `always`: an append is durable when it resolves. `interval`: it is written then, and durable at most
 * `intervalMs` later.
 */
export type SyncMode = { mode: "always" } | { mode: "interval"; intervalMs: number };

/** An open log, as those see it who count. */
export interface OpenLog {
  readonly path: string;
  readonly counts: { readonly pending: number };
  /** Length of the pending events' records. */
  readonly pendingBytes: number;
  readonly oldestPendingTimestampMs: number | undefined;
}

/** Told what happened, for metrics. Called synchronously; none of these may throw. */
export interface LogObserver {
  opened?(log: OpenLog): void;
  /** The log is let go of; what it says about itself counts no more. */
  closed?(log: OpenLog): void;
  /** The log takes no more, for a reason that somebody has to look at. */
  sealed?(path: string): void;
  /** One append, from the call to its answer. */
  appended?(durationMs: number, recordBytes: number): void;
  /** One write of a whole group. */
  written?(durationMs: number, records: number, bytes: number): void;
  synced?(durationMs: number): void;
  writeFailed?(noSpace: boolean): void;
}

/** What the owner of the log adds and is told. None of them may throw. */
export interface CommitHooks {
  /** The sequence to acknowledge with the next write, or undefined when that was done already. */
  acknowledgement(): bigint | undefined;
  /** An acknowledgement lies at `offset` now. Called before `written`. */
  acknowledged(sequence: bigint, offset: number): void;
  /** A record lies at `offset` now. Called in file order, before its append resolves. */
  written(entry: GroupEntry, offset: number): void;
  /** `durableBytes` has moved. Called before the appends that it covers resolve. */
  durable(): void;
  /** Everything that waited was turned away. */
  turnedAway(): void;
}

export interface CommitOptions {
  path: string;
  sync: SyncMode;
  clock: Clock;
  logger: Logger;
  observe: LogObserver;
}

interface Flush {
  resolve(): void;
  reject(error: Error): void;
}

/**
 * Callers that were answered together come back within a few turns of the microtask queue. Waiting for them
 * costs nothing beside a sync and lets all of them into one group.
 */
const GATHERING_TURNS = 4;

export class GroupCommit {
  writtenBytes: number;
  durableBytes: number;
  /** Holds what gathers, and what was written last. */
  readonly memory = new GroupMemory();
  #sealed: Error | undefined;
  #gathering = new Group(this.memory);
  #spare: Group | undefined = new Group(this.memory);
  #flushes: Flush[] = [];
  #running = false;
  #syncDue = false;
  #closed: Promise<void> | undefined;
  #timer: AbortController | undefined;

  constructor(
    readonly file: LockedFile,
    durableBytes: number,
    readonly options: CommitOptions,
    readonly hooks: CommitHooks,
  ) {
    this.writtenBytes = durableBytes;
    this.durableBytes = durableBytes;
  }

  get sealed(): Error | undefined {
    return this.#sealed;
  }

  /** Resolves when the record is durable, or in interval mode written. The payload is copied at once. */
  append(record: NewRecord): Promise<void> {
    const refusal = this.#sealed ?? this.#refuseWhenClosed();
    if (refusal !== undefined) return Promise.reject(refusal);
    const promise = this.#gathering.add(record);
    this.#start();
    return promise;
  }

  /**
   * Resolves when what waits now, an acknowledgement included, was written, or had to be put off because the
   * disk is full.
   */
  flush(): Promise<void> {
    const refusal = this.#sealed ?? this.#refuseWhenClosed();
    if (refusal !== undefined) return Promise.reject(refusal);
    return this.#flush();
  }

  /** Resolves when all that was written is durable, as it is at once unless the mode is `interval`. */
  async sync(): Promise<void> {
    if (this.options.sync.mode === "always") return;
    // A group that was under way may take the sync for itself, and leave out what gathered meanwhile.
    do {
      this.#syncDue = true;
      await this.flush();
    } while (this.durableBytes < this.writtenBytes);
  }

  #flush(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#flushes.push({ resolve, reject });
    this.#start();
    return promise;
  }

  /** Writes what waits, syncs it in interval mode as well, and releases the file whatever happens. */
  close(): Promise<void> {
    this.#closed ??= this.#finish();
    return this.#closed;
  }

  async #finish(): Promise<void> {
    this.#timer?.abort();
    try {
      if (this.#sealed !== undefined) return;
      if (this.options.sync.mode === "interval") this.#syncDue = true;
      // A last acknowledgement that finds no room is sent again another day.
      await this.#flush();
    } finally {
      this.file.close();
    }
  }

  #refuseWhenClosed(): Error | undefined {
    return this.#closed === undefined ? undefined : new LogSealedError(this.options.path, "it was closed");
  }

  #start(): void {
    if (this.#running) return;
    this.#running = true;
    this.#run();
  }

  async #run(): Promise<void> {
    do {
      for (let turn = 0; turn < GATHERING_TURNS; turn++) await undefined;
      await this.#commit();
    } while (this.#sealed === undefined && this.#isWaiting());
    this.#running = false;
  }

  #isWaiting(): boolean {
    return this.#gathering.entries.length > 0 || this.#flushes.length > 0 || this.#syncDue;
  }

  async #commit(): Promise<void> {
    const group = this.#gathering;
    this.#gathering = this.#spare ?? new Group(this.memory);
    this.#spare = undefined;
    const flushes = this.#flushes;
    this.#flushes = [];
    try {
      if (await this.#write(group, flushes) && await this.#sync(group, flushes)) {
        for (const entry of group.entries) entry.resolve();
        for (const flush of flushes) flush.resolve();
      }
    } catch (error) {
      // A mistake of ours: nobody knows how far it got, so nobody is left waiting and nothing more is
      // written.
      this.#seal(`an unexpected error (${reason(error)})`, error, [...group.entries, ...flushes]);
    }
    group.clear();
    this.#spare = group;
  }

  /** Returns whether the group is written whole; else everybody who waited has been told. */
  async #write(group: Group, flushes: Flush[]): Promise<boolean> {
    const { clock, observe } = this.options;
    const acknowledgement = this.hooks.acknowledgement();
    const bytes = group.bytes(acknowledgement, BigInt(clock.nowMs()));
    if (bytes.length === 0) return true;
    const startMs = clock.elapsedMs();
    try {
      await writeAll(this.file, bytes);
    } catch (cause) {
      await this.#rollBack(group.entries, flushes, cause);
      return false;
    }
    observe.written?.(clock.elapsedMs() - startMs, group.entries.length, bytes.length);
    let offset = this.writtenBytes;
    // An acknowledgement alone is asked for by nobody.
    if (group.entries.length > 0 && this.memory.keep(bytes, offset)) group.memoryTaken();
    this.writtenBytes += bytes.length;
    if (acknowledgement !== undefined) {
      this.hooks.acknowledged(acknowledgement, offset);
      offset += RECORD_OVERHEAD_BYTES;
    }
    for (const entry of group.entries) {
      this.hooks.written(entry, offset);
      offset += RECORD_OVERHEAD_BYTES + entry.payloadBytes;
    }
    return true;
  }

  /** Returns whether the group is as durable as was asked for; else everybody who waited has been told. */
  async #sync(group: Group, flushes: Flush[]): Promise<boolean> {
    const { sync, clock, observe } = this.options;
    // An acknowledgement alone is not worth a sync: if it is lost, its events are sent again.
    if (sync.mode === "interval") {
      if (group.entries.length > 0) this.#startTimer(sync.intervalMs);
      if (!this.#syncDue) return true;
    } else if (group.entries.length === 0) {
      return true;
    }
    this.#syncDue = false;
    const startMs = clock.elapsedMs();
    try {
      await this.file.syncData();
    } catch (cause) {
      this.#seal(
        `syncing it failed (${reason(cause)}), and what was written since the last sync may be lost`,
        cause,
        [...group.entries, ...flushes],
      );
      return false;
    }
    observe.synced?.(clock.elapsedMs() - startMs);
    this.durableBytes = this.writtenBytes;
    this.hooks.durable();
    return true;
  }

  #startTimer(intervalMs: number): void {
    if (this.#timer !== undefined || this.#closed !== undefined) return;
    const timer = new AbortController();
    this.#timer = timer;
    this.options.clock.sleep(intervalMs, timer.signal).then(() => {
      this.#timer = undefined;
      if (timer.signal.aborted || this.#sealed !== undefined) return;
      this.#syncDue = true;
      this.#start();
    });
  }

  /**
   * Makes the file what it was before the group. A crash before this is done leaves a torn tail, which
   * opening cuts.
   */
  async #rollBack(entries: readonly GroupEntry[], flushes: readonly Flush[], cause: unknown): Promise<void> {
    const { path, logger, observe } = this.options;
    const noSpace = isNoSpaceError(cause);
    observe.writeFailed?.(noSpace);
    try {
      await this.file.truncate(this.writtenBytes);
    } catch (error) {
      this.#seal(
        `writing to it failed (${reason(cause)}) and so did undoing that (${reason(error)})`,
        new AggregateError([cause, error], "Write and rollback failed"),
        [...entries, ...flushes],
      );
      return;
    }
    const error = new LogWriteError(path, noSpace, { cause });
    logger.warn("Cannot write to WAL, rolled back", {
      path,
      offset: this.writtenBytes,
      reason: reason(cause),
    });
    this.hooks.turnedAway();
    // Those that gathered meanwhile are turned away as well: they must not overtake the ones that failed.
    for (const entry of [...entries, ...this.#gathering.entries]) entry.reject(error);
    this.#gathering.clear();
    // An acknowledgement stays owed and goes out with the next write; until then the server may be sent
    // things twice.
    for (const flush of flushes) flush.resolve();
  }

  #seal(what: string, cause: unknown, waiting: readonly Flush[]): void {
    const { path, logger } = this.options;
    const error = new LogSealedError(path, what, { cause });
    this.#sealed = error;
    this.#timer?.abort();
    logger.error("WAL sealed", { path, offset: this.durableBytes, reason: what });
    this.options.observe.sealed?.(path);
    this.hooks.turnedAway();
    for (const one of [...waiting, ...this.#gathering.entries, ...this.#flushes]) one.reject(error);
    this.#gathering.clear();
    this.#flushes = [];
  }
}
