/**
 * The table of `airunner list`. Pure.
 */
import {
  counted,
  cut,
  formatAge,
  formatNext,
  formatTable,
  shellWord,
  shown,
  type Style,
} from "../platform/text.ts";
import type { ListedJob } from "../client/list_jobs.ts";

/** A command is shown up to here; the whole of it is in the JSON form. */
const COMMAND_CHARACTERS_MAX = 60;
const QUEUE_CHARACTERS_MAX = 20;

export interface ListScreen {
  /** Undefined: of every queue. */
  readonly queue: string | undefined;
  readonly isSearch: boolean;
  readonly jobs: readonly ListedJob[];
  /** Whether the server has more than were asked for. */
  readonly isCut: boolean;
  readonly nowMs: number;
}

export function renderList({ queue, isSearch, jobs, isCut, nowMs }: ListScreen, style: Style): string {
  if (jobs.length === 0) {
    const where = queue === undefined ? "any queue" : `queue ${shown(queue)}`;
    return isSearch ? `No job in ${where} fits the search\n` : `No jobs in ${where}\n` +
      formatNext([["airunner submit --server=URL -- CMD ARGS…", "puts one into it"]], style);
  }
  const queueOf = (job: ListedJob) => queue === undefined ? [cut(job.queue, QUEUE_CHARACTERS_MAX)] : [];
  const rows = jobs.map((job) => [
    shown(job.jobId),
    ...queueOf(job),
    job.state,
    formatAge(job.createdAtMs, nowMs),
    formatAge(job.updatedAtMs, nowMs),
    commandLine(job),
  ]);
  const titles = ["JOB", ...queue === undefined ? ["QUEUE"] : [], "STATE", "CREATED", "CHANGED", "COMMAND"];
  const columns = titles.map((title) => ({ title }));
  const more = isCut ? `${counted(jobs.length, "job")} shown, there are more: --limit=N\n` : "";
  return formatTable(columns, rows, style) + more;
}

function commandLine({ command, args }: ListedJob): string {
  return cut([command, ...args].map(shellWord).join(" "), COMMAND_CHARACTERS_MAX);
}
