/**
 * The payloads that are ours in a log: the execution record, with which a log alone is enough to resume,
 * replay or explain a run, and the failure record, which says why an event was given up. Both are JSON, so
 * that `strings` shows them.
 *
 * An execution record that is not the file's first says that another server has adopted the execution, or
 * the same one anew because it had lost it: it counts from there on, and everything that the records before
 * it say of what a server has was said of the earlier one.
 */
import { type RecordFields, Status } from "./format.ts";

/** Which run of which job a log belongs to. `task_token` is a secret: it is never printed. */
export interface Execution {
  job_id: string;
  /** The number in the file's name. */
  execution: number;
  /** Which execution of the job this is for its server, where that said so: it ran on other hosts as well. */
  server_execution?: number;
  queue: string;
  server: string;
  task_token?: string;
  worker: string;
  version: string;
  started_at_ms: number;
  visibility_timeout_seconds?: number;
  /** What the job runs, so that a job that is made of a log can be recognised. Never its environment. */
  command?: string;
  args?: string[];
  /** `exec`: nobody submitted the job, so that there is no queue for it to go back to. */
  source?: "exec";
  /** Of such a job: its name and labels. */
  metadata?: Record<string, string>;
}

/** Why an event was given up. */
export interface Failure {
  code: string;
  message: string;
  attempts: number;
}

export function encodeExecution(execution: Execution): Uint8Array<ArrayBuffer> {
  return encodeJson({
    job_id: execution.job_id,
    execution: execution.execution,
    server_execution: execution.server_execution,
    queue: execution.queue,
    server: execution.server,
    task_token: execution.task_token,
    worker: execution.worker,
    version: execution.version,
    started_at_ms: execution.started_at_ms,
    visibility_timeout_seconds: execution.visibility_timeout_seconds,
    command: execution.command,
    args: execution.args,
    source: execution.source,
    metadata: execution.metadata,
  });
}

/** The record of an execution, be it the first of a new log or that of an adoption. */
export function executionRecord(execution: Execution, timestampMs: bigint): RecordFields {
  return { sequence: 0n, status: Status.SENT, timestampMs, payload: encodeExecution(execution) };
}

/**
 * Whether a record that is not its file's first says that the execution was adopted. Its token may have been
 * taken out since, by archiving.
 */
export function isAdoption(
  { sequence, status, payload }: Pick<RecordFields, "sequence" | "status" | "payload">,
): boolean {
  return sequence === 0n && status === Status.SENT && decodeExecution(payload) !== undefined;
}

/**
 * What tells a log from every other one, and stays the same for it wherever it lies, archived, adopted or
 * repaired: of a log of ours who ran the execution and when, of another writer's its first record.
 */
export function originOf(first: RecordFields): Uint8Array<ArrayBuffer> {
  const { sequence, timestampMs, payload } = first;
  const found = first.sequence === 0n && first.status === Status.SENT ? decodeExecution(payload) : undefined;
  if (found !== undefined) {
    const { job_id, execution, worker, started_at_ms } = found;
    return new TextEncoder().encode(JSON.stringify([job_id, execution, worker, started_at_ms]));
  }
  const head = new TextEncoder().encode(JSON.stringify([String(sequence), String(timestampMs)]));
  return new Uint8Array([...head, ...payload]);
}

/**
 * The execution in `payload`, or undefined when the bytes are not one. Fields that a newer version added are
 * dropped.
 */
export function decodeExecution(payload: Uint8Array): Execution | undefined {
  const found = decodeJson(payload);
  if (found === undefined) return undefined;
  const {
    job_id,
    execution,
    server_execution,
    queue,
    server,
    task_token,
    worker,
    version,
    started_at_ms,
    visibility_timeout_seconds,
    command,
    args,
    source,
    metadata,
  } = found;
  if (
    typeof job_id !== "string" || !isWhole(execution) || typeof queue !== "string" ||
    typeof server !== "string" ||
    typeof worker !== "string" || typeof version !== "string" || !isWhole(started_at_ms) ||
    (task_token !== undefined && typeof task_token !== "string") ||
    (visibility_timeout_seconds !== undefined && !isWhole(visibility_timeout_seconds))
  ) return undefined;
  return {
    job_id,
    execution,
    ...(isWhole(server_execution) ? { server_execution } : {}),
    queue,
    server,
    ...(task_token === undefined ? {} : { task_token }),
    worker,
    version,
    started_at_ms,
    ...(visibility_timeout_seconds === undefined ? {} : { visibility_timeout_seconds }),
    // Only told to people, so that a newer version may mean something else by them.
    ...(typeof command === "string" ? { command } : {}),
    ...(isTexts(args) ? { args } : {}),
    ...(source === "exec" ? { source } : {}),
    ...(isTextMap(metadata) ? { metadata } : {}),
  };
}

/**
 * A server's message can be of any length and a record cannot, so the message is shortened; where it came
 * from has the whole of it.
 */
const MESSAGE_CHARACTERS_MAX = 4096;

export function encodeFailure(failure: Failure): Uint8Array<ArrayBuffer> {
  return encodeJson({
    code: failure.code,
    message: failure.message.slice(0, MESSAGE_CHARACTERS_MAX),
    attempts: failure.attempts,
  });
}

/**
 * The failure in `payload`, or undefined when the bytes are not one: another writer may have put an event
 * there.
 */
export function decodeFailure(payload: Uint8Array): Failure | undefined {
  const found = decodeJson(payload);
  if (found === undefined) return undefined;
  const { code, message, attempts } = found;
  if (typeof code !== "string" || typeof message !== "string" || !isWhole(attempts)) return undefined;
  return { code, message, attempts };
}

function encodeJson(value: Record<string, unknown>): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(JSON.stringify(value));
}

function decodeJson(payload: Uint8Array): Record<string, unknown> | undefined {
  // Every payload here starts with a brace, and most that are not ours do not: no parser runs over a large
  // event.
  if (payload[0] !== 0x7b) return undefined;
  try {
    const value: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(payload));
    return typeof value === "object" && value !== null ? { ...value } : undefined;
  } catch {
    // Bytes that are not JSON are an answer: this is no record of ours.
    return undefined;
  }
}

function isTextMap(value: unknown): value is Record<string, string> {
  return typeof value === "object" && value !== null && isTexts(Object.values(value));
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}

function isWhole(value: unknown): value is number {
  return Number.isSafeInteger(value);
}
