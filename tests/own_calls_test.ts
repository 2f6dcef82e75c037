/**
 * Our own calls against the compiled server, which is killed at the moments that matter: what was answered
 * before is true afterwards.
 */
import assert from "node:assert/strict";
import { CancelOutcome } from "../src/events/gen/airunner/v1/airunner_pb.ts";
import { JobState } from "../src/events/gen/job/v1/job_pb.ts";
import { type Program, Sandbox } from "./support/airunner.ts";
import { Scraper } from "./support/scraper.ts";
import {
  collect,
  connect,
  outputEvent,
  publishRequests,
  type ServerClient,
} from "./support/server_client.ts";
import { Watcher } from "./support/watcher.ts";

const JOB_ID = "0190a0b0-0000-7000-8000-000000000001";

Deno.test("a cancellation outlives a server that is killed right after it answered", async () => {
  await using sandbox = new Sandbox();
  const { url, port, program } = await sandbox.startServer();
  await using client = connect(url, { headers: { "airunner-worker": "host-1" } });
  const { jobId } = await client.jobs.enqueueJob({ jobParams: { command: "true" } });
  const [{ taskToken }] = await collect(client.jobs.dequeueJob({}));
  {
    await using watcher = await Watcher.open(client, { taskTokens: [taskToken] });
    const { outcome, isHeard } = await client.control.cancelJob({ jobId, reason: "by hand" });
    assert.deepEqual([outcome, isHeard], [CancelOutcome.REQUESTED, true]);
    await program.kill("SIGKILL");
    // Told or not, before the connection broke: it is told again to whoever comes back.
    await watcher.next().catch(() => {});
  }
  await sandbox.startServer(port);
  await using again = connect(url);
  await using watcher = await Watcher.open(again, { taskTokens: [taskToken] });
  assert.equal(await watcher.next(), `${jobId}/1 by hand`);
  await again.jobs.completeJob({ taskToken, jobResult: { jobId, success: false, exitCode: 143 } });
  const { job, executions: [execution] } = await again.control.getJob({ jobId });
  assert.deepEqual([job!.state, execution.worker, execution.result!.exitCode], [
    JobState.CANCELLED,
    "host-1",
    143,
  ]);
});

Deno.test("an adoption outlives a server that is killed, and a server that lost everything takes the log anew", async () => {
  await using sandbox = new Sandbox();
  const { url, port, program } = await sandbox.startServer();
  const request = { jobId: JOB_ID, execution: 1, logId: "log-1", jobParams: { command: "make" } };
  await using client = connect(url);
  const { taskToken } = await client.workers.adoptExecution(request);
  await client.events.publishJobEvents(publishRequests(taskToken, [[outputEvent(1)]]));
  await program.kill("SIGKILL");

  const second = await sandbox.startServer(port);
  await using again = connect(url);
  const repeated = await again.workers.adoptExecution(request);
  assert.deepEqual([repeated.isNew, repeated.taskToken], [false, taskToken]);
  const { eventsStored, eventsDuplicate } = await again.events.publishJobEvents(
    publishRequests(taskToken, [[outputEvent(1), outputEvent(2)]]),
  );
  assert.deepEqual([eventsStored, eventsDuplicate], [1n, 1n]);
  await second.program.kill("SIGKILL");
  for await (const { name } of Deno.readDir(sandbox.directory)) {
    if (name.startsWith("server.db")) await Deno.remove(`${sandbox.directory}/${name}`);
  }

  await sandbox.startServer(port);
  await using anew = connect(url);
  const adopted = await anew.workers.adoptExecution(request);
  assert.equal(adopted.isNew, true);
  assert.notEqual(adopted.taskToken, taskToken, "Another database, another secret");
  await anew.events.publishJobEvents(publishRequests(adopted.taskToken, [[outputEvent(1), outputEvent(2)]]));
  const jobResult = { jobId: JOB_ID, success: true };
  await anew.jobs.completeJob({ taskToken: adopted.taskToken, jobResult });
  const { job, executions: [execution] } = await anew.control.getJob({ jobId: JOB_ID });
  assert.deepEqual([job!.state, job!.isAdopted, execution.eventCount], [JobState.COMPLETED, true, 2n]);
});

Deno.test("a job is retried once, however often a server is killed while it is asked to", async () => {
  await using sandbox = new Sandbox();
  const { url, port, program } = await sandbox.startServer();
  await using client = connect(url);
  const { jobId } = await client.jobs.enqueueJob({ jobParams: { command: "true" } });
  await client.control.cancelJob({ jobId });
  const first = await client.control.retryJob({ jobId, requestId: "once" });
  await program.kill("SIGKILL");
  await sandbox.startServer(port);
  await using again = connect(url);
  assert.equal((await again.control.retryJob({ jobId, requestId: "once" })).jobId, first.jobId);
  const { jobs } = await again.control.listJobs({});
  assert.deepEqual(jobs.map((job) => job.retryOf), [jobId, ""]);
});

Deno.test("the server counts workers, cancellations, adoptions and comparisons", async () => {
  await using sandbox = new Sandbox();
  const { url } = await sandbox.startServer();
  const scraper = Scraper.at(url);
  await using client = connect(url);
  const { jobId } = await client.jobs.enqueueJob({ jobParams: { command: "true" } });
  const [{ taskToken }] = await collect(client.jobs.dequeueJob({}));
  {
    await using _watcher = await Watcher.open(client, { taskTokens: [taskToken] });
    assert.equal((await scraper.scrape()).value("airunner_server_workers"), 1);
  }
  await scraper.until((scrape) => scrape.value("airunner_server_workers") === 0);
  await client.control.cancelJob({ jobId });
  await client.workers.adoptExecution({ jobId: JOB_ID, execution: 1, logId: "a" });
  await client.workers.adoptExecution({ jobId: JOB_ID, execution: 1, logId: "b" }).catch(() => {});
  await client.events.publishJobEvents(publishRequests(taskToken, [[outputEvent(1)]]));
  const range = { taskToken, fromSequence: 1n, toSequence: 1n };
  const { checksum } = await client.workers.compareEvents(range);
  await client.workers.compareEvents({ ...range, eventCount: 1n, checksum });
  await client.workers.compareEvents({ ...range, eventCount: 1n, checksum: checksum + 1n });
  const scrape = await scraper.scrape();
  const value = (name: string, labels: Record<string, string>) =>
    scrape.value(`airunner_server_${name}`, labels);
  assert.deepEqual([
    value("cancellations_total", { outcome: "requested" }),
    value("cancellations_total", { outcome: "ended" }),
    value("adoptions_total", { outcome: "new" }),
    value("adoptions_total", { outcome: "refused" }),
    value("comparisons_total", { result: "equal" }),
    value("comparisons_total", { result: "different" }),
    value("requests_total", { method: "CancelJob", code: "ok" }),
    value("requests_total", { method: "AdoptExecution", code: "failed_precondition" }),
    value("requests_total", { method: "Watch", code: "canceled" }),
  ], [1, 0, 1, 1, 1, 1, 1, 1, 1]);
});

/** A call, and what it answered, as one word that is the same when it is asked again. */
interface Asked {
  kind: "cancel" | "adopt" | "retry";
  ask(client: ServerClient): Promise<string>;
  /** Undefined: the call broke off. */
  answer?: string;
}

/** Three calls for each of four jobs, and the tokens of those that are to be cancelled. */
async function prepareCalls(
  client: ServerClient,
  round: number,
): Promise<{ tokens: string[]; calls: Asked[] }> {
  const enqueue = async () => (await client.jobs.enqueueJob({ jobParams: { command: "true" } })).jobId;
  const tokens: string[] = [];
  const calls: Asked[] = [];
  for (let number = 0; number < 4; number++) {
    const running = await enqueue();
    tokens.push((await collect(client.jobs.dequeueJob({})))[0].taskToken);
    const ended = await enqueue();
    await client.control.cancelJob({ jobId: ended });
    const cancellation = { jobId: running, reason: `round ${round}` };
    const retry = { jobId: ended, requestId: `retry of ${ended}` };
    const jobId = `0190a0b0-0000-7000-8000-0000000${round}000${number}`;
    const adoption = { jobId, execution: 1, logId: `log-${number}` };
    calls.push(
      {
        kind: "cancel",
        ask: async ({ control }) => {
          const { outcome } = await control.cancelJob(cancellation);
          assert.equal(outcome, CancelOutcome.REQUESTED);
          return `${running}/1 round ${round}`;
        },
      },
      { kind: "adopt", ask: async ({ workers }) => (await workers.adoptExecution(adoption)).taskToken },
      { kind: "retry", ask: async ({ control }) => (await control.retryJob(retry)).jobId },
    );
  }
  return { tokens, calls };
}

/** Asks all at once, and kills the server when it has given that many answers. */
async function askUntilKilled(program: Program, client: ServerClient, calls: Asked[], answersMax: number) {
  let answers = 0;
  if (answersMax === 0) program.signal("SIGKILL");
  await Promise.all(calls.map(async (call) => {
    call.answer = await call.ask(client).catch(() => undefined);
    if (call.answer !== undefined && ++answers === answersMax) program.signal("SIGKILL");
  }));
  await program.end();
}

/** What the server says now is what it said before it was killed, to whoever listens or asks again. */
async function checkAnswers(client: ServerClient, tokens: string[], calls: Asked[]): Promise<void> {
  await using watcher = await Watcher.open(client, { taskTokens: tokens });
  const heard = new Set<string>();
  const hear = async (all: (string | undefined)[]) => {
    while (!all.every((one) => one === undefined || heard.has(one))) {
      const message = await watcher.next();
      // A beat: all that there is to tell was told before it.
      assert.notEqual(message, "alive", `Not heard of: ${all.filter((one) => one && !heard.has(one))}`);
      heard.add(message);
    }
  };
  const cancels = calls.filter(({ kind }) => kind === "cancel");
  // Before anything is asked again.
  await hear(cancels.map(({ answer }) => answer));
  const repeated = await Promise.all(calls.map(({ ask }) => ask(client)));
  for (const [index, { kind, answer }] of calls.entries()) {
    if (answer !== undefined) assert.equal(repeated[index], answer, kind);
  }
  await hear(repeated.filter((_, index) => calls[index].kind === "cancel"));
  assert.equal(heard.size, tokens.length, "Each is heard of, and no other");
}

Deno.test("what a server answered before it was killed holds, and what it did not can be asked again", async () => {
  await using sandbox = new Sandbox();
  let { url, port, program } = await sandbox.startServer();
  for (const [round, answersMax] of [0, 2, 5, 8, 11].entries()) {
    await using before = connect(url);
    const { tokens, calls } = await prepareCalls(before, round);
    await askUntilKilled(program, before, calls, answersMax);
    ({ url, port, program } = await sandbox.startServer(port));
    await using after = connect(url);
    await checkAnswers(after, tokens, calls);
    // Nobody made a job twice, or mixed two logs.
    const { jobs } = await after.control.listJobs({ pageSize: 500 });
    const retries = jobs.map(({ retryOf }) => retryOf).filter((retryOf) => retryOf !== "");
    assert.equal(new Set(retries).size, retries.length);
    assert.equal(jobs.length, 16 * (round + 1));
    // The next round's jobs are the first ones of their queue.
    for (const { jobId, state } of jobs) {
      if (state === JobState.SCHEDULED) await after.control.cancelJob({ jobId });
    }
  }
});
