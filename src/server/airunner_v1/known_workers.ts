/**
 * The workers that an operator may want to see: those that are registered, and those that were within the
 * last day, whom the store remembers over a restart.
 */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { ConnectedWorkerSchema } from "../../events/gen/airunner/v1/airunner_pb.ts";
import type { Clock } from "../../platform/clock.ts";
import type { Logger } from "../../platform/logging/logger.ts";
import type { StoredWorker, WorkerStore } from "../store/contract.ts";
import type { Watch, Watches } from "./watches.ts";

/** For how long a worker that is gone is listed. */
const REMEMBERED_MS = 24 * 3_600_000;
/**
 * How often a worker that stays connected is written down: what a restart makes the list forget of its last
 * sign of life is at most that.
 */
const RECORD_INTERVAL_MS = 60_000;
/**
 * Of the workers that are gone, those that were seen last: one that fails at every start makes thousands a
 * day.
 */
const GONE_MAX = 1_000;
/**
 * A worker of ours runs no more at a time. With the ids of more, the list would be larger than the 64 MiB
 * that clients take.
 */
const LISTED_JOBS_MAX = 256;

export class KnownWorkers {
  readonly #store: WorkerStore;
  readonly #watches: Watches;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #recordedAtMs = new Map<string, number>();
  /** Ends when all that was to be written is: a later state never overtakes an earlier one. */
  #written: Promise<void> = Promise.resolve();

  constructor(options: { workers: WorkerStore; watches: Watches; clock: Clock; logger: Logger }) {
    this.#store = options.workers;
    this.#watches = options.watches;
    this.#clock = options.clock;
    this.#logger = options.logger;
  }

  /** Writes a worker down that has come, or is still there, unless that was done a moment ago. */
  present(watch: Watch): void {
    const { id } = watch.registration.worker;
    const nowMs = this.#clock.nowMs();
    if (nowMs - (this.#recordedAtMs.get(id) ?? -Infinity) < RECORD_INTERVAL_MS) return;
    this.#recordedAtMs.set(id, nowMs);
    this.#record(watch, true);
  }

  /** Writes down that a worker is gone: none of its calls is open any more. */
  gone(watch: Watch): void {
    this.#recordedAtMs.delete(watch.registration.worker.id);
    this.#record(watch, false);
  }

  /** Resolves when everything is written that was to be. */
  settled(): Promise<void> {
    return this.#written;
  }

  /** By name. */
  async list(): Promise<MessageInitShape<typeof ConnectedWorkerSchema>[]> {
    const stored = await this.#store.workers(this.#clock.nowMs() - REMEMBERED_MS);
    // What the store says of connections is from before: only who has a call open is connected.
    const connected = this.#watches.latest().map((watch) => toStored(watch, true));
    const ids = new Set(connected.map(({ id }) => id));
    const gone = stored.filter(({ id }) => !ids.has(id))
      .sort((a, b) => b.lastSeenAtMs - a.lastSeenAtMs)
      .slice(0, GONE_MAX)
      .map((worker) => ({ ...worker, isConnected: false }));
    return [...connected, ...gone].sort(byName).map(workerMessage);
  }

  #record(watch: Watch, isConnected: boolean): void {
    const { lastSeenAtMs, ...worker } = toStored(watch, isConnected);
    this.#written = this.#written.then(() => this.#store.seen(worker, lastSeenAtMs)).catch((error) =>
      // Nothing hangs on it: the list of workers that are gone is a help for people.
      this.#logger.warn("Cannot write down that a worker was seen", {
        worker: worker.name,
        error: (error as Error).message,
      })
    );
  }
}

function toStored(watch: Watch, isConnected: boolean): StoredWorker {
  const { worker, subjects } = watch.registration;
  return {
    ...worker,
    connectedAtMs: watch.connectedAtMs,
    lastSeenAtMs: watch.lastSeenAtMs,
    // A worker that is gone runs nothing that anybody knows of.
    jobIds: isConnected ? [...new Set(subjects.map(({ jobId }) => jobId))] : [],
    isConnected,
  };
}

function byName(a: StoredWorker, b: StoredWorker): number {
  return compare(a.name, b.name) || b.lastSeenAtMs - a.lastSeenAtMs || compare(a.id, b.id);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function workerMessage(worker: StoredWorker): MessageInitShape<typeof ConnectedWorkerSchema> {
  const { id, name, version, queue, concurrency, jobIds } = worker;
  return {
    worker: { id, name, version, queue, concurrency },
    isConnected: worker.isConnected,
    connectedAt: timestampFromMs(worker.connectedAtMs),
    lastSeenAt: timestampFromMs(worker.lastSeenAtMs),
    jobIds: jobIds.slice(0, LISTED_JOBS_MAX),
  };
}
