/**
 * The workers that are registered with this server at the moment: one open Watch call each, or two while a
 * worker changes from one to the next. All of it lives in this process's memory, since a call does; what is
 * known of workers beyond that is in the store.
 */
import { Code, ConnectError } from "@connectrpc/connect";
import type { Topic } from "../signals.ts";
import type { TokenSubject } from "../task_token.ts";

/** Each has a connection of its own, and this is how many of these a server takes unless told otherwise. */
export const WATCHES_MAX = 4_000;
/**
 * A worker has two for a moment. One whose connection broke without a word leaves the old one behind, which
 * is noticed when what is written to it is not acknowledged: up to a quarter of an hour later.
 */
export const WATCHES_PER_WORKER_MAX = 8;

export interface WorkerIdentity {
  id: string;
  name: string;
  version: string;
  queue: string;
  concurrency: number;
}

export interface Registration {
  worker: WorkerIdentity;
  /** The executions that the worker runs. */
  subjects: readonly TokenSubject[];
}

/** One open call. */
export class Watch {
  readonly registration: Registration;
  /** Since when the worker has had a call open, this one or those before it. Milliseconds since 1970. */
  readonly connectedAtMs: number;
  /**
   * When a call last came from the worker, this one or another. What the connection takes proves nothing: the
   * kernel takes it for a host that lost its power, too.
   */
  lastSeenAtMs: number;
  /** Aborts when newer calls of the worker took this one's place. */
  readonly replaced = new AbortController();
  #nap = new AbortController();

  constructor(registration: Registration, connectedAtMs: number, nowMs: number) {
    this.registration = registration;
    this.connectedAtMs = connectedAtMs;
    this.lastSeenAtMs = nowMs;
  }

  /** A signal that aborts at the next `wake`. To be taken before looking, so that no wake-up is missed. */
  napping(): AbortSignal {
    this.#nap = new AbortController();
    return this.#nap.signal;
  }

  /** Says "look again", and carries nothing. */
  wake(): void {
    this.#nap.abort();
  }
}

export class Watches {
  readonly #byWorker = new Map<string, Watch[]>();
  readonly #byJob = new Map<string, Set<Watch>>();
  #size = 0;

  /** `cancellations`: news of jobs that were cancelled, here or on another server of the same database. */
  constructor(cancellations: Topic) {
    cancellations.listen((jobId) => this.#wake(jobId));
  }

  /** How many calls are open. */
  get size(): number {
    return this.#size;
  }

  /** How many workers are registered. */
  get workerCount(): number {
    return this.#byWorker.size;
  }

  /** @throws ConnectError, resource_exhausted, when there are too many. */
  open(registration: Registration, nowMs: number): Watch {
    if (this.#size >= WATCHES_MAX) {
      throw new ConnectError(
        `${WATCHES_MAX} workers are registered, which is as many as this server takes; it hands out jobs all ` +
          `the same, but tells of no cancellation`,
        Code.ResourceExhausted,
      );
    }
    const { id } = registration.worker;
    const watches = this.#byWorker.get(id) ?? [];
    const watch = new Watch(registration, watches.at(-1)?.connectedAtMs ?? nowMs, nowMs);
    if (watches.length >= WATCHES_PER_WORKER_MAX) this.#replace(watches[0]!);
    this.#byWorker.set(id, [...this.#byWorker.get(id) ?? [], watch]);
    for (const { jobId } of registration.subjects) {
      const ofJob = this.#byJob.get(jobId) ?? new Set();
      this.#byJob.set(jobId, ofJob.add(watch));
    }
    this.#size++;
    return watch;
  }

  /** Gives whether the call was its worker's last one. Does nothing when it was closed before. */
  close(watch: Watch): { isLast: boolean } {
    const { worker: { id }, subjects } = watch.registration;
    const watches = this.#byWorker.get(id) ?? [];
    if (!watches.includes(watch)) return { isLast: false };
    this.#size--;
    const others = watches.filter((one) => one !== watch);
    if (others.length > 0) this.#byWorker.set(id, others);
    else this.#byWorker.delete(id);
    for (const { jobId } of subjects) {
      const ofJob = this.#byJob.get(jobId);
      ofJob?.delete(watch);
      if (ofJob?.size === 0) this.#byJob.delete(jobId);
    }
    return { isLast: others.length === 0 };
  }

  /** Whether a worker is registered that says that it runs this execution. */
  isHeard(subject: TokenSubject): boolean {
    return this.#running(subject).length > 0;
  }

  /** A call came from the worker with this id. */
  heardOf(workerId: string, nowMs: number): void {
    for (const watch of this.#byWorker.get(workerId) ?? []) watch.lastSeenAtMs = nowMs;
  }

  /** A call came from whoever runs this execution. */
  heardOfExecution(subject: TokenSubject, nowMs: number): void {
    for (const watch of this.#running(subject)) watch.lastSeenAtMs = nowMs;
  }

  /** Of each worker its latest call, which says what it runs now. */
  latest(): Watch[] {
    return [...this.#byWorker.values()].map((watches) => watches.at(-1)!);
  }

  #running({ jobId, execution }: TokenSubject): Watch[] {
    return [...this.#byJob.get(jobId) ?? []].filter(({ registration }) =>
      registration.subjects.some((subject) => subject.jobId === jobId && subject.execution === execution)
    );
  }

  /** Has whoever runs the job look whether its execution is to be cancelled. */
  #wake(jobId: string): void {
    for (const watch of [...this.#byJob.get(jobId) ?? []]) watch.wake();
  }

  #replace(watch: Watch): void {
    this.close(watch);
    watch.replaced.abort(
      new ConnectError(
        `Newer calls of the same worker took this one's place; a worker needs one, and at most ` +
          `${WATCHES_PER_WORKER_MAX} are kept`,
        Code.Aborted,
      ),
    );
  }
}
