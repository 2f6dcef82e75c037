import assert from "node:assert/strict";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { create, type DescMethod } from "@bufbuild/protobuf";
import { Code, createContextValues, createHandlerContext } from "@connectrpc/connect";
import { CancelOutcome, ExecutionOutcome, JobsService } from "../../events/gen/airunner/v1/airunner_pb.ts";
import { JobState } from "../../events/gen/job/v1/job_pb.ts";
import { createLogger } from "../../platform/logging/text_logger.ts";
import { systemHost } from "../../platform/system_host.ts";
import { ManualClock } from "../../../tests/support/manual_clock.ts";
import { assertRefused } from "../../../tests/support/refusals.ts";
import { TestServer } from "../../../tests/support/running_server.ts";
import { collect, outputEvent, publishRequests } from "../../../tests/support/server_client.ts";
import { TestStore } from "../../../tests/support/server_store.ts";
import { until, within } from "../../../tests/support/within.ts";
import { ANYBODY, caller } from "../caller.ts";
import { JobQueue } from "../job_queue.ts";
import { createJobsService } from "./jobs_service.ts";
import { KnownWorkers } from "./known_workers.ts";
import { Watches } from "./watches.ts";

const NO_JOB = "0190a0b0-0000-7000-8000-000000000000";

Deno.test("one job is told with its parameters and executions, in binary and in JSON", async () => {
  const clock = new ManualClock();
  await using server = await TestServer.start({ host: { ...systemHost, clock } });
  for (const json of [false, true]) {
    const { control, jobs, events } = server.client({
      json,
      headers: { "airunner-worker": "host-7", "airunner-worker-id": "w-7" },
    });
    const queue = `q-${json}`;
    const jobParams = { command: "make", args: ["all"], metadata: { pipeline: "p1" } };
    const { jobId } = await jobs.enqueueJob({ queue, jobParams });
    const waiting = await control.getJob({ jobId });
    assert.deepEqual([waiting.job!.state, waiting.executions.length], [JobState.SCHEDULED, 0]);
    assert.equal(waiting.job!.latestExecution, undefined);

    const startMs = clock.nowMs();
    const [{ taskToken: lost }] = await collect(jobs.dequeueJob({ queue, visibilityTimeoutSeconds: 10 }));
    clock.advance(4_000);
    await jobs.updateJob({ taskToken: lost, visibilityTimeoutSeconds: 10 });
    clock.advance(10_000);
    const [{ taskToken }] = await collect(jobs.dequeueJob({ queue }));
    clock.advance(500);
    await events.publishJobEvents(publishRequests(taskToken, [[outputEvent(1), outputEvent(2, 5_000)]]));
    const running = (await control.getJob({ jobId })).executions;
    assert.deepEqual(running.map(({ number, outcome }) => [number, outcome]), [
      [1, ExecutionOutcome.REQUEUED],
      [2, ExecutionOutcome.RUNNING],
    ]);
    assert.equal(timestampMs(running[0].lastSeenAt!), startMs + 4_000, "An update is a sign of life");
    assert.equal(timestampMs(running[1].lastSeenAt!), startMs + 14_500, "Events are, too");
    assert.equal(running[1].endedAt, undefined);
    assert.equal(running[1].eventCount, 2n);
    assert.ok(running[1].eventBytes > 5_000n);

    clock.advance(500);
    await jobs.completeJob({
      taskToken,
      jobResult: { jobId, success: false, exitCode: 3, errorMessage: "no" },
    });
    const { job, jobParams: stored, executions } = await control.getJob({ jobId });
    assert.deepEqual(
      [
        job!.jobId,
        job!.queue,
        job!.state,
        job!.command,
        job!.args,
        job!.metadata,
        job!.isAdopted,
        job!.retryOf,
      ],
      [jobId, queue, JobState.FAILED, "make", ["all"], { pipeline: "p1" }, false, ""],
    );
    assert.deepEqual(job!.latestExecution, executions[1]);
    assert.equal(stored!.command, "make");
    assert.deepEqual(
      [executions[1].outcome, executions[1].worker, executions[1].result!.exitCode],
      [ExecutionOutcome.COMPLETED, "host-7", 3],
    );
    assert.equal(timestampMs(executions[1].startedAt!), startMs + 14_000);
    assert.equal(timestampMs(executions[1].endedAt!), startMs + 15_000);
  }
});

Deno.test("only the worker that runs a job gets the values of its secret variables", async () => {
  await using server = await TestServer.start();
  for (const json of [false, true]) {
    const { control, jobs } = server.client({ json });
    const environment = { TOKEN: "hush-hush", CI: "1" };
    const metadata = { "airunner.secrets": "TOKEN, OTHER" };
    const { jobId } = await jobs.enqueueJob({ jobParams: { command: "make", environment, metadata } });
    const one = await control.getJob({ jobId });
    const shown = [
      one,
      await control.listJobs({}),
      await jobs.listJobs({}),
    ];
    for (const answer of shown) {
      const text = JSON.stringify(answer, (_key, value) => typeof value === "bigint" ? String(value) : value);
      assert.doesNotMatch(text, /hush/, answer.$typeName);
      assert.match(text, /TOKEN, OTHER/);
    }
    assert.deepEqual(one.jobParams!.environment, { CI: "1" });
    const [{ job }] = await collect(jobs.dequeueJob({}));
    assert.deepEqual(job!.jobParams!.environment, environment);
  }
});

Deno.test("a job that waits is gone from its queue once it is cancelled", async () => {
  await using server = await TestServer.start();
  for (const json of [false, true]) {
    const { control } = server.client({ json });
    const cancelled = await server.enqueue();
    const next = await server.enqueue();
    const answer = await control.cancelJob({ jobId: cancelled, reason: "a typing error" });
    assert.deepEqual([answer.outcome, answer.state, answer.isHeard], [
      CancelOutcome.CANCELLED,
      JobState.CANCELLED,
      false,
    ]);
    assert.ok((await control.getJob({ jobId: cancelled })).job!.cancelRequestedAt);
    assert.equal((await server.claim()).jobId, next);
    const again = await control.cancelJob({ jobId: cancelled });
    assert.deepEqual([again.outcome, again.state], [CancelOutcome.ENDED, JobState.CANCELLED]);
  }
});

Deno.test("a job that was to be cancelled and whose worker is gone ends, and is run by nobody else", async () => {
  const clock = new ManualClock();
  await using server = await TestServer.start({ host: { ...systemHost, clock } });
  const jobId = await server.enqueue();
  const { taskToken } = await server.claim(10);
  const answer = await server.control.cancelJob({ jobId });
  assert.deepEqual([answer.outcome, answer.state, answer.isHeard], [
    CancelOutcome.REQUESTED,
    JobState.RUNNING,
    false,
  ]);
  const waiting = server.claim();
  await clock.pass(10_000);
  // The worker that waits is served with the next job, and not with the cancelled one.
  const next = await server.enqueue();
  assert.equal((await within(waiting, () => "nobody was served")).jobId, next);
  const { job, executions } = await server.control.getJob({ jobId });
  assert.deepEqual([job!.state, executions.map(({ outcome }) => outcome)], [
    JobState.CANCELLED,
    [ExecutionOutcome.CANCELLED],
  ]);
  // What its worker still has is taken, since it is the only copy.
  await server.events.publishJobEvents(publishRequests(taskToken, [[outputEvent(1)]]));
});

Deno.test("a job is retried with the same parameters, secrets among them, and names the old one", async () => {
  await using server = await TestServer.start();
  for (const json of [false, true]) {
    const { control } = server.client({ json });
    const queue = `q-${json}`;
    const jobParams = {
      command: "make",
      environment: { TOKEN: "hush" },
      metadata: { "airunner.secrets": "TOKEN" },
      timeoutSeconds: 60,
    };
    const { jobId } = await server.jobs.enqueueJob({ queue, jobParams });
    const [{ taskToken }] = await collect(server.jobs.dequeueJob({ queue }));
    await server.jobs.completeJob({ taskToken, jobResult: { jobId, success: false } });
    const retried = await control.retryJob({ jobId, requestId: `again-${json}` });
    assert.notEqual(retried.jobId, jobId);
    assert.equal(retried.queue, queue);
    assert.deepEqual(await control.retryJob({ jobId, requestId: `again-${json}` }), retried);
    assert.equal((await control.getJob({ jobId: retried.jobId })).job!.retryOf, jobId);
    const [{ job }] = await collect(server.jobs.dequeueJob({ queue }));
    assert.equal(job!.jobId, retried.jobId);
    assert.deepEqual([job!.jobParams!.command, job!.jobParams!.environment, job!.jobParams!.timeoutSeconds], [
      "make",
      { TOKEN: "hush" },
      60,
    ]);
  }
});

Deno.test("a request id that another job was made with retries nothing", async () => {
  await using server = await TestServer.start();
  await server.jobs.enqueueJob({ requestId: "r", jobParams: { command: "other" } });
  const jobId = await server.enqueue();
  await server.control.cancelJob({ jobId });
  await assertRefused(
    server.control.retryJob({ jobId, requestId: "r" }),
    Code.AlreadyExists,
    /request_id was used before, for job .*, which is no retry of job/,
    "REQUEST_ID_USED",
  );
  assert.equal((await server.control.listJobs({})).jobs.length, 2);
});

Deno.test("a deleted job is gone with its events, and who reads them is told", async () => {
  await using server = await TestServer.start();
  const { jobId, taskToken } = (await server.enqueue(), await server.claim());
  await server.events.publishJobEvents(publishRequests(taskToken, [[outputEvent(1)]]));
  const reader = server.events.streamJobEvents({ jobId })[Symbol.asyncIterator]();
  await reader.next();
  await server.jobs.completeJob({ taskToken, jobResult: { jobId, success: true } });
  await server.control.deleteJob({ jobId });
  await assertRefused(
    within(reader.next(), () => "the reader heard nothing"),
    Code.NotFound,
    /There is no job/,
  );
  await assertRefused(server.control.getJob({ jobId }), Code.NotFound, /There is no job/);
  await assertRefused(server.control.deleteJob({ jobId }), Code.NotFound, /There is no job/);
  await assertRefused(
    server.events.publishJobEvents(publishRequests(taskToken, [[outputEvent(2)]])),
    Code.InvalidArgument,
    /has no execution 1 of job/,
    "EXECUTION_UNKNOWN",
  );
  assert.deepEqual((await server.control.listJobs({})).jobs, []);
});

Deno.test("queues are those with jobs and those before which somebody waits", async () => {
  const clock = new ManualClock();
  await using server = await TestServer.start({ host: { ...systemHost, clock } });
  for (const queue of ["b", "b", "b", "b", "a"]) {
    await server.jobs.enqueueJob({ queue, jobParams: { command: "true" } });
    clock.advance(1_000);
  }
  const [{ job, taskToken }] = await collect(server.jobs.dequeueJob({ queue: "b" }));
  await server.jobs.completeJob({ taskToken, jobResult: { jobId: job!.jobId, success: true } });
  await collect(server.jobs.dequeueJob({ queue: "b" }));
  const leaving = new AbortController();
  const waiting = collect(server.jobs.dequeueJob({ queue: "c" }, { signal: leaving.signal })).catch(() => {});
  for (const json of [false, true]) {
    const { control } = server.client({ json });
    // The call that waits has reached the server when it is counted.
    await until(async () => (await control.listQueues({})).queues.length === 3, () => "nobody waits");
    const { queues } = await control.listQueues({});
    assert.deepEqual(
      queues.map(({ name, scheduled, running, ended, waiting }) =>
        `${name} ${scheduled} ${running} ${ended} ${waiting}`
      ),
      ["a 1 0 0 0", "b 2 1 1 0", "c 0 0 0 1"],
    );
    const [, b, c] = queues;
    assert.equal(timestampMs(b.oldestScheduledAt!), clock.nowMs() - 3_000);
    assert.equal(c.oldestScheduledAt, undefined);
  }
  leaving.abort();
  await waiting;
});

Deno.test("what is asked of a job that there is not, or wrongly, is refused in clear words", async () => {
  await using server = await TestServer.start();
  const { control } = server;
  const jobId = await server.enqueue();
  for (const call of [control.getJob, control.cancelJob, control.retryJob, control.deleteJob] as const) {
    await assertRefused(call({ jobId: NO_JOB }), Code.NotFound, /There is no job 0190a0b0/);
    await assertRefused(call({ jobId: "" }), Code.InvalidArgument, /job_id is required/);
    await assertRefused(call({ jobId: "x".repeat(129) }), Code.InvalidArgument, /job_id has 129 characters/);
    await assertRefused(call({ jobId: "\x1b[2J" }), Code.InvalidArgument, /job_id contains a control/);
  }
  const table: [Promise<unknown>, RegExp][] = [
    [control.cancelJob({ jobId, reason: "x".repeat(1_025) }), /reason has 1025 characters; at most 1024/],
    [control.cancelJob({ jobId, reason: "\x1b[31mred" }), /reason contains a control character/],
    [control.retryJob({ jobId, requestId: "x".repeat(257) }), /request_id is longer than 256/],
    [control.listJobs({ pageToken: "page 2" }), /page_token is none that this server gave/],
  ];
  for (const [call, message] of table) await assertRefused(call, Code.InvalidArgument, message);
});

Deno.test("headers that say who takes a job are held to their form", async () => {
  await using server = await TestServer.start();
  const jobId = await server.enqueue();
  const table: [Record<string, string>, RegExp][] = [
    [{ "airunner-worker": "x".repeat(129) }, /airunner-worker has 129 characters; at most 128/],
    [{ "airunner-worker": "caf\u00e9" }, /airunner-worker contains a character that is not printable ASCII/],
    [{ "airunner-worker-id": "x".repeat(129) }, /airunner-worker-id has 129 characters/],
  ];
  for (const [headers, message] of table) {
    const { jobs } = server.client({ headers });
    await assertRefused(collect(jobs.dequeueJob({})), Code.InvalidArgument, message);
  }
  assert.equal((await server.claim()).jobId, jobId, "The job was given to nobody before");
  assert.equal((await server.control.getJob({ jobId })).executions[0].worker, "");
});

Deno.test("the log says whose key cancelled, retried and deleted a job", async () => {
  await using store = new TestStore();
  const lines: string[] = [];
  const logger = createLogger("info", (line) => lines.push(line));
  const watches = new Watches(store.signals.cancellations);
  const { signals, clock } = store;
  const service = createJobsService({
    store: store.store,
    queue: new JobQueue({ store: store.jobs, signals, clock, logger }),
    signals,
    watches,
    known: new KnownWorkers({ workers: store.store.workers, watches, clock, logger }),
    newJobId: () => NO_JOB,
    clock,
    logger,
    observe: {},
  });
  const contextValues = createContextValues().set(caller, { ...ANYBODY, name: "alice" });
  const contextOf = (method: DescMethod) =>
    createHandlerContext({
      service: method.parent,
      method,
      protocolName: "connect",
      requestMethod: "POST",
      url: "http://localhost",
      contextValues,
    });
  const { method } = JobsService;
  const jobId = await store.enqueue();
  await service.cancelJob(create(method.cancelJob.input, { jobId }), contextOf(method.cancelJob));
  await service.retryJob(create(method.retryJob.input, { jobId }), contextOf(method.retryJob));
  await service.deleteJob(create(method.deleteJob.input, { jobId }), contextOf(method.deleteJob));
  assert.deepEqual(lines.map((line) => line.trim()), [
    `INF Job cancelled: it was waiting, and is gone from its queue job_id=${jobId} caller=alice`,
    `INF Job enqueued job_id=${NO_JOB} queue=default retry_of=${jobId} caller=alice`,
    `INF Job deleted, with its events job_id=${jobId} caller=alice`,
  ]);
});
