/**
 * The table of `airunner list`. Pure.
 */
import {
  counted,
  formatAge,
  formatNext,
  formatTable,
  shellWord,
  shown,
  type Style,
} from "../../platform/text.ts";
import type { ListedJob } from "../../client/list_jobs.ts";

/** A command is shown up to here; the whole of it is in the JSON form. */
const COMMAND_CHARACTERS_MAX = 60;

export interface ListScreen {
  readonly queue: string;
  readonly jobs: readonly ListedJob[];
  /** Whether the server has more than were asked for. */
  readonly isCut: boolean;
  readonly nowMs: number;
}

export function renderList({ queue, jobs, isCut, nowMs }: ListScreen, style: Style): string {
  if (jobs.length === 0) {
    return `No jobs in queue ${shown(queue)}\n` +
      formatNext([["airunner submit --server=URL -- CMD ARGS…", "puts one into it"]], style);
  }
  const rows = jobs.map((job) => [
    shown(job.jobId),
    job.state,
    formatAge(job.createdAtMs, nowMs),
    formatAge(job.updatedAtMs, nowMs),
    commandLine(job),
  ]);
  const columns = ["JOB", "STATE", "CREATED", "CHANGED", "COMMAND"].map((title) => ({ title }));
  const more = isCut ? `${counted(jobs.length, "job")} shown, there are more: --limit=N\n` : "";
  return formatTable(columns, rows, style) + more;
}

function commandLine({ command, args }: ListedJob): string {
  const line = shown([command, ...args].map(shellWord).join(" "));
  return line.length > COMMAND_CHARACTERS_MAX ? `${line.slice(0, COMMAND_CHARACTERS_MAX - 1)}…` : line;
}
