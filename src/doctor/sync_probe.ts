/**
 * Measures how long the disk takes to make a little data durable, as it must for each append.
 */
import type { Clock } from "../platform/clock.ts";
import { type Files, isNoSpaceError, type WritableFile } from "../platform/files.ts";
import { NotFound } from "../platform/system_errors.ts";
import type { SyncFacts } from "./probe.ts";

/** Enough for a p99, and some tens of milliseconds on a good disk. */
const SAMPLES_MAX = 200;
/** All samples together stay so small that a disk that is nearly full is not filled by being looked at. */
const WRITE_BYTES = 512;
/** No sync is begun after this time. */
const MEASURE_MS = 500;
/**
 * However slow the disk is, whoever asked gets an answer: a sync that has not ended by then took half a
 * second at least.
 */
const GIVE_UP_MS = 1000;

export interface SyncProbeOptions {
  readonly directory: string;
  readonly clock: Clock;
  readonly files: Files;
  /** Called with what removes the file, for a program that is interrupted. */
  atExit(action: () => void): void;
}

/** @throws when no file can be made or written there; then none is left behind */
export async function measureSync({ directory, clock, files, atExit }: SyncProbeOptions): Promise<SyncFacts> {
  const path = `${directory}/.airunner-doctor-${files.uniqueName()}.tmp`;
  const remove = () => removeFile(files, path);
  atExit(remove);
  try {
    const file = await files.openForWriting(path, "new", 0o600);
    return await measure(file, clock);
  } finally {
    remove();
  }
}

async function measure(file: WritableFile, clock: Clock): Promise<SyncFacts> {
  const bytes = new Uint8Array(WRITE_BYTES).fill(0x61);
  const durationsMs: number[] = [];
  const timeUp = new AbortController();
  const deadline = clock.sleep(GIVE_UP_MS, timeUp.signal).then(() => "time_up" as const);
  let underWay: Promise<void> = Promise.resolve();
  let isHanging = false;
  try {
    const startedAtMs = clock.elapsedMs();
    while (durationsMs.length < SAMPLES_MAX && clock.elapsedMs() - startedAtMs < MEASURE_MS) {
      if (!await hasRoomFor(bytes, file, durationsMs.length > 0)) break;
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

/**
 * False when the disk has become full after it took some writes: what was measured by then says enough.
 * @throws at the first
 */
async function hasRoomFor(
  bytes: Uint8Array,
  file: WritableFile,
  hasMeasured: boolean,
): Promise<boolean> {
  try {
    if (await file.write(bytes) === bytes.length) return true;
    if (!hasMeasured) throw new Error("no space left on device");
  } catch (error) {
    if (!hasMeasured || !isNoSpaceError(error)) throw error;
  }
  return false;
}

function removeFile(files: Files, path: string): void {
  try {
    files.removeNow(path);
  } catch (error) {
    // It was never made, or is removed already.
    if (!(error instanceof NotFound)) throw error;
  }
}
