/**
 * What tests of the log have in common: its name, events whose content follows from their sequence, and what
 * a file holds.
 */
import type { Execution } from "../../src/wal/execution.ts";
import { Ledger } from "../../src/wal/ledger.ts";
import { Log, type LogOptions, type NewEvent, type OpenOptions } from "../../src/wal/log.ts";
import { Scanner } from "../../src/wal/scanner.ts";
import { ManualClock } from "./manual_clock.ts";
import { MemoryFiles } from "./memory_files.ts";

export const EXECUTION: Execution = {
  job_id: "job-1",
  execution: 1,
  queue: "default",
  server: "http://127.0.0.1:8080",
  worker: "test",
  version: "0.1.0",
  started_at_ms: 5,
};

/** Where `createLog` puts its log. */
export const PATH = "/wal/job-1.wal";

/** A limit for `pending` that nothing here reaches. */
export const ALL = { events: 1_000_000, bytes: 1e9 };

/** A disk with an empty directory for `PATH`. */
export function newDisk(): MemoryFiles {
  const files = new MemoryFiles();
  files.putDirectory("/wal");
  return files;
}

export function createLog(
  files: MemoryFiles,
  options: Partial<LogOptions> = {},
  names = ["job-1.wal", "job-1.2.wal"],
): Promise<Log> {
  return Log.create("/wal", names, EXECUTION, {
    files,
    clock: new ManualClock(),
    ...options,
  });
}

export function openLog(files: MemoryFiles, options: Partial<OpenOptions> = {}): Promise<Log> {
  return Log.open(PATH, { files, clock: new ManualClock(), ...options });
}

export function event(sequence: bigint | number, bytes = 20): NewEvent {
  return {
    sequence: BigInt(sequence),
    timestampMs: 1000 + Number(sequence),
    payload: new Uint8Array(bytes).fill(Number(sequence) % 250 + 1),
  };
}

export function sequences(events: readonly { sequence: bigint }[]): number[] {
  return events.map(({ sequence }) => Number(sequence));
}

/** The sequences of the events in a file's good part. */
export function eventsIn(bytes: Uint8Array): number[] {
  const ledger = new Ledger();
  return sequences(new Scanner().push(bytes).filter((record) => ledger.add(record) === "event"));
}

/** What a promise is rejected with; undefined when it is not. */
export function errorOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(() => undefined, (error) => error);
}
