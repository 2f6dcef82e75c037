/**
 * The server's parts below its services, on a database of their own: for tests that need no sockets.
 */
import { join } from "node:path";
import { silentLogger } from "../../src/platform/logging/logger.ts";
import { systemNextTurn } from "../../src/platform/system_clock.ts";
import { systemFiles } from "../../src/platform/system_files.ts";
import { systemRandomBytes } from "../../src/platform/system_random.ts";
import { JobQueue } from "../../src/server/job_queue.ts";
import { LocalSignals } from "../../src/server/signals.ts";
import type { Claim, EventFilter, NewEvent } from "../../src/server/store/contract.ts";
import { SqliteStore } from "../../src/server/store/sqlite/sqlite_store.ts";
import { createUuid7 } from "../../src/server/uuid7.ts";
import { ManualClock } from "./manual_clock.ts";

export class TestStore implements AsyncDisposable {
  readonly directory = Deno.makeTempDirSync({ prefix: "airunner-store-" });
  readonly path = join(this.directory, "server.db");
  readonly store = new SqliteStore(this.path, { files: systemFiles, nextTurn: systemNextTurn });
  readonly jobs = this.store.jobs;
  readonly events = this.store.events;
  readonly clock = new ManualClock();
  readonly signals = new LocalSignals();
  readonly queue = new JobQueue({
    store: this.jobs,
    signals: this.signals,
    clock: this.clock,
    logger: silentLogger,
  });
  readonly #newJobId = createUuid7(() => this.clock.nowMs(), systemRandomBytes);

  enqueue(queue = "default", requestId = ""): Promise<string> {
    return this.enqueueOn(this.queue, queue, requestId);
  }

  async enqueueOn(jobQueue: JobQueue, queue = "default", requestId = ""): Promise<string> {
    const job = { jobId: this.#newJobId(), requestId, queue, params: new Uint8Array([1]) };
    return (await jobQueue.enqueue(job)).jobId;
  }

  /** Claims the queue's first job for ten seconds. */
  async claim(queue = "default"): Promise<Claim> {
    const claim = await this.queue.claim({ queue, visibilityMs: 10_000, worker: "" });
    if (!claim) throw new Error(`Nothing waits in queue ${queue}`);
    return claim;
  }

  async publish(claim: Claim, ...sequences: number[]) {
    const events = sequences.map((sequence) => storedEvent(sequence));
    const batch = { executionId: claim.executionId, events };
    const [outcome] = await this.events.append([batch], this.clock.nowMs());
    this.signals.events.signal(claim.job.jobId);
    return outcome;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.store.close();
    Deno.removeSync(this.directory, { recursive: true });
  }
}

export const everything: EventFilter = { fromSequence: 1n, fromTimestampMs: undefined, types: [] };

/** An event whose payload is its sequence in text, with type 5, a second after the one before it. */
export function storedEvent(sequence: number, type = 5): NewEvent {
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
