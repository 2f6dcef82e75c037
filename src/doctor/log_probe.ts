/**
 * Looks through the logs and archives for `airunner doctor`, within bounds: what was not reached is counted,
 * not guessed.
 */
import { readSummary } from "../archive/summary.ts";
import type { Clock } from "../platform/clock.ts";
import { DAY_MS } from "../platform/time_units.ts";
import type { Host } from "../platform/host.ts";
import { readLogFacts } from "../survey/facts.ts";
import { isGone } from "../survey/inventory.ts";
import { reason } from "../wal/errors.ts";
import { readFileName } from "../wal/file_names.ts";
import type { Files } from "../platform/files.ts";
import type { LogBytes } from "../wal/reader.ts";
import type { ArchiveDirectoryFacts, FileFacts, LogDirectoryFacts, ReadLog } from "./probe.ts";

/** Reading and checking takes about a second for each GB. */
const READ_MS_MAX = 3000;
const READ_BYTES_MAX = 2e9;

/** The small ones first: so most logs are looked at, whatever the size of the largest. */
export async function lookThroughLogs(
  { files, clock }: Pick<Host, "files" | "clock">,
  listed: readonly FileFacts[],
): Promise<LogDirectoryFacts> {
  const waiting = listed.filter(({ name }) => readFileName(name)?.kind === "log")
    .sort((one, other) => one.bytes - other.bytes);
  const logs: ReadLog[] = [];
  const unreadable: { path: string; why: string }[] = [];
  const budget = new ReadBudget(clock);
  let unread = 0;
  for (const file of waiting) {
    if (budget.isUsedUp) {
      unread++;
      continue;
    }
    const { path, isLocked } = file;
    try {
      const log = { ...file, kind: "log", jobId: undefined } as const;
      const facts = await readLogFacts(files, log, (bytes) => budget.spend(bytes));
      logs.push({ ...facts, path, isLocked });
    } catch (error) {
      if (error instanceof OutOfBudget) unread++;
      // Archived since it was listed.
      else if (!isGone(error)) unreadable.push({ path, why: reason(error) });
    }
  }
  const quarantined = listed.filter(({ name }) => readFileName(name)?.kind === "quarantined")
    .map(({ path }) => path).sort();
  return { logs, unread, unreadable, quarantined };
}

class OutOfBudget extends Error {
  override name = "OutOfBudget";
}

/** How much may still be read, of all logs together. */
class ReadBudget {
  readonly #clock: Clock;
  readonly #startedAtMs: number;
  #bytesLeft = READ_BYTES_MAX;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#startedAtMs = clock.elapsedMs();
  }

  get isUsedUp(): boolean {
    return this.#bytesLeft <= 0 || this.#clock.elapsedMs() - this.#startedAtMs >= READ_MS_MAX;
  }

  /** The same bytes, as long as there may be more. @throws {OutOfBudget} */
  async *spend(bytes: LogBytes): LogBytes {
    for await (const chunk of bytes) {
      yield chunk;
      this.#bytesLeft -= chunk.length;
      if (this.isUsedUp) throw new OutOfBudget();
    }
  }
}

/** The worker looks once a day, and a day is no promise on a machine that sleeps. */
const OVERDUE_AFTER_DAYS = 2;
const ARCHIVES_MS_MAX = 2000;

/** Archives made by other programs say nothing about their events; their age is that of the file. */
export async function lookThroughArchives(
  files: Files,
  listed: readonly FileFacts[],
  { retentionDays, nowMs, clock }: { retentionDays: number; nowMs: number; clock: Clock },
): Promise<ArchiveDirectoryFacts> {
  const archives = listed.filter(({ name }) => readFileName(name)?.kind === "archive")
    .sort((one, other) => one.mtimeMs - other.mtimeMs);
  const dueMs = nowMs - (retentionDays + OVERDUE_AFTER_DAYS) * DAY_MS;
  const totals = { overdue: 0, unsent: 0, pending: 0, failed: 0, oldestMs: undefined as number | undefined };
  const startedAtMs = clock.elapsedMs();
  for (const { path, mtimeMs } of archives) {
    const mayOpen = clock.elapsedMs() - startedAtMs < ARCHIVES_MS_MAX;
    const summary = mayOpen ? await summaryOf(files, path) : undefined;
    const sinceMs = summary?.last_ms ?? mtimeMs;
    totals.oldestMs = Math.min(totals.oldestMs ?? sinceMs, sinceMs);
    const { pending = 0, failed = 0 } = summary ?? {};
    totals.pending += pending;
    totals.failed += failed;
    if (pending + failed > 0) totals.unsent++;
    else if (summary !== undefined && sinceMs < dueMs) totals.overdue++;
  }
  const bytes = archives.reduce((sum, { bytes }) => sum + bytes, 0);
  return { files: archives.length, bytes, ...totals };
}

async function summaryOf(files: Files, path: string) {
  try {
    return await readSummary(files, path);
  } catch {
    // Gone, or not for us to read, which the check of owners and modes reports: an archive that says nothing.
    return undefined;
  }
}
