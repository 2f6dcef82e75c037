/**
 * A job that a server has given out, and its log as a worker leaves it behind: made without a worker, so that
 * a test decides which events are in it and which of them the server has.
 */
import assert from "node:assert/strict";
import { encodeEvent, type JobEvent } from "../../src/events/event.ts";
import { createEvent } from "../../src/events/event.ts";
import { systemHost } from "../../src/platform/system_host.ts";
import { Log } from "../../src/wal/log.ts";
import { logNames } from "../../src/wal/file_names.ts";
import { readLogFile, scanLog } from "../../src/wal/reader.ts";
import type { Sandbox } from "./airunner.ts";
import { connect, outputEvent } from "./server_client.ts";
import { within } from "./within.ts";
import { systemFiles } from "../../src/platform/system_files.ts";

export interface UnsentJob {
  jobId: string;
  /** The log, in the sandbox's directory of logs. */
  path: string;
  /** The job's output, all of it. */
  output: Uint8Array<ArrayBuffer>;
  exitCode: number;
}

export interface UnsentOptions {
  /** Output events; a start and an end come on top. */
  outputs?: number;
  outputBytes?: number;
  /** The first so many events are sent and acknowledged. */
  sent?: number;
  /** The next so many were given up. */
  failed?: number;
}

const STARTED_MS = 1_700_000_000_000;
const EXIT_CODE = 4;

export async function leaveUnsentJob(
  { dataDir }: Sandbox,
  url: string,
  { outputs = 20, outputBytes = 100, sent = 0, failed = 0 }: UnsentOptions = {},
): Promise<UnsentJob> {
  await using client = connect(url);
  const jobParams = { command: "true", args: [], environment: {}, metadata: {} };
  const { jobId } = await client.jobs.enqueueJob({
    requestId: crypto.randomUUID(),
    queue: "default",
    jobParams,
  });
  const taskToken = await dequeue(client, jobId);
  const events = eventsOf(outputs, outputBytes);
  if (sent > 0) {
    const requests = async function* () {
      yield { taskToken, events: events.slice(0, sent) };
    };
    await client.events.publishJobEvents(requests());
  }
  const path = await writeLog(`${dataDir}/wal`, { jobId, url, taskToken }, events, sent, failed);
  const output = new Uint8Array(outputs * outputBytes);
  for (let n = 0; n < outputs; n++) output.fill((n + 2) % 256, n * outputBytes, (n + 1) * outputBytes);
  return { jobId, path, output, exitCode: EXIT_CODE };
}

async function dequeue(client: ReturnType<typeof connect>, jobId: string): Promise<string> {
  const request = { queue: "default", maxJobs: 1, visibilityTimeoutSeconds: 300 };
  for await (const { job, taskToken } of client.jobs.dequeueJob(request)) {
    assert.equal(job?.jobId, jobId);
    return taskToken;
  }
  throw new Error("The server gave no job");
}

/** Sequence 1 is the start, the last one the end. */
function eventsOf(outputs: number, outputBytes: number): JobEvent[] {
  const last = outputs + 2;
  return [
    createEvent(1n, STARTED_MS, { case: "processStart", value: { pid: 7 } }),
    ...Array.from({ length: outputs }, (_, n) => outputEvent(n + 2, outputBytes)),
    createEvent(BigInt(last), STARTED_MS + last, {
      case: "processEnd",
      value: { pid: 7, exitCode: EXIT_CODE, runDuration: { seconds: 1n, nanos: 0 } },
    }),
  ];
}

async function writeLog(
  directory: string,
  { jobId, url, taskToken }: { jobId: string; url: string; taskToken: string },
  events: readonly JobEvent[],
  sent: number,
  failed: number,
): Promise<string> {
  const log = await Log.create(directory, logNames(jobId), {
    job_id: jobId,
    execution: 1,
    queue: "default",
    server: url,
    task_token: taskToken,
    worker: "test",
    version: "0",
    started_at_ms: STARTED_MS,
  }, systemHost);
  for (const event of events) {
    const timestampMs = STARTED_MS + Number(event.sequence);
    await log.append({ sequence: event.sequence, timestampMs, payload: encodeEvent(event) });
  }
  if (sent > 0) await log.acknowledge(await log.pending({ events: sent, bytes: Infinity }));
  for (let n = 0; n < failed; n++) {
    const [event] = await log.pending({ events: 1, bytes: 1 });
    await log.fail(event, { code: "invalid_argument", message: "no", attempts: 10 });
  }
  await log.close();
  return log.path;
}

/** What a log says of its events. */
export async function countsOf(path: string): Promise<{ pending: number; sent: number; failed: number }> {
  const { ledger, damage } = await scanLog(readLogFile(systemFiles, path), () => {});
  assert.equal(damage, undefined);
  return { pending: ledger.pending, sent: ledger.sent, failed: ledger.failed };
}

/** Fails unless the server has exactly the job's output and knows how it ended. */
export async function assertDelivered(sandbox: Sandbox, url: string, job: UnsentJob): Promise<void> {
  // Of a job that has not ended, which is the very thing to be found out, it would wait for the end.
  const { code, stdout } = await within(
    sandbox.run(["logs", job.jobId, "--raw", `--server=${url}`]),
    () => `the server does not know how job ${job.jobId} ended`,
  );
  assert.equal(code, job.exitCode);
  assert.equal(stdout.length, job.output.length);
  assert.ok(
    stdout.every((byte, at) => byte === job.output[at]),
    "the server has other bytes than the job wrote",
  );
}
