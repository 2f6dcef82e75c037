/**
 * Has a server adopt the execution that a log is of: it makes the job and the execution from what the log
 * says, under their own ids, and gives a task token, which goes into the log. So no log is undeliverable
 * because its server was lost, or because another program wrote it.
 *
 * A server that was given a log twice gives the same answer; one that has something else under these ids
 * refuses, so that the bytes of two runs are never mixed.
 */
import { CallError } from "../client/call_error.ts";
import { isUnsupported, type WorkerClient } from "../client/worker_client.ts";
import type { Execution } from "../wal/execution.ts";
import { parseLogName } from "../wal/file_names.ts";
import type { Log } from "../wal/log.ts";
import { fileName } from "../platform/path_names.ts";
import type { Logger } from "../platform/logging/logger.ts";

/**
 * Which logs a server may be asked to adopt: those that say that they are its own or name none, those of
 * other servers and of other programs as well, or none.
 */
export type AdoptMode = "own" | "all" | "never";

export function mayAdopt(mode: AdoptMode, execution: Execution | undefined, server: string): boolean {
  // One that was recorded without a server is nobody else's.
  const isOwn = execution?.server === server || execution?.server === "";
  return mode === "all" || (mode === "own" && isOwn);
}

export interface AdoptOptions {
  client: Pick<WorkerClient, "adopt">;
  log: Pick<Log, "path" | "execution" | "origin" | "adopt">;
  /** Under which the log was found, where its own name does not say it, as that of a copy. */
  name?: string;
  /** The server that is asked. */
  server: string;
  /** When the job began, by its events; undefined for a log without any. */
  startedAtMs: number | undefined;
  logger: Logger;
}

/** `adopted`: the log says so, and is to be opened anew. Otherwise nothing was changed. */
export type AdoptResult =
  | { readonly outcome: "adopted" }
  | { readonly outcome: "refused" | "unsupported"; readonly message: string };

/** Throws CallError for what may pass, and what `Log.adopt` throws. */
export async function adoptLog(options: AdoptOptions, signal: AbortSignal): Promise<AdoptResult> {
  const { client, log, server, logger } = options;
  const execution = adoptable(options);
  if (execution === undefined) {
    return { outcome: "refused", message: "neither the log nor its name says which job it is of" };
  }
  const adoption = {
    jobId: execution.job_id,
    execution: execution.server_execution ?? execution.execution,
    queue: execution.queue,
    command: execution.command ?? "",
    args: execution.args ?? [],
    metadata: execution.metadata ?? {},
    startedAtMs: execution.started_at_ms,
    worker: execution.worker,
    logId: await logIdOf(log.origin),
  };
  let taskToken: string;
  try {
    ({ taskToken } = await client.adopt(adoption, signal));
  } catch (error) {
    if (!(error instanceof CallError) || error.kind !== "refused") throw error;
    const { message } = error;
    return { outcome: isUnsupported(error) ? "unsupported" : "refused", message };
  }
  await log.adopt({ ...execution, server, task_token: taskToken });
  logger.info("The server did not know the job, and has adopted it. All of its log is sent", {
    path: log.path,
    job_id: execution.job_id,
    server,
  });
  return { outcome: "adopted" };
}

/** Nobody knows any more who ran what another program wrote the log of. */
const UNKNOWN = "unknown";

function adoptable({ log, name, server, startedAtMs }: AdoptOptions): Execution | undefined {
  if (log.execution !== undefined) return log.execution;
  const named = parseLogName(name ?? fileName(log.path));
  return named && {
    job_id: named.jobId,
    execution: named.copy,
    queue: "default",
    server,
    worker: UNKNOWN,
    version: UNKNOWN,
    started_at_ms: Math.max(0, Math.round(startedAtMs ?? 0)),
  };
}

/** See docs/format.md. */
async function logIdOf(origin: Uint8Array<ArrayBuffer> | undefined): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", origin ?? new Uint8Array()));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
