/**
 * The screen of `wal recover`: where the damage is, what was saved, what is lost for good, and what to type
 * next. Pure.
 */
import { fileName } from "../platform/path_names.ts";
import { readFileName } from "../wal/file_names.ts";
import type { DamagedStretch, RepairPlan } from "../wal/repair.ts";
import type { LostRange, RecoveredLog } from "../survey/recovered.ts";
import {
  counted,
  formatCount,
  formatFields,
  formatNext,
  formatTable,
  shellWord,
  shown,
  type Style,
} from "../platform/text.ts";

type PlanCounts = Pick<
  RepairPlan,
  "records" | "salvaged" | "mended" | "distrusted" | "unproven" | "orphaned"
>;

export interface RecoverScreen extends Readonly<PlanCounts> {
  readonly path: string;
  readonly damaged: readonly DamagedStretch[];
  readonly archiveProblems: readonly string[];
  readonly log: RecoveredLog;
  /** Where the new log is; undefined when nothing was written. */
  readonly output: string | undefined;
  readonly wasThere: boolean;
  readonly dryRun: boolean;
}

/** More lines than this help nobody decide; the JSON form has them all. */
const LINES_MAX = 20;

export function renderRecover(screen: RecoverScreen, style: Style): string {
  const { path, damaged, archiveProblems, log } = screen;
  const head = `${shown(path)}: ${style.bad(`damaged in ${counted(placesOf(screen), "place")}`)}\n`;
  return head + renderDamage(damaged, archiveProblems, style) + "\n" +
    formatFields([
      ["Saved", savedLine(screen)],
      ["Lost", lostLines(log)],
      leftOutLines(screen),
      unprovenLines(screen),
      ["Original", "unchanged"],
      ["New log", outputLine(screen)],
    ]) + formatNext(nextSteps(screen), style);
}

/** An archive that is damaged need not have a damaged log in it, as when it was cut between two records. */
function placesOf({ damaged, archiveProblems }: RecoverScreen): number {
  return Math.max(damaged.length, archiveProblems.length, 1);
}

function renderDamage(
  damaged: readonly DamagedStretch[],
  archiveProblems: readonly string[],
  style: Style,
): string {
  const rows = damaged.slice(0, LINES_MAX).map(({ offset, length, problem }) => [
    formatCount(offset),
    formatCount(length),
    problem,
  ]);
  let text = rows.length === 0 ? "" : formatTable(
    [{ title: "OFFSET", align: "right" }, { title: "BYTES", align: "right" }, { title: "PROBLEM" }],
    rows,
    style,
  );
  if (damaged.length > LINES_MAX) text += `and ${counted(damaged.length - LINES_MAX, "more place")}\n`;
  for (const problem of archiveProblems.slice(0, LINES_MAX)) text += `Archive: ${shown(problem)}\n`;
  if (archiveProblems.length > 0 && damaged.length > 0) {
    text += "Offsets count the bytes of the log that could be decompressed.\n";
  }
  return text;
}

function savedLine({ records, salvaged, mended, log }: RecoverScreen): string {
  const { events, sent, pending, failed } = log;
  const lengths = mended === 0
    ? ""
    : `, ${formatCount(mended)} of which only the length was wrong: the checksum proves the rest`;
  return `${counted(records, "record")}, ${
    formatCount(salvaged)
  } of them from behind the damage${lengths}\n` +
    `${counted(events, "event")}: ${formatCount(sent)} sent, ${formatCount(pending)} not sent, ${
      formatCount(failed)
    } failed`;
}

function leftOutLines({ distrusted, orphaned }: RecoverScreen): [string, string] | undefined {
  const lines = [
    ...(distrusted > 0 ? [`${counted(distrusted, "record")} that the job itself may have printed`] : []),
    ...(orphaned > 0
      ? [`${counted(orphaned, "note")} of the server's refusal of an event that is lost`]
      : []),
  ];
  return lines.length === 0 ? undefined : ["Left out", lines.join("\n")];
}

/** Why the log says less of the server than its worker knew. */
function unprovenLines({ unproven, log }: RecoverScreen): [string, string] | undefined {
  if (unproven === 0) return undefined;
  return [
    "Not proven",
    `${
      counted(unproven, "acknowledgement")
    } from behind the damage: a refusal by the server may be lost in it.\n` +
    `What is not proven sent counts as not sent (${
      counted(log.pending, "event")
    }); a server drops what it has already`,
  ];
}

function lostLines({ lost, hasEnd, lastSequence, events }: RecoveredLog): string {
  const lines = lost.slice(0, LINES_MAX).map(lostLine);
  if (lost.length > LINES_MAX) lines.push(`and ${counted(lost.length - LINES_MAX, "more gap")}`);
  if (!hasEnd) {
    lines.push(
      events === 0
        ? "every event, if there was any"
        : `what came after sequence ${lastSequence}, if anything: the job's end is not among the saved events`,
    );
  }
  return lines.length === 0 ? "no event" : lines.join("\n");
}

function lostLine({ first, last, serverHasThem }: LostRange): string {
  const range = first === last ? `sequence ${first}` : `sequences ${first} to ${last}`;
  return serverHasThem ? `${range}, which the server has acknowledged: it has them` : range;
}

function outputLine({ output, dryRun, wasThere, log }: RecoverScreen): string {
  if (output === undefined) {
    return dryRun ? "not written (--dry-run)" : "not written: there is nothing to put into it";
  }
  const token = log.execution === undefined
    ? "\nThe record that names its job, server and token was lost, so its events cannot be sent"
    : "";
  return shown(output) + (wasThere ? " (made by an earlier recovery)" : "") + token;
}

function nextSteps({ path, output, dryRun, log, records }: RecoverScreen): [string, string][] {
  if (dryRun) return records === 0 ? [] : [[`airunner wal recover ${word(path)}`, "writes the new log"]];
  if (output === undefined) return [];
  const look: [string, string] = [
    `airunner wal dump --raw ${word(output)}`,
    "writes the output that was saved",
  ];
  const steps = [look];
  if (log.execution?.task_token !== undefined && log.pending + log.failed > 0) {
    const failedOnly = log.pending === 0 ? " --failed" : "";
    steps.unshift([
      `airunner wal replay${failedOnly} ${word(output)}`,
      `sends the ${counted(log.pending || log.failed, "event")} that the server lacks`,
    ]);
  }
  if (readFileName(fileName(path))?.kind === "quarantined") {
    steps.push([
      `mv ${word(path)} DIR`,
      "keeps the damaged file elsewhere; as long as it stays, it is reported",
    ]);
  }
  return steps;
}

function word(path: string): string {
  return shown(shellWord(path));
}
