/**
 * What `wal replay` would do with each log and archive: how many of its events are to be sent, to which
 * server, and if it cannot be done, why not. Looks only; nothing is opened for writing and no server is
 * asked.
 */
import { readSummary } from "../archive/summary.ts";
import { compareBytes } from "../archive/log_content.ts";
import { checkRegularFile } from "../platform/regular_file.ts";
import { NotFound } from "../platform/system_errors.ts";
import { readLogFile } from "../wal/reader.ts";
import type { IsWanted } from "../wal/selection.ts";
import type { Damage } from "../wal/scanner.ts";
import type { Execution } from "../wal/execution.ts";
import { isSettled, isUncompleted } from "../wal/completion.ts";
import { LogTally } from "../survey/log_tally.ts";
import { scanBytes } from "../survey/scan.ts";
import { examineDamage } from "../survey/damage.ts";
import { openLog, openPastDamage } from "../survey/open_log.ts";
import { type AdoptMode, mayAdopt } from "../job/adopt_log.ts";
import type { Target } from "../survey/targets.ts";
import { writerOf } from "../survey/log_owner.ts";
import { messageOf } from "../platform/error_text.ts";
import type { Files } from "../platform/files.ts";

export interface ReplaySelection {
  /** Also events that were given up. */
  readonly failed: boolean;
  /** Every event, those included that the server has acknowledged. */
  readonly resend: boolean;
  /** Of the event's own sequence, both ends included. */
  readonly sequences: { readonly first: bigint; readonly last: bigint } | undefined;
}

export type Obstacle =
  /** A worker, or another replay, has it open, and sends what is in it. */
  | { readonly kind: "in_use"; readonly pid: number }
  | { readonly kind: "damaged"; readonly damage: Damage | undefined; readonly reason: string }
  /** It lacks the record that says whose log it is, or that record has no token any more. */
  | { readonly kind: "no_execution" | "no_token" }
  | { readonly kind: "unreadable"; readonly reason: string };

export interface PlannedReplay {
  readonly target: Target;
  /** Events to send. */
  readonly wanted: number;
  readonly events: number;
  readonly pending: number;
  readonly failed: number;
  /** Nothing is pending, and the server is not known to have heard how the job ended. */
  readonly isCompletionDue: boolean;
  readonly execution: Execution | undefined;
  readonly isCompressed: boolean;
  /** The log has no token, and the server is to give one: all of it is sent. */
  readonly isAdoption?: boolean;
  readonly obstacle: Obstacle | undefined;
}

export function isWantedBy({ failed, resend, sequences }: ReplaySelection): IsWanted {
  return (status, sequence) =>
    (resend || status === "pending" || (failed && status === "failed")) &&
    (sequences === undefined || (sequence >= sequences.first && sequence <= sequences.last));
}

/**
 * `isFree`: whoever asks has seen that nobody holds the log's lock, whatever the system's table of locks
 * says.
 */
export async function planReplay(
  files: Files,
  target: Target,
  selection: ReplaySelection,
  { isFree = false }: { isFree?: boolean } = {},
): Promise<PlannedReplay> {
  const nothing = {
    target,
    wanted: 0,
    events: 0,
    pending: 0,
    failed: 0,
    isCompletionDue: false,
    execution: undefined,
  };
  try {
    const settled = target.kind === "archive" ? await settledArchive(files, target, selection) : undefined;
    if (settled !== undefined) return settled;
    return await scanTarget(files, target, selection, isFree);
  } catch (error) {
    const reason = messageOf(error);
    return { ...nothing, isCompressed: target.kind === "archive", obstacle: { kind: "unreadable", reason } };
  }
}

/** The plan, without the lack of a token in its way where the server is to adopt the execution. */
export function withAdoption(
  plan: PlannedReplay,
  mode: AdoptMode,
  server: string | undefined,
): PlannedReplay {
  const { obstacle, execution } = plan;
  const isInNeed = obstacle?.kind === "no_token" || obstacle?.kind === "no_execution";
  if (!isInNeed || server === undefined || !mayAdopt(mode, execution, server)) return plan;
  return { ...plan, wanted: plan.events, isAdoption: true, obstacle: undefined };
}

/**
 * What is left of a plan by the time its turn comes: another replay, or a worker, may have been there first.
 * An archive that was restored meanwhile is gone, or settled when it came back.
 */
export async function planAgain(
  files: Files,
  plan: PlannedReplay,
  selection: ReplaySelection,
): Promise<PlannedReplay> {
  const { target } = plan;
  try {
    await checkRegularFile(files, target.path);
    return target.kind === "archive" ? await settledArchive(files, target, selection) ?? plan : plan;
  } catch (error) {
    if (error instanceof NotFound) return { ...plan, wanted: 0, isCompletionDue: false };
    throw error;
  }
}

/**
 * Leaves out archives that are earlier states of a log that is there as well, as after a restore that kept
 * them: all their bytes are the beginning of the log's, so whatever they lack, the log lacks too, and is sent
 * from there.
 */
export async function withoutEarlierStates(
  files: Files,
  plans: readonly PlannedReplay[],
): Promise<PlannedReplay[]> {
  const logs = plans.filter(({ target }) => target.kind === "log");
  const kept: PlannedReplay[] = [];
  for (const plan of plans) {
    const isDue = plan.wanted > 0 || plan.isCompletionDue;
    const isEarlier = plan.target.kind === "archive" && isDue && plan.events > 0 &&
      await isSome(
        logs.filter((log) => isSameExecution(log, plan)),
        (log) => isBeginningOf(files, plan, log),
      );
    kept.push(isEarlier ? { ...plan, wanted: 0, isCompletionDue: false } : plan);
  }
  return kept;
}

async function isSome<T>(items: readonly T[], is: (item: T) => Promise<boolean>): Promise<boolean> {
  for (const item of items) if (await is(item)) return true;
  return false;
}

function isSameExecution({ execution: one }: PlannedReplay, { execution: other }: PlannedReplay): boolean {
  return one?.job_id === other?.job_id && one?.execution === other?.execution;
}

async function isBeginningOf(
  files: Files,
  archive: PlannedReplay,
  log: PlannedReplay,
): Promise<boolean> {
  const { bytes } = await openLog(files, archive.target.path);
  const found = await compareBytes(readLogFile(files, log.target.path), bytes);
  return found === "same" || found === "left_goes_on";
}

/** An archive whose summary says that nothing in it is wanted need not be decompressed. */
async function settledArchive(
  files: Files,
  target: Target,
  { failed, resend }: ReplaySelection,
): Promise<PlannedReplay | undefined> {
  if (resend) return undefined;
  const summary = await readSummary(files, target.path);
  if (summary === undefined || summary.pending > 0 || (failed && summary.failed > 0)) return undefined;
  if (!isSettled(summary.completion)) return undefined;
  return {
    target,
    wanted: 0,
    events: summary.events,
    pending: 0,
    failed: summary.failed,
    isCompletionDue: false,
    execution: undefined,
    isCompressed: true,
    obstacle: undefined,
  };
}

async function scanTarget(
  files: Files,
  target: Target,
  selection: ReplaySelection,
  isFree: boolean,
): Promise<PlannedReplay> {
  const { bytes, archived: isCompressed } = await openLog(files, target.path);
  const tally = new LogTally();
  const { damage, archiveProblem, ledger, goodBytes, logBytes } = await scanBytes(
    bytes,
    (record, kind) => void tally.add(record, kind),
  );
  const { execution, completion } = tally;
  const { copies } = ledger.pendingSequences(isWantedBy(selection));
  const { events, pending, failed } = ledger;
  const facts = {
    target,
    wanted: copies.reduce((sum, count) => sum + count, 0),
    events,
    pending,
    failed,
    isCompletionDue: isUncompleted({ pending, completion }),
    execution,
    isCompressed,
  };
  const pid = isCompressed || isFree ? undefined : await writerOf(files, target.path);
  if (pid !== undefined) return { ...facts, obstacle: { kind: "in_use", pid } };
  if (
    damage !== undefined && (isCompressed || !await isTornTail(files, target.path, { damage, goodBytes }))
  ) {
    const reason = archiveProblem ??
      `${damage.problem} at byte ${damage.offset}, ${logBytes - goodBytes} bytes from there on`;
    return { ...facts, obstacle: { kind: "damaged", damage, reason } };
  }
  if (facts.wanted === 0) return { ...facts, obstacle: undefined };
  if (execution === undefined) return { ...facts, obstacle: { kind: "no_execution" } };
  return { ...facts, obstacle: execution.task_token === undefined ? { kind: "no_token" } : undefined };
}

/** What a crash leaves at the end of a log: opening it cuts that, and says so. */
async function isTornTail(
  files: Files,
  path: string,
  found: { damage: Damage; goodBytes: number },
): Promise<boolean> {
  const open = () => openPastDamage(files, path);
  return (await examineDamage(open, { ...found, archiveProblem: undefined })).isTornTail;
}
