/**
 * The screen of `airunner show`, and its JSON form. Pure.
 */
import { type Timestamp, timestampMs } from "@bufbuild/protobuf/wkt";
import { stateName } from "../client/list_jobs.ts";
import {
  type Execution,
  ExecutionOutcome,
  type GetJobResponse,
} from "../events/gen/airunner/v1/airunner_pb.ts";
import type { JobParams } from "../events/gen/job/v1/job_pb.ts";
import {
  cut,
  formatAge,
  formatBytes,
  formatCount,
  formatFields,
  formatNext,
  formatSpan,
  formatTable,
  formatTime,
  shellWord,
  shown,
  type Style,
} from "../platform/text.ts";

/** With all the other columns it is 80 wide. */
const WORKER_CHARACTERS_MAX = 20;

export function renderJob(
  { job, jobParams, executions }: GetJobResponse,
  nowMs: number,
  style: Style,
): string {
  if (job === undefined) return "The server says nothing of this job\n";
  const latest = job.latestExecution;
  const result = latest?.result;
  const command = [job.command, ...job.args].map(shellWord).join(" ");
  const metadata = Object.entries(job.metadata).map(([name, value]) => `${shown(name)}=${shown(value)}`);
  const variables = Object.keys(jobParams?.environment ?? {}).map(shown);
  const cancelled = job.cancelRequestedAt;
  const fields = formatFields([
    ["Job", shown(job.jobId)],
    ["State", stateLine(stateName(job.state), cancelled, style)],
    ["Command", shown(command)],
    ["Queue", shown(job.queue) + (job.isAdopted ? " (made from a log, and not submitted)" : "")],
    jobParams?.workingDirectory ? ["Directory", shown(jobParams.workingDirectory)] : undefined,
    jobParams?.timeoutSeconds ? ["Time limit", formatSpan(jobParams.timeoutSeconds * 1000)] : undefined,
    variables.length > 0 ? ["Variables", variables.join(" ")] : undefined,
    metadata.length > 0 ? ["Metadata", metadata.join("\n")] : undefined,
    job.retryOf === "" ? undefined : ["Retry of", shown(job.retryOf)],
    ["Submitted", timeLine(job.createdAt, nowMs)],
    ["Changed", timeLine(job.updatedAt, nowMs)],
    cancelled === undefined ? undefined : ["Cancelled", timeLine(cancelled, nowMs)],
    latest === undefined ? undefined : ["Worker", shown(latest.worker) || "gave no name"],
    latest === undefined ? undefined : ["Heard of", timeLine(latest.lastSeenAt, nowMs)],
    result === undefined ? undefined : ["Result", resultLine(result, style)],
  ]);
  const next = formatNext([[`airunner logs ${shellWord(job.jobId)}`, "shows its output"]], style);
  if (executions.length === 0) return `${fields}\nIt has not started\n`;
  return `${fields}\n${executionTable(executions, nowMs, style)}${next}`;
}

function stateLine(state: string, cancelled: Timestamp | undefined, style: Style): string {
  if (state === "completed") return style.good(state);
  if (state === "failed") return style.bad(state);
  return state === "running" && cancelled ? style.warn("running, to be cancelled") : state;
}

function resultLine(
  { success, exitCode, errorMessage }: { success: boolean; exitCode: number; errorMessage: string },
  style: Style,
): string {
  const word = success ? style.good("succeeded") : style.bad("failed");
  return `${word} with exit code ${exitCode}${errorMessage === "" ? "" : `\n${shown(errorMessage)}`}`;
}

function timeLine(time: Timestamp | undefined, nowMs: number): string {
  if (time === undefined) return "unknown";
  return `${formatTime(timestampMs(time))}, ${formatAge(timestampMs(time), nowMs)}`;
}

function executionTable(executions: readonly Execution[], nowMs: number, style: Style): string {
  const right = { align: "right" } as const;
  const columns = [
    { title: "EXECUTION", ...right },
    { title: "OUTCOME" },
    { title: "TOOK", ...right },
    { title: "EVENTS", ...right },
    { title: "OUTPUT", ...right },
    { title: "WORKER" },
  ];
  const rows = executions.map((execution) => [
    String(execution.number),
    outcomeName(execution.outcome),
    execution.startedAt === undefined ? "" : formatSpan(
      (execution.endedAt ? timestampMs(execution.endedAt) : nowMs) - timestampMs(execution.startedAt),
    ),
    formatCount(execution.eventCount),
    formatBytes(Number(execution.eventBytes)),
    cut(execution.worker, WORKER_CHARACTERS_MAX),
  ]);
  return formatTable(columns, rows, style);
}

function outcomeName(outcome: ExecutionOutcome): string {
  return (ExecutionOutcome[outcome] ?? `UNKNOWN_${outcome}`).toLowerCase();
}

/** Values of variables stay out: they may be secrets, and a document is passed on. */
export function jobDocument({ job, jobParams, executions }: GetJobResponse) {
  return {
    schema_version: 1,
    job_id: job?.jobId ?? null,
    queue: job?.queue ?? null,
    state: job === undefined ? null : stateName(job.state),
    command: job?.command ?? null,
    args: job?.args ?? [],
    metadata: job?.metadata ?? {},
    params: paramsDocument(jobParams),
    created_at_ms: ms(job?.createdAt),
    updated_at_ms: ms(job?.updatedAt),
    cancel_requested_at_ms: ms(job?.cancelRequestedAt),
    retry_of: job?.retryOf || null,
    is_adopted: job?.isAdopted ?? false,
    executions: executions.map((execution) => ({
      number: execution.number,
      outcome: outcomeName(execution.outcome),
      worker: execution.worker || null,
      started_at_ms: ms(execution.startedAt),
      ended_at_ms: ms(execution.endedAt),
      last_seen_at_ms: ms(execution.lastSeenAt),
      event_count: Number(execution.eventCount),
      event_bytes: Number(execution.eventBytes),
      result: execution.result === undefined ? null : {
        success: execution.result.success,
        exit_code: execution.result.exitCode,
        error_message: execution.result.errorMessage,
      },
    })),
  };
}

function paramsDocument(params: JobParams | undefined) {
  return {
    working_directory: params?.workingDirectory ?? "",
    timeout_seconds: params?.timeoutSeconds ?? 0,
    environment_names: Object.keys(params?.environment ?? {}),
    owner: params?.owner ?? "",
    repository: params?.repository ?? "",
    commit: params?.commit ?? "",
    branch: params?.branch ?? "",
  };
}

function ms(time: Timestamp | undefined): number | null {
  return time === undefined ? null : timestampMs(time);
}
