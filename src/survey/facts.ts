/**
 * What `wal ls`, `wal stats` and `doctor` tell of one log or archive, found out in one pass, or from an
 * archive's summary alone. It depends on nothing but the file's bytes, so it may be remembered for as long as
 * they are the same.
 */
import { type ArchiveSummary, readSummary } from "../archive/summary.ts";
import type { Files } from "../platform/files.ts";
import type { CompletionState } from "../wal/completion.ts";
import type { LogBytes } from "../wal/reader.ts";
import type { Problem } from "../wal/scanner.ts";
import { examineDamage } from "./damage.ts";
import type { LogFile } from "./log_files.ts";
import { LogTally } from "./log_tally.ts";
import { openLog, openPastDamage } from "./open_log.ts";
import { scanBytes } from "./scan.ts";

export interface LogFacts {
  /** From the execution record, else from the file's name. */
  readonly jobId: string | null;
  readonly execution: number | null;
  readonly events: number;
  readonly pending: number;
  readonly failed: number;
  /** Length of the pending events' records; of an archive that says only how many they are, null. */
  readonly pendingBytes: number | null;
  readonly oldestPendingMs: number | null;
  readonly lastEventMs: number | null;
  /** Bytes of the log itself, uncompressed. */
  readonly rawBytes: number;
  /** Of the job's command, once it has ended. */
  readonly exitCode: number | null;
  /**
   * Whether the server has the result of a job that ended; null when it had not, or when nobody can complete
   * it.
   */
  readonly completion: Exclude<CompletionState, undefined> | null;
  readonly damage: DamageFacts | null;
}

export interface DamageFacts {
  readonly problem: Problem;
  readonly offset: number;
  readonly isTornTail: boolean;
  readonly recordsAfter: number;
}

/** For whoever wants to see, or to say, how far the reading of a log goes. */
export type Watch = (bytes: LogBytes) => LogBytes;

/** @throws {NotFound} and the like, and what `watch` throws */
export async function readLogFacts(files: Files, file: LogFile, watch?: Watch): Promise<LogFacts> {
  if (file.kind === "archive") {
    const summary = await readSummary(files, file.path);
    // Since when something is unsent the summary does not say.
    if (summary !== undefined && summary.pending === 0) return factsOfSummary(summary);
  }
  return await scanFacts(files, file, watch);
}

function factsOfSummary(summary: ArchiveSummary): LogFacts {
  return {
    jobId: summary.job_id,
    execution: summary.execution ?? null,
    events: summary.events,
    pending: 0,
    failed: summary.failed,
    pendingBytes: 0,
    oldestPendingMs: null,
    lastEventMs: summary.last_ms ?? null,
    rawBytes: summary.raw_bytes,
    exitCode: summary.exit_code ?? null,
    completion: summary.completion ?? null,
    damage: null,
  };
}

/**
 * Up to here a file is read at once: most logs are small, and ten thousand of them shall not wait for a
 * thread each.
 */
const SMALL_BYTES_MAX = 256 * 1024;

async function scanFacts(files: Files, file: LogFile, watch?: Watch): Promise<LogFacts> {
  const tally = new LogTally();
  const bytes = await bytesOf(files, file);
  const { ledger, damage, goodBytes, logBytes, archiveProblem } = await scanBytes(
    watch?.(bytes) ?? bytes,
    (record, kind) => void tally.add(record, kind),
  );
  const extent = damage &&
    await examineDamage(() => openPastDamage(files, file.path), { damage, goodBytes, archiveProblem });
  const { execution, lastTimestampMs, exitCode } = tally;
  const pending = tally.pending(ledger);
  return {
    jobId: execution?.job_id ?? file.jobId ?? null,
    execution: execution?.execution ?? null,
    events: ledger.events,
    pending: pending.events,
    failed: ledger.failed,
    pendingBytes: pending.bytes,
    oldestPendingMs: pending.oldestMs ?? null,
    lastEventMs: lastTimestampMs === undefined ? null : Number(lastTimestampMs),
    rawBytes: logBytes,
    exitCode: exitCode ?? null,
    completion: tally.completion ?? null,
    damage: damage && extent ? { ...damage, ...extent } : null,
  };
}

async function bytesOf(files: Files, { path, kind, bytes }: LogFile): Promise<LogBytes> {
  if (kind === "archive" || bytes > SMALL_BYTES_MAX) return (await openLog(files, path)).bytes;
  const content = files.readNow(path);
  return (async function* () {
    await Promise.resolve();
    yield content;
  })();
}
