/**
 * Measures how long the disk takes to make a little data durable, as it must for each append.
 */
import type { Clock } from "../../platform/clock.ts";
import type { SyncFacts } from "./probe.ts";

/** Enough for a p99, and some tens of milliseconds on a good disk. */
const SAMPLES_MAX = 200;
/** As much as a small group of output events. */
const WRITE_BYTES = 4096;
/** However slow the disk is, whoever asked gets an answer. */
const MEASURE_MS = 800;

export interface SyncProbeOptions {
  readonly directory: string;
  readonly clock: Clock;
  /** Called with what removes the file, for a program that is interrupted. */
  atExit(action: () => void): void;
}

/** @throws when no file can be made or written there; then none is left behind */
export async function measureSync({ directory, clock, atExit }: SyncProbeOptions): Promise<SyncFacts> {
  const path = `${directory}/.airunner-doctor-${crypto.randomUUID()}.tmp`;
  const remove = () => removeFile(path);
  atExit(remove);
  try {
    const file = await Deno.open(path, { write: true, createNew: true, mode: 0o600 });
    return await measure(file, clock);
  } finally {
    remove();
  }
}

async function measure(file: Deno.FsFile, clock: Clock): Promise<SyncFacts> {
  const bytes = new Uint8Array(WRITE_BYTES).fill(0x61);
  const durationsMs: number[] = [];
  const timeUp = new AbortController();
  const deadline = clock.sleep(MEASURE_MS, timeUp.signal).then(() => "time_up" as const);
  let underWay: Promise<void> = Promise.resolve();
  let isHanging = false;
  try {
    const startedAtMs = clock.elapsedMs();
    while (durationsMs.length < SAMPLES_MAX && clock.elapsedMs() - startedAtMs < MEASURE_MS) {
      if (file.writeSync(bytes) < bytes.length) throw new Error("no space left on device");
      const syncedAtMs = clock.elapsedMs();
      underWay = file.syncData();
      if (await Promise.race([underWay, deadline]) === "time_up") {
        isHanging = true;
        break;
      }
      durationsMs.push(clock.elapsedMs() - syncedAtMs);
    }
  } finally {
    timeUp.abort();
    // One that hangs is closed when it ends; nobody waits for that.
    const close = () => file.close();
    if (isHanging) underWay.then(close, close);
    else close();
  }
  return { durationsMs: durationsMs.sort((one, other) => one - other), isHanging };
}

function removeFile(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    // It was never made, or is removed already.
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
