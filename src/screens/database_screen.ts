/**
 * What `server backup`, `server restore` and `server verify` say of a database. Pure.
 */
import type { Gap, Verification } from "../server/store/sqlite/upkeep/verify.ts";
import {
  counted,
  formatBytes,
  formatCount,
  formatNext,
  shellWord,
  shown,
  type Style,
} from "../platform/text.ts";

export function renderBackup(
  { source, path, fileBytes, verification }: {
    source: string;
    path: string;
    fileBytes: number;
    verification: Verification;
  },
  style: Style,
): string {
  return `Backup of ${shown(source)} written to ${shown(path)} and read back: ${formatBytes(fileBytes)}\n` +
    `  ${contentLine(verification)}\n` +
    gapLines(verification) +
    formatNext([[
      `airunner server restore ${shown(shellWord(path))} --data=NEW.db`,
      "makes it the database of a server, under a name that is free",
    ]], style);
}

export function renderRestored(
  { source, path, verification }: { source: string; path: string; verification: Verification },
  style: Style,
): string {
  return `Restored ${shown(path)} from ${shown(source)}\n  ${contentLine(verification)}\n` +
    gapLines(verification) +
    formatNext([
      [`airunner server --data=${shown(shellWord(path))}`, "goes on with it"],
      [
        "airunner wal replay --all --resend --dry-run",
        "on each worker's host: shows logs from which the server can be sent what came after the backup",
      ],
    ], style);
}

export function renderVerification(path: string, found: Verification, style: Style): string {
  const whole = found.problemCount === 0;
  const verdict = whole ? style.good("whole") : style.bad(counted(found.problemCount, "problem"));
  const schema = `schema version ${found.schemaVersion}`;
  let text = `${shown(path)}: ${verdict}, ${schema}\n  ${contentLine(found)}\n`;
  for (const { kind, text: problem } of found.problems) text += `  ${style.bad(kind)}: ${shown(problem)}\n`;
  text += moreLine(found.problemCount - found.problems.length) + gapLines(found);
  if (whole) return text;
  return text + formatNext([
    ["airunner server restore BACKUP --data=NEW.db", "goes on with a backup that was made before"],
  ], style);
}

function contentLine({ jobs, executions, events, eventBytes }: Verification): string {
  return `${counted(jobs, "job")}, ${counted(executions, "execution")}, ${counted(events, "event")} ` +
    `(${formatBytes(eventBytes)})`;
}

/** That a sequence is missing is no damage: the server never had that event. */
function gapLines({ gaps, gapCount }: Verification): string {
  if (gapCount === 0) return "";
  return `  ${
    counted(gapCount, "gap")
  } in the events of completed jobs. The server never had these events: their worker\n` +
    "  gave them up because the server refused them, or its log was lost. On the worker's host:\n" +
    "  airunner wal inspect JOB --status=failed\n" +
    gaps.map((gap) => `    ${gapLine(gap)}\n`).join("") + moreLine(gapCount - gaps.length);
}

function gapLine({ jobId, execution, first, last }: Gap): string {
  const range = first === last ? formatCount(first) : `${formatCount(first)} to ${formatCount(last)}`;
  return `job ${shown(jobId)}, execution ${execution}: ${range}`;
}

function moreLine(more: number): string {
  return more > 0 ? `    and ${formatCount(more)} more\n` : "";
}

/** The fixed shape; the order of its keys is part of it. */
export function verificationJson(path: string, found: Verification) {
  return {
    schema_version: 1,
    path,
    ok: found.problemCount === 0,
    database_version: found.schemaVersion,
    jobs: found.jobs,
    executions: found.executions,
    events: found.events,
    event_bytes: found.eventBytes,
    problems: found.problems.map(({ kind, text }) => ({ kind, text })),
    problem_count: found.problemCount,
    gaps: found.gaps.map(({ jobId, execution, first, last }) => ({
      job_id: jobId,
      execution,
      first: String(first),
      last: String(last),
    })),
    gap_count: found.gapCount,
  };
}
