import assert from "node:assert/strict";
import { type MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { refusalReason } from "../events/error_info.ts";
import { type JobParamsSchema, JobState, type ProcessType } from "../events/gen/job/v1/job_pb.ts";
import { ManualClock } from "../../tests/support/manual_clock.ts";
import { TestServer } from "../../tests/support/running_server.ts";
import { collect, outputEvent, publishRequests } from "../../tests/support/server_client.ts";
import { systemHost } from "../platform/system_host.ts";

/** What a program is told of a refusal. */
async function reasonOf(call: Promise<unknown>): Promise<string | undefined> {
  const error = await call.then(() => undefined, (error) => error);
  assert.ok(error instanceof ConnectError, `Expected an error, got ${error}`);
  return refusalReason(error.details);
}

async function assertRefused(call: Promise<unknown>, code: Code, message: RegExp): Promise<void> {
  const error = await call.then(() => undefined, (error) => error);
  assert.ok(error instanceof ConnectError, `Expected an error, got ${error}`);
  assert.equal(Code[error.code], Code[code]);
  assert.match(error.rawMessage, message);
}

Deno.test("a job goes through the queue, in binary and in JSON", async () => {
  await using server = await TestServer.start();
  for (const json of [false, true]) {
    const { jobs } = server.client({ json });
    const jobParams = { command: "make", args: ["all"], environment: { CI: "1" }, timeoutSeconds: 60 };
    const enqueued = await jobs.enqueueJob({ jobParams });
    assert.match(enqueued.jobId, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab]/);
    assert.equal(enqueued.state, JobState.SCHEDULED);
    const [{ job, taskToken }] = await collect(jobs.dequeueJob({}));
    assert.equal(job!.jobId, enqueued.jobId);
    assert.equal(job!.state, JobState.RUNNING);
    assert.deepEqual([job!.jobParams!.command, job!.jobParams!.args, job!.jobParams!.environment], ["make", [
      "all",
    ], {
      CI: "1",
    }]);
    assert.equal(job!.executionConfig!.heartbeatIntervalSeconds, 30);
    assert.equal(job!.executionConfig!.outputFlushIntervalMillis, 100);
    const { batching } = job!.executionConfig!;
    assert.deepEqual(
      [
        batching!.flushIntervalSeconds,
        batching!.maxBatchSize,
        batching!.maxBatchBytes,
        batching!.playbackIntervalMillis,
      ],
      [2, 50, 262_144n, 50],
    );
    await jobs.updateJob({ taskToken, visibilityTimeoutSeconds: 10 });
    await jobs.completeJob({ taskToken, jobResult: { jobId: job!.jobId, success: json, exitCode: 3 } });
    const listed = await jobs.listJobs({});
    assert.equal(listed.jobs[0].jobId, enqueued.jobId);
    assert.equal(listed.jobs[0].state, json ? JobState.COMPLETED : JobState.FAILED);
  }
});

Deno.test("enqueueing again with a request id returns the first job as it is now", async () => {
  await using server = await TestServer.start();
  const first = await server.jobs.enqueueJob({ requestId: "r1", jobParams: { command: "a" } });
  await server.claim();
  const second = await server.jobs.enqueueJob({ requestId: "r1", jobParams: { command: "b" } });
  assert.equal(second.jobId, first.jobId);
  assert.equal(second.state, JobState.RUNNING);
  assert.deepEqual(second.createdAt, first.createdAt);
  assert.equal((await server.jobs.listJobs({})).jobs.length, 1);
});

Deno.test("jobs that could never run are refused, with the reason", async () => {
  await using server = await TestServer.start();
  const cases: [MessageInitShape<typeof JobParamsSchema>, RegExp][] = [
    [{}, /command is required/],
    [{ command: "  " }, /command is required/],
    [{ command: "a\0b" }, /command contains a NUL byte/],
    [{ command: "a", args: ["b", "c\0"] }, /args\[1\] contains a NUL byte/],
    [{ command: "a", args: ["x".repeat(131_072)] }, /args\[0\] has 131072 bytes; at most 131071/],
    [{ command: "a", args: ["é".repeat(65_536)] }, /args\[0\] has 131072 bytes/],
    [
      { command: "a", args: Array(20).fill("x".repeat(131_000)) },
      /job_params has \d+ bytes; at most 2097152/,
    ],
    [{ command: "a", environment: { "": "x" } }, /environment\[""\] has a name that cannot be set/],
    [{ command: "a", environment: { "A=B": "x" } }, /environment\["A=B"\] has a name/],
    [{ command: "a", environment: { A: "secret\0" } }, /environment\["A"\] contains a NUL byte$/],
    [{ command: "a", workingDirectory: "/a\0" }, /working_directory contains a NUL byte/],
    [{ command: "a", workingDirectory: "/".repeat(5_000) }, /working_directory has 5000 bytes; at most 4096/],
    [{ command: "a", timeoutSeconds: -1 }, /timeout_seconds is -1/],
    [{ command: "a", timeoutSeconds: 604_801 }, /timeout_seconds is 604801; it must be from 1 to 604800/],
    [{ command: "a", processType: 9 as ProcessType }, /process_type 9 is not known/],
  ];
  for (const [jobParams, message] of cases) {
    await assertRefused(server.jobs.enqueueJob({ jobParams }), Code.InvalidArgument, message);
  }
  await assertRefused(server.jobs.enqueueJob({}), Code.InvalidArgument, /job_params is required/);
  const jobParams = { command: "a" };
  await assertRefused(
    server.jobs.enqueueJob({ jobParams, queue: "q".repeat(129) }),
    Code.InvalidArgument,
    /queue has 129/,
  );
  await assertRefused(
    server.jobs.enqueueJob({ jobParams, queue: "q\n" }),
    Code.InvalidArgument,
    /control character/,
  );
  await assertRefused(
    server.jobs.enqueueJob({ jobParams, requestId: "r".repeat(257) }),
    Code.InvalidArgument,
    /request_id/,
  );
  assert.equal((await server.jobs.listJobs({})).jobs.length, 0);
});

Deno.test("dequeueing sends what waits up to max_jobs and ends", async () => {
  await using server = await TestServer.start();
  const ids = [await server.enqueue(), await server.enqueue(), await server.enqueue()];
  const dequeue = async (maxJobs: number) =>
    (await collect(server.jobs.dequeueJob({ maxJobs }))).map((response) => response.job!.jobId);
  assert.deepEqual(await dequeue(2), ids.slice(0, 2));
  assert.deepEqual(await dequeue(5), ids.slice(2));
  await assertRefused(dequeue(-1), Code.InvalidArgument, /max_jobs is -1/);
  const invisible = collect(server.jobs.dequeueJob({ visibilityTimeoutSeconds: 43_201 }));
  await assertRefused(invisible, Code.InvalidArgument, /visibility_timeout_seconds is 43201/);
});

Deno.test("a worker that waits gets the job when it comes", async () => {
  await using server = await TestServer.start();
  const waiting = server.claim();
  const jobId = await server.enqueue();
  assert.equal((await waiting).jobId, jobId);
});

Deno.test("a worker that gave up waiting leaves the job to the next one", async () => {
  await using server = await TestServer.start();
  const leaving = new AbortController();
  const gone = collect(server.jobs.dequeueJob({}, { signal: leaving.signal }));
  leaving.abort();
  await assertRefused(gone, Code.Canceled, /./);
  await assertRefused(collect(server.jobs.dequeueJob({}, { timeoutMs: 50 })), Code.DeadlineExceeded, /./);
  const jobId = await server.enqueue();
  assert.equal((await server.claim()).jobId, jobId);
});

Deno.test("a job whose worker's connection broke before the answer goes to the next worker at once", async () => {
  await using server = await TestServer.start();
  const { port } = new URL(server.url);
  const request = new TextEncoder().encode(
    "POST /job.v1.JobService/DequeueJob HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/connect+proto\r\n" +
      "Content-Length: 5\r\n\r\n\0\0\0\0\0",
  );
  // Whether the server notices before or after it handed the job out is up to the two sockets: both must do.
  for (let round = 0; round < 20; round++) {
    const connection = await Deno.connect({ port: Number(port) });
    await connection.write(request);
    await server.jobs.listJobs({});
    connection.close();
    const next = server.claim();
    const jobId = await server.enqueue();
    const { taskToken } = await next;
    await server.jobs.completeJob({ taskToken, jobResult: { jobId, success: true } });
  }
});

Deno.test("a job that is not updated goes back, and its old token can no longer update or complete it", async () => {
  const clock = new ManualClock();
  await using server = await TestServer.start({ host: { ...systemHost, clock } });
  const jobId = await server.enqueue();
  const { taskToken: first } = await server.claim(10);
  const second = server.claim(10);
  await clock.pass(10_000);
  const { jobId: again, taskToken: current } = await second;
  assert.equal(again, jobId);
  assert.notEqual(current, first);

  const stale = /no longer valid: job [-0-9a-f]+ was requeued and a later execution has taken over/;
  await assertRefused(server.jobs.updateJob({ taskToken: first }), Code.InvalidArgument, stale);
  const completion = server.jobs.completeJob({ taskToken: first, jobResult: { success: true } });
  await assertRefused(completion, Code.InvalidArgument, stale);
  assert.equal(await reasonOf(completion), "EXECUTION_SUPERSEDED");
  await server.jobs.updateJob({ taskToken: current });
  await server.jobs.completeJob({ taskToken: current, jobResult: { success: true } });
  await server.jobs.completeJob({ taskToken: current, jobResult: { success: true } });
  const late = server.jobs.updateJob({ taskToken: current });
  await assertRefused(
    late,
    Code.InvalidArgument,
    /no longer valid: execution 2 of job .* has completed or was requeued/,
  );
  assert.equal(await reasonOf(server.jobs.updateJob({ taskToken: current })), "EXECUTION_ENDED");
});

Deno.test("a job that reached its worker stays with it when the server stops right after", async () => {
  await using server = await TestServer.start();
  const jobId = await server.enqueue();
  const { taskToken } = await server.claim();
  await server.stop();
  await server.start();
  const { job } = await server.control.getJob({ jobId });
  assert.equal(job!.state, JobState.RUNNING);
  await server.jobs.completeJob({ taskToken, jobResult: { jobId, success: true } });
});

Deno.test("a worker is told which execution of its job it is given, and nobody else is", async () => {
  const clock = new ManualClock();
  await using server = await TestServer.start({ host: { ...systemHost, clock } });
  await server.enqueue();
  const take = async () => {
    const [{ job }] = await collect(server.jobs.dequeueJob({ visibilityTimeoutSeconds: 10 }));
    return job!.jobParams!.metadata;
  };
  assert.deepEqual(await take(), { "airunner.execution": "1" });
  await clock.pass(10_000);
  assert.deepEqual(await take(), { "airunner.execution": "2" });
  const { jobs: [listed] } = await server.jobs.listJobs({});
  assert.deepEqual(listed.jobParams!.metadata, {});
});

Deno.test("a job is kept by updates and released early by a short one", async () => {
  const clock = new ManualClock();
  await using server = await TestServer.start({ host: { ...systemHost, clock } });
  await server.enqueue();
  const { taskToken } = await server.claim(10);
  clock.advance(9_000);
  await server.jobs.updateJob({ taskToken, visibilityTimeoutSeconds: 10 });
  clock.advance(9_000);
  await server.jobs.updateJob({ taskToken, visibilityTimeoutSeconds: 1 });
  const next = server.claim();
  await clock.pass(1_000);
  assert.ok(await next);
});

Deno.test("tokens that nobody signed are refused", async () => {
  await using server = await TestServer.start();
  await server.enqueue();
  const { taskToken, jobId } = await server.claim();
  for (const wrong of ["", "nonsense", taskToken.slice(0, -1), `${taskToken}A`]) {
    const message = wrong === "" ? /task_token is required/ : /task token is unknown/;
    await assertRefused(server.jobs.updateJob({ taskToken: wrong }), Code.InvalidArgument, message);
    const completion = server.jobs.completeJob({ taskToken: wrong, jobResult: { success: true } });
    await assertRefused(completion, Code.InvalidArgument, message);
    if (wrong !== "") assert.equal(await reasonOf(completion), "TASK_TOKEN_UNKNOWN");
    const publishing = server.events.publishJobEvents(publishRequests(wrong, [[outputEvent(1)]]));
    await assertRefused(publishing, Code.InvalidArgument, message);
  }
  await assertRefused(server.jobs.completeJob({ taskToken }), Code.InvalidArgument, /job_result is required/);
  const other = server.jobs.completeJob({ taskToken, jobResult: { jobId: `${jobId}0`, success: true } });
  await assertRefused(other, Code.InvalidArgument, /but the task token is for job/);
});

Deno.test("lists are paged from 1, and page 0 is page 1", async () => {
  await using server = await TestServer.start();
  for (let job = 0; job < 3; job++) await server.enqueue();
  const { jobs, lastPage } = await server.jobs.listJobs({ pageSize: 2 });
  assert.deepEqual([jobs.length, lastPage], [2, 2]);
  assert.equal((await server.jobs.listJobs({ pageSize: 2, page: 2 })).jobs.length, 1);
  assert.equal((await server.jobs.listJobs({ state: JobState.RUNNING })).jobs.length, 0);
  await assertRefused(server.jobs.listJobs({ pageSize: 501 }), Code.InvalidArgument, /page_size is 501/);
  await assertRefused(server.jobs.listJobs({ page: -1 }), Code.InvalidArgument, /page is -1/);
});
