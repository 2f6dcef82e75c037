/**
 * The server's parts below its services, on a database of their own: for tests that need no sockets.
 */
import { join } from "node:path";
import { silentLogger } from "../../src/platform/logging/logger.ts";
import { Database } from "../../src/server/store/sqlite/database.ts";
import { type EventFilter, EventStore, type NewEvent } from "../../src/server/store/sqlite/event_store.ts";
import { JobQueue } from "../../src/server/job_queue.ts";
import type { Claim } from "../../src/server/store/contract.ts";
import { Store } from "../../src/server/store/sqlite/store.ts";
import { WakeUps } from "../../src/server/subscriptions.ts";
import { createUuid7 } from "../../src/server/uuid7.ts";
import { ManualClock } from "./manual_clock.ts";
import { systemRandomBytes } from "../../src/platform/system_random.ts";

export class TestStore implements Disposable {
  readonly directory = Deno.makeTempDirSync({ prefix: "airunner-store-" });
  readonly path = join(this.directory, "server.db");
  readonly database = new Database(this.path);
  readonly store = new Store(this.database);
  readonly events = new EventStore(this.database);
  readonly clock = new ManualClock();
  readonly wakeUps = new WakeUps();
  readonly queue = new JobQueue({
    store: this.store,
    wakeUps: this.wakeUps,
    clock: this.clock,
    logger: silentLogger,
  });
  readonly #newJobId = createUuid7(() => this.clock.nowMs(), systemRandomBytes);

  enqueue(queue = "default", requestId = ""): string {
    const job = { jobId: this.#newJobId(), requestId, queue, params: new Uint8Array([1]) };
    return this.queue.enqueue(job).jobId;
  }

  /** Claims the queue's first job for ten seconds. */
  claim(queue = "default"): Claim {
    const claim = this.queue.claim(queue, 10_000);
    if (!claim) throw new Error(`Nothing waits in queue ${queue}`);
    return claim;
  }

  publish(claim: Claim, ...sequences: number[]) {
    const events = sequences.map((sequence) => storedEvent(sequence));
    const [outcome] = this.events.append([{ executionId: claim.executionId, events }]);
    this.wakeUps.wake(claim.job.jobId);
    return outcome;
  }

  [Symbol.dispose](): void {
    this.database.close();
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
