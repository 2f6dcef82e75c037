/**
 * What `wal ls` and `wal stats` tell of one log or archive, found out in one pass, or from an archive's summary alone. It depends on
 * nothing but the file's bytes, so it may be remembered for as long as they are the same.
 */
import { readSummary } from "../archive/summary.ts";
import { decodeEvent } from "../events/event.ts";
import {
  type CompletionMark,
  completionMark,
  type CompletionState,
  completionState,
} from "../wal/completion.ts";
import { decodeExecution, type Execution } from "../wal/execution.ts";
import type { LogBytes } from "../wal/reader.ts";
import { PendingTally } from "../wal/pending_tally.ts";
import { examineDamage } from "./damage.ts";
import { payloadTypeName } from "../events/event_type.ts";
import type { LogFile } from "./log_files.ts";
import { scanBytes } from "./scan.ts";
import { openLog, openPastDamage } from "./open_log.ts";

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
  /** Whether the server has the result of a job that ended; null when it had not, or when nobody can complete it. */
  readonly completion: Exclude<CompletionState, undefined> | null;
  readonly damage: DamageFacts | null;
}

export interface DamageFacts {
  readonly problem: string;
  readonly offset: number;
  readonly isTornTail: boolean;
  readonly recordsAfter: number;
}

/** @throws Deno.errors.NotFound and the like */
export async function readLogFacts(file: LogFile): Promise<LogFacts> {
  if (file.kind === "archive") {
    const summary = await readSummary(file.path);
    // Since when something is unsent the summary does not say.
    if (summary !== undefined && summary.pending === 0) {
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
  }
  return await scanFacts(file);
}

/** Up to here a file is read at once: most logs are small, and ten thousand of them shall not wait for a thread each. */
const SMALL_BYTES_MAX = 256 * 1024;

async function scanFacts(file: LogFile): Promise<LogFacts> {
  let execution: Execution | undefined;
  let lastEventMs: number | null = null;
  let exitCode: number | null = null;
  let hasEnded = false;
  let mark: CompletionMark | undefined;
  const tally = new PendingTally();
  const { ledger, damage, goodBytes, logBytes, archiveProblem } = await scanBytes(
    await bytesOf(file),
    (record, kind) => {
      tally.add(record, kind);
      if (kind === "execution") execution = decodeExecution(record.payload);
      if (kind === "acknowledgement") mark = completionMark(record) ?? mark;
      if (kind !== "event") return;
      lastEventMs = Number(record.timestampMs);
      if (payloadTypeName(record.payload) === "PROCESS_END") {
        hasEnded = true;
        exitCode = exitCodeOf(record.payload) ?? exitCode;
      }
    },
  );
  const extent = damage &&
    await examineDamage(() => openPastDamage(file.path), { damage, goodBytes, archiveProblem });
  const { bytes, oldestTimestampMs } = tally.sum(ledger);
  return {
    jobId: execution?.job_id ?? file.jobId ?? null,
    execution: execution?.execution ?? null,
    events: ledger.events,
    pending: ledger.pending,
    failed: ledger.failed,
    pendingBytes: bytes,
    oldestPendingMs: oldestTimestampMs ?? null,
    lastEventMs,
    rawBytes: logBytes,
    exitCode,
    completion: completionState({ hasEnded, hasToken: execution?.task_token !== undefined, mark }) ?? null,
    damage: damage && extent ? { ...damage, ...extent } : null,
  };
}

async function bytesOf({ path, kind, bytes }: LogFile): Promise<LogBytes> {
  if (kind === "archive" || bytes > SMALL_BYTES_MAX) return (await openLog(path)).bytes;
  const content = Deno.readFileSync(path);
  return (async function* () {
    await Promise.resolve();
    yield content;
  })();
}

/** Everything is on the server but how the job ended, which it refuses to hear or was not told yet. */
export function isUncompleted({ pending, completion }: Pick<LogFacts, "pending" | "completion">): boolean {
  return pending === 0 && (completion === "due" || completion === "refused");
}

function exitCodeOf(payload: Uint8Array): number | undefined {
  const data = decodeEvent(payload)?.eventData;
  return data?.case === "processEnd" ? data.value.exitCode : undefined;
}
