/**
 * The write-ahead log of one execution, and the only thing that ever writes one. An event is on stable
 * storage when `append` resolves; it is pending until `acknowledge` says that the server has stored it, or
 * `fail` that it was given up.
 *
 *     const log = await Log.create(directory, logNames(jobId), execution, { files, clock });
 *     await log.append({ sequence: 1n, timestampMs, payload });
 *     const events = await log.pending({ events: 100, bytes: 256 * 1024 });
 *     // … the server answers …
 *     await log.acknowledge(events);
 *     await log.close();
 */
import type { Clock } from "../platform/clock.ts";
import type { Files } from "../platform/files.ts";
import { type Logger, silentLogger } from "../platform/logging/logger.ts";
import { Backlog } from "./backlog.ts";
import { type CompletionMark, completionRecord } from "./completion.ts";
import { LogWriteError } from "./errors.ts";
import { type ChecksummedRange, EventsChecksum } from "./events_checksum.ts";
import { encodeFailure, type Execution, executionRecord, type Failure } from "./execution.ts";
import { type PayloadWriter, RECORD_OVERHEAD_BYTES, Status, type WalRecord } from "./format.ts";
import type { GroupEntry } from "./group.ts";
import { GroupCommit, type LogObserver, type OpenLog, type SyncMode } from "./group_commit.ts";
import type { RecordKind } from "./ledger.ts";
import { createLogFile, openLogFile, type ReadyFile } from "./log_file.ts";
import { type PendingEvent, type PendingLimit, PendingReader } from "./pending_reader.ts";
import { type IsWanted, selectEvents } from "./selection.ts";

export type { LogObserver, OpenLog, PayloadWriter, PendingEvent, PendingLimit, SyncMode };
export * from "./errors.ts";

export interface LogOptions {
  files: Files;
  clock: Clock;
  logger?: Logger;
  /** Default: `always`. */
  sync?: SyncMode;
  observe?: LogObserver;
}

export interface OpenOptions extends LogOptions {
  onRecord?(record: WalRecord, kind: RecordKind): void;
  /**
   * Which events of the file count as pending while it is open here; without it, those that are. What is
   * pending and not wanted stays so, and nothing that it would have to be acknowledged with is recorded as
   * sent.
   */
  isWanted?: IsWanted;
}

export interface LogCounts {
  pending: number;
  sent: number;
  failed: number;
  events: number;
  bytes: number;
}

export interface NewEvent {
  sequence: bigint;
  timestampMs: number;
  /** Copied, or written, before `append` returns. */
  payload: Uint8Array | PayloadWriter;
}

export class Log {
  readonly path: string;
  /** By the log's latest execution record. */
  readonly execution: Execution | undefined;
  /** Whether a server made that execution anew from this log, which it did not know before. */
  readonly isAdopted: boolean;
  /** What tells this log from every other one; undefined for one without records. */
  readonly origin: Uint8Array<ArrayBuffer> | undefined;
  #clock: Clock;
  #observe: LogObserver;
  #logger: Logger;
  #counts: Omit<LogCounts, "bytes">;
  /** Pending events that are durable: only these are given out. */
  #durablePending: number;
  #pendingBytes: number;
  #lastSequence: bigint;
  /** The last sequence that was taken, be it written by now or not. */
  #queuedSequence: bigint;
  #acknowledgedSequence: bigint | undefined;
  #backlog: Backlog;
  #commit: GroupCommit;
  #reader: PendingReader;
  #waiting = new Set<() => void>();
  #reopened: ReadonlySet<bigint>;
  /** Over all events, of a log that was made here and not opened. */
  #checksum: EventsChecksum | undefined;
  #closed: Promise<void> | undefined;
  /** The end of the queue of calls that use the backlog across an await. */
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(
    { path, file, bytes, ledger, pendingBytes, execution, isAdopted, origin }: ReadyFile,
    options: OpenOptions,
  ) {
    const { logger = silentLogger, sync = { mode: "always" }, clock, observe = {} } = options;
    this.path = path;
    this.execution = execution;
    this.isAdopted = isAdopted;
    this.origin = origin;
    this.#clock = clock;
    this.#observe = observe;
    this.#logger = logger;
    const { counts, pending, leftOut, reopened } = selectEvents(ledger, options.isWanted);
    this.#counts = counts;
    this.#durablePending = counts.pending;
    this.#reopened = reopened;
    this.#pendingBytes = pendingBytes;
    // Sequences start at 1; another writer's may lie below.
    const highest = ledger.highestSequence ?? 0n;
    this.#lastSequence = this.#queuedSequence = highest > 0n ? highest : 0n;
    this.#backlog = new Backlog(pending, bytes, leftOut);
    this.#commit = new GroupCommit(file, bytes, { path, sync, clock, logger, observe }, {
      acknowledgement: () => {
        const sequence = this.#backlog.acknowledgeable;
        return sequence === this.#acknowledgedSequence ? undefined : sequence;
      },
      acknowledged: (sequence, offset) => {
        this.#acknowledgedSequence = sequence;
        this.#reader.wrote({ offset, sequence, status: Status.SENT, timestampMs: 0n, payloadBytes: 0 });
      },
      written: (entry, offset) => this.#written(entry, offset),
      durable: () => this.#durable(),
      turnedAway: () => this.#queuedSequence = this.#lastSequence,
    });
    const durableBytes = () => this.#commit.durableBytes;
    this.#reader = new PendingReader(path, file, this.#backlog, this.#commit.memory, durableBytes);
  }

  /**
   * Makes a log under the first of `names` that no file has yet. When this resolves, it survives a power cut.
   * @throws {LogWriteError} when it cannot be written; nothing is left behind then
   */
  static async create(
    directory: string,
    names: Iterable<string>,
    execution: Execution,
    options: LogOptions,
  ): Promise<Log> {
    const { files, logger = silentLogger, clock, observe } = options;
    try {
      const made = await createLogFile({ files, logger }, directory, names, execution, clock.nowMs());
      const log = new Log(made, options);
      log.#checksum = new EventsChecksum();
      return log.#opened();
    } catch (error) {
      if (error instanceof LogWriteError) observe?.writeFailed?.(error.noSpace);
      throw error;
    }
  }

  /**
   * Opens an existing log, recovers it, and goes on where it ends. `onRecord` is told of each good record
   * first, even if the log is then found to be damaged; a payload is valid until it returns.
   * @throws {LogLockedError} when somebody else is writing it
   * @throws {LogQuarantinedError} when it is damaged in a way that is no crash's; it was renamed then
   * @throws {NotFound} and the like when it cannot be opened
   */
  static async open(
    path: string,
    options: OpenOptions,
  ): Promise<Log> {
    const { files, logger = silentLogger } = options;
    const onRecord = options.onRecord?.bind(options);
    const log = new Log(await openLogFile({ files, logger }, path, onRecord), options);
    try {
      await log.#exclusively(() => log.#reader.findOldest(log.#durablePending));
    } catch (error) {
      await log.close();
      throw error;
    }
    return log.#opened();
  }

  #opened(): this {
    this.#observe.opened?.(this);
    return this;
  }

  /** The highest sequence in the log; 0 when it holds no event. */
  get lastSequence(): bigint {
    return this.#lastSequence;
  }

  get counts(): LogCounts {
    return { ...this.#counts, bytes: this.#commit.writtenBytes };
  }

  /** Length of the pending events' records. */
  get pendingBytes(): number {
    return this.#counts.pending > 0 ? this.#pendingBytes : 0;
  }

  /** When the oldest pending event happened, Unix milliseconds. */
  get oldestPendingTimestampMs(): number | undefined {
    return this.#counts.pending > 0 ? this.#reader.oldestTimestampMs : undefined;
  }

  /**
   * The checksums of all events that were written and not given up, as a server that has them all would
   * compute them. Undefined when they are not known, because the log was opened or events have failed: then
   * `StoredEvents` reads them.
   */
  get checksummedRanges(): ChecksummedRange[] | undefined {
    return this.#counts.failed > 0 ? undefined : this.#checksum?.ranges();
  }

  /** Why the log takes no more; undefined while it does. */
  get sealed(): Error | undefined {
    return this.#commit.sealed;
  }

  /**
   * Resolves when the event is on stable storage (in interval mode: when it is written). The payload is
   * copied at once. Appends may be outstanding in any number; they are written in the order of the calls.
   * @throws {RangeError} when the sequence does not rise, or the event does not fit the format
   * @throws {LogWriteError} when it could not be written: the event is not in the log, and may be appended
   * again
   * @throws {LogSealedError} when the log takes no more
   */
  append({ sequence, timestampMs, payload }: NewEvent): Promise<void> {
    if (sequence <= this.#queuedSequence) {
      return Promise.reject(
        new RangeError(
          `Cannot append event ${sequence} to ${this.path}: sequences must rise, and the last was ${this.#queuedSequence}`,
        ),
      );
    }
    if (!Number.isSafeInteger(timestampMs)) {
      return Promise.reject(
        new RangeError(`Cannot append event ${sequence}: its timestamp ${timestampMs} is not a whole number`),
      );
    }
    const startMs = this.#clock.elapsedMs();
    let answer: Promise<void>;
    try {
      answer = this.#commit.append({
        sequence,
        status: Status.PENDING,
        timestampMs: BigInt(timestampMs),
        payload,
      });
    } catch (error) {
      return Promise.reject(error);
    }
    if (this.#commit.sealed === undefined) this.#queuedSequence = sequence;
    const { appended } = this.#observe;
    return appended === undefined
      ? answer
      : answer.then(() => appended(this.#clock.elapsedMs() - startMs, payload.length));
  }

  /**
   * Resolves when every event that was appended is on stable storage, and so among what `pending` gives. In
   * interval mode that is sooner than by itself; whoever wants to know that nothing is pending has to ask for
   * it first.
   * @throws {LogSealedError} when the log takes no more
   */
  sync(): Promise<void> {
    return this.#commit.sync();
  }

  /**
   * The oldest pending events in file order: as many as `limit` allows or a few less, and at least one if any
   * is pending. They stay pending, and are given out again, until they are acknowledged or failed; their
   * payloads are there no longer than that.
   * @throws {LogReadError} when they do not read back as they were written
   */
  pending(limit: PendingLimit): Promise<PendingEvent[]> {
    return this.#exclusively(() =>
      this.#closed === undefined ? this.#reader.read(limit) : Promise.resolve([])
    );
  }

  /**
   * Resolves when something is pending, when the log is closed, or when `signal` aborts: look which it was.
   */
  waitForPending(signal?: AbortSignal): Promise<void> {
    if (this.#durablePending > 0 || this.#closed !== undefined || signal?.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = () => {
        this.#waiting.delete(wake);
        signal?.removeEventListener("abort", wake);
        resolve();
      };
      this.#waiting.add(wake);
      signal?.addEventListener("abort", wake);
    });
  }

  /**
   * The server has stored exactly these events, which `pending` gave. Resolves when that is written,
   * unsynced: if it is lost, the events are sent again. On a full disk it is written later.
   * @throws {RangeError} when `pending` did not give one of them
   * @throws {LogSealedError} when the log takes no more
   */
  async acknowledge(events: readonly PendingEvent[]): Promise<void> {
    if (this.#commit.sealed !== undefined) throw this.#commit.sealed;
    await this.#exclusively(async () => {
      for (const event of events) {
        const count = this.#backlog.settleStored(event);
        this.#counts.pending -= count;
        this.#counts.sent += count;
        this.#durablePending -= count;
        this.#pendingBytes -= count * event.length;
        // The next acknowledgement would cover it only if it had not failed.
        if (this.#reopened.has(event.sequence)) await this.#commit.flush();
      }
      this.#reader.settled();
      await Promise.all([this.#commit.flush(), this.#reader.findOldest(this.#durablePending)]);
    });
  }

  /**
   * The event, which `pending` gave, was given up; durably so when this resolves.
   * @throws as `append`; the event is pending still then
   */
  fail(event: PendingEvent, reason: Failure): Promise<void> {
    return this.#exclusively(async () => {
      if (!this.#backlog.isPending(event.offset)) {
        // Throws when it was never given out, and is nothing to do when it is settled.
        this.#backlog.settleFailed(event);
        return;
      }
      await this.#commit.append({
        sequence: event.sequence,
        status: Status.FAILED,
        timestampMs: BigInt(this.#clock.nowMs()),
        payload: encodeFailure(reason),
      });
      const { pending, stored } = this.#backlog.settleFailed(event);
      this.#counts.pending -= pending;
      this.#counts.sent -= stored;
      this.#counts.failed += pending + stored;
      this.#durablePending -= pending;
      // Another writer may have recorded a sequence more than once: those records are taken to be as long as
      // this one.
      this.#pendingBytes = Math.max(0, this.#pendingBytes - pending * event.length);
      this.#reader.settled();
      // What was stored after the event can be acknowledged only now.
      await Promise.all([this.#commit.flush(), this.#reader.findOldest(this.#durablePending)]);
    });
  }

  /**
   * The job's end is settled with the server; on stable storage when this resolves.
   * @throws as `append`; the log does not say so then
   */
  settleCompletion(mark: CompletionMark): Promise<void> {
    return this.#commit.append(completionRecord(mark, BigInt(this.#clock.nowMs())));
  }

  /**
   * A server has adopted the execution, and gave it the token that `execution` has; on stable storage when
   * this resolves. Every event is pending from then on for whoever opens the log next; here nothing changes,
   * so close it.
   * @throws as `append`; the log does not say so then
   */
  adopt(execution: Execution & { task_token: string }): Promise<void> {
    return this.#commit.append(executionRecord(execution, BigInt(this.#clock.nowMs())));
  }

  /** Waits for what is queued, and releases the lock. */
  close(): Promise<void> {
    this.#closed ??= this.#turn.then(() => this.#commit.close()).finally(() => this.#observe.closed?.(this));
    for (const wake of [...this.#waiting]) wake();
    return this.#closed;
  }

  /** One call after the other; one that fails does not keep the next from its turn. */
  #exclusively<T>(act: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(act);
    this.#turn = result.catch(() => {});
    return result;
  }

  #written(entry: GroupEntry, offset: number): void {
    this.#reader.wrote({ ...entry, offset });
    if (entry.status !== Status.PENDING) return;
    this.#checksum?.addWritten(entry);
    this.#counts.events++;
    this.#counts.pending++;
    this.#pendingBytes += RECORD_OVERHEAD_BYTES + entry.payloadBytes;
    this.#lastSequence = entry.sequence;
    this.#logger.debug("Appending record", { sequence: entry.sequence, offset });
  }

  #durable(): void {
    this.#reader.synced();
    this.#durablePending = this.#counts.pending;
    if (this.#durablePending > 0) { for (const wake of [...this.#waiting]) wake(); }
  }
}
