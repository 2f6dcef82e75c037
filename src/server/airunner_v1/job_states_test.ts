import assert from "node:assert/strict";
import { ConnectError } from "@connectrpc/connect";
import { CancelOutcome } from "../../events/gen/airunner/v1/airunner_pb.ts";
import { JobState } from "../../events/gen/job/v1/job_pb.ts";
import { refusalReason } from "../../events/error_info.ts";
import { systemHost } from "../../platform/system_host.ts";
import { ManualClock } from "../../../tests/support/manual_clock.ts";
import { TestServer } from "../../../tests/support/running_server.ts";
import { outputEvent, publishRequests } from "../../../tests/support/server_client.ts";
import { until } from "../../../tests/support/within.ts";

const ADOPTED = "0190a0b0-0000-7000-8000-00000000000a";

/** Shorter than what the server grants anybody who is slow. */
const VISIBILITY_SECONDS = 10;

/** One job, what its worker holds of it, and the server that has it. */
interface Subject {
  server: TestServer;
  clock: ManualClock;
  jobId: string;
  taskToken: string;
}

const waiting = async (server: TestServer) => ({ jobId: await server.enqueue(), taskToken: "" });
const running = async (
  server: TestServer,
) => (await server.enqueue(), await server.claim(VISIBILITY_SECONDS));

/** Lets the execution expire, and waits until the server has seen it. */
async function expire(
  { server, clock, jobId }: Pick<Subject, "server" | "clock" | "jobId">,
): Promise<string> {
  const before = await stateOf(server, jobId);
  clock.advance(VISIBILITY_SECONDS * 1_000);
  // One that does not run has nothing to expire.
  if (before === "RUNNING") {
    await until(async () => await stateOf(server, jobId) !== before, () => `job ${jobId} still runs`);
  }
  return "ok";
}

/** How each state comes about. */
const STATES: Record<
  string,
  (server: TestServer, clock: ManualClock) => Promise<Omit<Subject, "server" | "clock">>
> = {
  "waits": (server) => waiting(server),
  "runs": (server) => running(server),
  "runs, has events": async (server) => {
    const job = await running(server);
    await server.events.publishJobEvents(publishRequests(job.taskToken, [[outputEvent(1)]]));
    return job;
  },
  "runs, to be cancelled": async (server) => {
    const job = await running(server);
    await server.control.cancelJob({ jobId: job.jobId });
    return job;
  },
  "requeued": async (server, clock) => {
    const job = await running(server);
    await expire({ server, clock, ...job });
    return job;
  },
  "requeued, has events": async (server, clock) => {
    const job = await STATES["runs, has events"](server, clock);
    await expire({ server, clock, ...job });
    return job;
  },
  "completed": async (server) => {
    const job = await running(server);
    await server.jobs.completeJob({ taskToken: job.taskToken, jobResult: { success: true } });
    return job;
  },
  "failed": async (server) => {
    const job = await running(server);
    await server.jobs.completeJob({ taskToken: job.taskToken, jobResult: { success: false } });
    return job;
  },
  "cancelled, waiting": async (server) => {
    const job = await waiting(server);
    await server.control.cancelJob({ jobId: job.jobId });
    return job;
  },
  "cancelled, expired": async (server, clock) => {
    const job = await STATES["runs, to be cancelled"](server, clock);
    await expire({ server, clock, ...job });
    return job;
  },
  "adopted": async (server) => {
    const { taskToken } = await server.workers.adoptExecution({ jobId: ADOPTED, execution: 1, logId: "own" });
    return { jobId: ADOPTED, taskToken };
  },
  "adopted, expired": async (server, clock) => {
    const job = await STATES["adopted"](server, clock);
    await expire({ server, clock, ...job });
    return job;
  },
};

const ACTIONS: Record<string, (subject: Subject) => Promise<string>> = {
  async cancel({ server, jobId }) {
    return CancelOutcome[(await server.control.cancelJob({ jobId })).outcome];
  },
  retry: ({ server, jobId }) => ok(server.control.retryJob({ jobId })),
  delete: ({ server, jobId }) => ok(server.control.deleteJob({ jobId })),
  "adopt 1, own log": ({ server, jobId }) => adopt(server, jobId, 1, "own"),
  "adopt 1, other log": ({ server, jobId }) => adopt(server, jobId, 1, "other"),
  "adopt 2": ({ server, jobId }) => adopt(server, jobId, 2, "second"),
  succeed: ({ server, taskToken }) =>
    ok(server.jobs.completeJob({ taskToken, jobResult: { success: true } })),
  fail: ({ server, taskToken }) => ok(server.jobs.completeJob({ taskToken, jobResult: { success: false } })),
  expire,
  extend: ({ server, taskToken }) => ok(server.jobs.updateJob({ taskToken })),
  publish: ({ server, taskToken }) =>
    ok(server.events.publishJobEvents(publishRequests(taskToken, [[outputEvent(7)]]))),
};

async function adopt(server: TestServer, jobId: string, execution: number, logId: string): Promise<string> {
  return (await server.workers.adoptExecution({ jobId, execution, logId })).isNew ? "new" : "repeated";
}

async function ok(call: Promise<unknown>): Promise<string> {
  await call;
  return "ok";
}

async function stateOf(server: TestServer, jobId: string): Promise<string> {
  try {
    return JobState[(await server.control.getJob({ jobId })).job!.state];
  } catch (error) {
    if (error instanceof ConnectError) return "gone";
    throw error;
  }
}

/**
 * For each state: what each action answers, and the state after it. Without a token there is nothing to
 * complete, extend or publish.
 */
const TABLE: Record<string, Partial<Record<string, string>>> = {
  "waits": {
    "cancel": "CANCELLED CANCELLED",
    "retry": "JOB_NOT_ENDED SCHEDULED",
    "delete": "JOB_NOT_ENDED SCHEDULED",
    "adopt 1, own log": "new RUNNING",
    "adopt 1, other log": "new RUNNING",
    "adopt 2": "new RUNNING",
    "expire": "ok SCHEDULED",
  },
  "runs": {
    "cancel": "REQUESTED RUNNING",
    "retry": "JOB_NOT_ENDED RUNNING",
    "delete": "JOB_NOT_ENDED RUNNING",
    "adopt 1, own log": "ADOPTION_OTHER_LOG RUNNING",
    "adopt 1, other log": "ADOPTION_OTHER_LOG RUNNING",
    "adopt 2": "ADOPTION_JOB_RUNS RUNNING",
    "succeed": "ok COMPLETED",
    "fail": "ok FAILED",
    "expire": "ok SCHEDULED",
    "extend": "ok RUNNING",
    "publish": "ok RUNNING",
  },
  "runs, to be cancelled": {
    "cancel": "REQUESTED RUNNING",
    "retry": "JOB_NOT_ENDED RUNNING",
    "delete": "JOB_NOT_ENDED RUNNING",
    "adopt 1, own log": "ADOPTION_OTHER_LOG RUNNING",
    "adopt 1, other log": "ADOPTION_OTHER_LOG RUNNING",
    "adopt 2": "ADOPTION_JOB_RUNS RUNNING",
    "succeed": "ok COMPLETED",
    "fail": "ok CANCELLED",
    "expire": "ok CANCELLED",
    "extend": "ok RUNNING",
    "publish": "ok RUNNING",
  },
  "requeued": {
    "cancel": "CANCELLED CANCELLED",
    "retry": "JOB_NOT_ENDED SCHEDULED",
    "delete": "JOB_NOT_ENDED SCHEDULED",
    "adopt 1, own log": "ADOPTION_OTHER_LOG SCHEDULED",
    "adopt 1, other log": "ADOPTION_OTHER_LOG SCHEDULED",
    "adopt 2": "new RUNNING",
    "succeed": "ok COMPLETED",
    "fail": "ok FAILED",
    "expire": "ok SCHEDULED",
    "extend": "EXECUTION_ENDED SCHEDULED",
    "publish": "ok SCHEDULED",
  },
  "cancelled, waiting": {
    "cancel": "ENDED CANCELLED",
    "retry": "ok CANCELLED",
    "delete": "ok gone",
    "adopt 1, own log": "new RUNNING",
    "adopt 1, other log": "new RUNNING",
    "adopt 2": "new RUNNING",
    "expire": "ok CANCELLED",
  },
  "cancelled, expired": {
    "cancel": "ENDED CANCELLED",
    "retry": "ok CANCELLED",
    "delete": "ok gone",
    "adopt 1, own log": "ADOPTION_OTHER_LOG CANCELLED",
    "adopt 1, other log": "ADOPTION_OTHER_LOG CANCELLED",
    "adopt 2": "new RUNNING",
    "succeed": "ok COMPLETED",
    "fail": "ok CANCELLED",
    "expire": "ok CANCELLED",
    "extend": "EXECUTION_ENDED CANCELLED",
    "publish": "ok CANCELLED",
  },
  "adopted": {
    "cancel": "REQUESTED RUNNING",
    "retry": "JOB_NOT_ENDED RUNNING",
    "delete": "JOB_NOT_ENDED RUNNING",
    "adopt 1, own log": "repeated RUNNING",
    "adopt 1, other log": "ADOPTION_OTHER_LOG RUNNING",
    "adopt 2": "ADOPTION_JOB_RUNS RUNNING",
    "succeed": "ok COMPLETED",
    "fail": "ok FAILED",
    "expire": "ok FAILED",
    "extend": "ok RUNNING",
    "publish": "ok RUNNING",
  },
  "adopted, expired": {
    "cancel": "ENDED FAILED",
    "retry": "JOB_ADOPTED FAILED",
    "delete": "ok gone",
    "adopt 1, own log": "repeated RUNNING",
    "adopt 1, other log": "ADOPTION_OTHER_LOG FAILED",
    "adopt 2": "new RUNNING",
    "succeed": "ok COMPLETED",
    "fail": "ok FAILED",
    "expire": "ok FAILED",
    "extend": "EXECUTION_ENDED FAILED",
    "publish": "ok FAILED",
  },
};
TABLE["runs, has events"] = TABLE["runs"];
TABLE["requeued, has events"] = { ...TABLE["requeued"], "adopt 2": "ADOPTION_JOB_HAS_EVENTS SCHEDULED" };
for (const state of ["completed", "failed"]) {
  const name = state.toUpperCase();
  TABLE[state] = {
    "cancel": `ENDED ${name}`,
    "retry": `ok ${name}`,
    "delete": "ok gone",
    "adopt 1, own log": `ADOPTION_OTHER_LOG ${name}`,
    "adopt 1, other log": `ADOPTION_OTHER_LOG ${name}`,
    "adopt 2": `ADOPTION_JOB_HAS_EVENTS ${name}`,
    // The first completion stays.
    "succeed": `ok ${name}`,
    "fail": `ok ${name}`,
    "expire": `ok ${name}`,
    "extend": `EXECUTION_ENDED ${name}`,
    "publish": `ok ${name}`,
  };
}

/** What the action answered: its own word, or the reason of its refusal. */
async function answerOf(action: (subject: Subject) => Promise<string>, subject: Subject): Promise<string> {
  try {
    return await action(subject);
  } catch (error) {
    if (!(error instanceof ConnectError)) throw error;
    return refusalReason(error.details) ?? error.message;
  }
}

for (const [state, bring] of Object.entries(STATES)) {
  Deno.test(`whatever is done with a job that is in this state, it becomes what it should: ${state}`, async () => {
    const found: Record<string, string> = {};
    for (const [name, action] of Object.entries(ACTIONS)) {
      const clock = new ManualClock();
      const host = { ...systemHost, clock };
      await using server = await TestServer.start({ host, defaultVisibilitySeconds: VISIBILITY_SECONDS });
      const job = await bring(server, clock);
      if (job.taskToken === "" && ["succeed", "fail", "extend", "publish"].includes(name)) continue;
      const subject = { server, clock, ...job };
      found[name] = `${await answerOf(action, subject)} ${await stateOf(server, job.jobId)}`;
    }
    assert.deepEqual(found, TABLE[state]);
  });
}
