/**
 * A store for one test, with short ways to say what happens to it.
 */
import { create, toBinary } from "@bufbuild/protobuf";
import { JobParamsSchema } from "../../../src/events/gen/job/v1/job_pb.ts";
import type {
  Adoption,
  Claim,
  EventFilter,
  JobStore,
  NewEvent,
  NewJob,
  SearchFilter,
  Store,
} from "../../../src/server/store/contract.ts";

/** An empty database. */
export interface OpenedStores extends AsyncDisposable {
  readonly store: Store;
  /** The same database as another server has it; where only one may have it, that one. */
  readonly other: Store;
}

export type OpenStores = () => Promise<OpenedStores>;

/** What proves each promise, by its name, which is a sentence. */
export type StorePromises = Record<string, (fixture: Fixture) => Promise<void>>;

export const success = { success: true, bytes: new Uint8Array([7]) };
export const failure = { success: false, bytes: new Uint8Array([8]) };

export const VISIBILITY_MS = 10_000;

export class Fixture implements AsyncDisposable {
  readonly store: Store;
  readonly other: Store;
  readonly #opened: OpenedStores;
  nowMs = 1_700_000_000_000;
  #jobs = 0;

  constructor(opened: OpenedStores) {
    this.#opened = opened;
    this.store = opened.store;
    this.other = opened.other;
  }

  get jobs(): JobStore {
    return this.store.jobs;
  }

  /** Returns the job's id; ids rise. */
  async enqueue(queue = "default", more: Partial<NewJob> = {}): Promise<string> {
    const jobId = `job-${String(++this.#jobs).padStart(4, "0")}`;
    const { job } = await this.jobs.enqueue(
      { jobId, requestId: "", queue, params: params("true"), ...more },
      this.nowMs,
    );
    return job.jobId;
  }

  /** The queue's first job, for ten seconds. */
  async claim(queue = "default", worker = ""): Promise<Claim> {
    const claim = await this.jobs.dequeue(queue, VISIBILITY_MS, worker, this.nowMs);
    if (!claim) throw new Error(`Nothing waits in queue ${queue}`);
    return claim;
  }

  /** A job that runs. */
  async running(queue = "default"): Promise<Claim> {
    await this.enqueue(queue);
    return await this.claim(queue);
  }

  async append(executionId: bigint, ...events: (number | NewEvent)[]) {
    const batch = {
      executionId,
      events: events.map((event) => typeof event === "number" ? eventOf(event) : event),
    };
    const [outcome] = await this.store.events.append([batch], this.nowMs);
    return outcome!;
  }

  /** All of an execution's events, in the order of their sequences, as `eventOf` made them. */
  async history(executionId: bigint, filter: Partial<EventFilter> = {}): Promise<number[]> {
    const until = await this.store.events.lastArrival(executionId);
    const page = await this.store.events.history(executionId, { ...everything, ...filter }, 0n, until);
    return sequencesOf(page.payloads);
  }

  async search(filter: Partial<SearchFilter> = {}) {
    return await this.jobs.search({ ...everyJob, ...filter });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#opened[Symbol.asyncDispose]();
  }
}

export const everything: EventFilter = { fromSequence: 1n, fromTimestampMs: undefined, types: [] };

const everyJob: SearchFilter = {
  queue: "",
  states: [],
  text: "",
  metadata: {},
  createdFromMs: undefined,
  createdBeforeMs: undefined,
  pageSize: 50,
  before: undefined,
};

/** A JobParams message. */
export function params(
  command: string,
  args: string[] = [],
  metadata: Record<string, string> = {},
): Uint8Array {
  return toBinary(JobParamsSchema, create(JobParamsSchema, { command, args, metadata }));
}

export function adoption(more: Partial<Adoption> = {}): Adoption {
  return {
    jobId: "elsewhere",
    execution: 1,
    queue: "default",
    params: params("make", ["all"]),
    startedAtMs: 1_600_000_000_000,
    worker: "host-a",
    logId: "log-a",
    ...more,
  };
}

/** An event whose payload is its sequence in text, with type 5, a second after the one before it. */
export function eventOf(sequence: number, type = 5): NewEvent {
  return {
    sequence: BigInt(sequence),
    timestampMs: BigInt(sequence * 1_000),
    type,
    payload: new TextEncoder().encode(String(sequence)),
  };
}

export function sequencesOf(payloads: readonly Uint8Array[]): number[] {
  return payloads.map((payload) => Number(new TextDecoder().decode(payload)));
}
