/**
 * Our own calls against the compiled server, which is killed at the moments that matter: what was answered
 * before is true afterwards.
 */
import assert from "node:assert/strict";
import { CancelOutcome } from "../src/events/gen/airunner/v1/airunner_pb.ts";
import { JobState } from "../src/events/gen/job/v1/job_pb.ts";
import { Sandbox } from "./support/airunner.ts";
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

/** What a call answered, as one word that is the same when it is asked again; undefined: it broke off. */
type Asked = { again(client: ServerClient): Promise<string>; answer: string | undefined };

Deno.test("what a server answered before it was killed holds, and what it did not can be asked again", async () => {
  await using sandbox = new Sandbox();
  let { url, port, program } = await sandbox.startServer();
  for (const [round, answersBefore] of [0, 2, 5, 8, 11].entries()) {
    const tokens: string[] = [];
    const calls: Asked[] = [];
    {
      await using client = connect(url);
      const enqueue = async () => (await client.jobs.enqueueJob({ jobParams: { command: "true" } })).jobId;
      for (let number = 0; number < 4; number++) {
        const running = await enqueue();
        tokens.push((await collect(client.jobs.dequeueJob({})))[0].taskToken);
        const ended = await enqueue();
        await client.control.cancelJob({ jobId: ended });
        const adoption = {
          jobId: `0190a0b0-0000-7000-8000-0000000${round}000${number}`,
          execution: 1,
          logId: `log-${number}`,
        };
        const again: Asked["again"][] = [
          async ({ control }) => {
            const { outcome } = await control.cancelJob({ jobId: running, reason: `round ${round}` });
            return `${running}/1 round ${round} ${outcome}`;
          },
          async ({ workers }) => (await workers.adoptExecution(adoption)).taskToken,
          async ({ control }) =>
            (await control.retryJob({ jobId: ended, requestId: `retry of ${ended}` })).jobId,
        ];
        calls.push(...again.map((again) => ({ again, answer: undefined })));
      }
      let answers = 0;
      const killed = Promise.withResolvers<void>();
      const kill = () => {
        program.signal("SIGKILL");
        killed.resolve();
      };
      const asked = calls.map(async (call) => {
        call.answer = await call.again(client).catch(() => undefined);
        if (call.answer !== undefined && ++answers === answersBefore) kill();
      });
      if (answersBefore === 0) kill();
      await killed.promise;
      await Promise.all(asked);
      await program.end();
    }

    ({ url, port, program } = await sandbox.startServer(port));
    await using client = connect(url);
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
    // Before anything is asked again: what was answered is known to this server, too.
    const cancellations = (answers: (string | undefined)[]) =>
      answers.filter((_, index) => index % 3 === 0).map((answer) => answer?.replace(/ \d$/, ""));
    await hear(cancellations(calls.map(({ answer }) => answer)));
    const repeated = await Promise.all(calls.map(({ again }) => again(client)));
    for (const [index, { answer }] of calls.entries()) {
      if (answer !== undefined) assert.equal(repeated[index], answer, "An answer is the same afterwards");
    }
    await hear(cancellations(repeated));
    assert.equal(heard.size, tokens.length, "Each is heard of once, and no other");
    // Nobody ran a job twice, made one twice, or mixed two logs.
    const { jobs } = await client.control.listJobs({ pageSize: 500 });
    const retries = jobs.map(({ retryOf }) => retryOf).filter((retryOf) => retryOf !== "");
    assert.equal(new Set(retries).size, retries.length);
    assert.equal(jobs.length, 16 * (round + 1));
    // The next round's jobs are the first ones of their queue.
    for (const { jobId, state } of jobs) {
      if (state === JobState.SCHEDULED) await client.control.cancelJob({ jobId });
    }
  }
});
