import assert from "node:assert/strict";
import { timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { Code } from "@connectrpc/connect";
import { JobState } from "../../events/gen/job/v1/job_pb.ts";
import { systemHost } from "../../platform/system_host.ts";
import { ManualClock } from "../../../tests/support/manual_clock.ts";
import { assertRefused } from "../../../tests/support/refusals.ts";
import { TestServer } from "../../../tests/support/running_server.ts";
import { collect, outputEvent, publishRequests } from "../../../tests/support/server_client.ts";
import { within } from "../../../tests/support/within.ts";

const jobIdOf = (number: number) => `0190a0b0-0000-7000-8000-${String(number).padStart(12, "0")}`;

Deno.test("a log whose job the server does not have is adopted and delivered whole, in binary and in JSON", async () => {
  const clock = new ManualClock();
  await using server = await TestServer.start({ host: { ...systemHost, clock } });
  for (const [index, json] of [false, true].entries()) {
    const { workers, events, jobs, control } = server.client({ json });
    const jobId = jobIdOf(index);
    const request = {
      jobId,
      execution: 3,
      queue: "linux",
      jobParams: { command: "make", args: ["all"] },
      startedAt: timestampFromMs(clock.nowMs() - 60_000),
      worker: "host-7",
      logId: "log-1",
    };
    const first = await workers.adoptExecution(request);
    assert.equal(first.isNew, true);
    const again = await workers.adoptExecution(request);
    assert.deepEqual([again.isNew, again.taskToken], [false, first.taskToken]);
    const { taskToken } = first;
    const published = await events.publishJobEvents(
      publishRequests(taskToken, [[outputEvent(1), outputEvent(2)]]),
    );
    assert.equal(published.eventsStored, 2n);
    await jobs.updateJob({ taskToken });
    const running = await control.getJob({ jobId });
    assert.deepEqual(
      [
        running.job!.state,
        running.job!.isAdopted,
        running.job!.queue,
        running.job!.command,
        running.job!.args,
      ],
      [JobState.RUNNING, true, "linux", "make", ["all"]],
    );
    const [execution] = running.executions;
    assert.deepEqual([execution.number, execution.worker, execution.eventCount], [3, "host-7", 2n]);
    assert.equal(timestampMs(execution.startedAt!), clock.nowMs() - 60_000);
    await jobs.completeJob({ taskToken, jobResult: { jobId, success: true } });
    assert.equal((await control.getJob({ jobId })).job!.state, JobState.COMPLETED);
    assert.equal((await workers.adoptExecution(request)).isNew, false, "Also once it is completed");
    assert.equal((await control.getJob({ jobId })).job!.state, JobState.COMPLETED);
  }
});

Deno.test("a reader that follows a job goes on to the execution that is adopted", async () => {
  await using server = await TestServer.start();
  const jobId = await server.enqueue();
  const reader = server.events.streamJobEvents({ jobId })[Symbol.asyncIterator]();
  const first = reader.next();
  const { taskToken } = await server.workers.adoptExecution({ jobId, execution: 1, logId: "log-1" });
  await server.events.publishJobEvents(publishRequests(taskToken, [[outputEvent(1)]]));
  const { value } = await within(first, () => "the reader got nothing");
  assert.equal(value!.event!.sequence, 1n);
});

Deno.test("an adopted job is never handed out, however long its host is away", async () => {
  const clock = new ManualClock();
  const host = { ...systemHost, clock };
  await using server = await TestServer.start({ host, defaultVisibilitySeconds: 10 });
  await server.workers.adoptExecution({
    jobId: jobIdOf(1),
    execution: 1,
    queue: "q",
    jobParams: { command: "rm" },
    logId: "log-1",
  });
  const waiting = collect(server.jobs.dequeueJob({ queue: "q" }));
  await clock.pass(10_000);
  const { jobId } = await server.jobs.enqueueJob({ queue: "q", jobParams: { command: "true" } });
  const [{ job }] = await within(waiting, () => "nobody was served");
  assert.equal(job!.jobId, jobId);
  assert.equal((await server.control.getJob({ jobId: jobIdOf(1) })).job!.state, JobState.FAILED);
});

Deno.test("a log without a command, and one of a host whose clock is ahead, can be adopted", async () => {
  const clock = new ManualClock();
  await using server = await TestServer.start({ host: { ...systemHost, clock } });
  const startedAt = timestampFromMs(clock.nowMs() + 3_600_000);
  await server.workers.adoptExecution({ jobId: jobIdOf(1), execution: 1, startedAt, logId: "log-1" });
  const { job, executions: [execution] } = await server.control.getJob({ jobId: jobIdOf(1) });
  assert.deepEqual([job!.command, job!.queue], ["", "default"]);
  assert.equal(timestampMs(execution.startedAt!), clock.nowMs());
});

Deno.test("two logs of the same execution are never mixed, and the second one hears why", async () => {
  await using server = await TestServer.start();
  const jobId = jobIdOf(1);
  const { taskToken } = await server.workers.adoptExecution({ jobId, execution: 1, logId: "log-1" });
  await server.events.publishJobEvents(publishRequests(taskToken, [[outputEvent(1)]]));
  await assertRefused(
    server.workers.adoptExecution({ jobId, execution: 1, logId: "log-2" }),
    Code.FailedPrecondition,
    /has an execution 1 of job .* already, and it is not the one that this log is of.*the log stays as it is/,
    "ADOPTION_OTHER_LOG",
  );
  await assertRefused(
    server.workers.adoptExecution({ jobId, execution: 2, logId: "log-2" }),
    Code.FailedPrecondition,
    /is run by another execution/,
    "ADOPTION_JOB_RUNS",
  );
  await server.jobs.completeJob({ taskToken, jobResult: { jobId, success: true } });
  await assertRefused(
    server.workers.adoptExecution({ jobId, execution: 2, logId: "log-2" }),
    Code.FailedPrecondition,
    /events or a result of another execution/,
    "ADOPTION_JOB_HAS_EVENTS",
  );
  assert.equal((await server.control.getJob({ jobId })).executions.length, 1);
});

Deno.test("of two hosts that adopt the same execution at once, one gets it", async () => {
  await using server = await TestServer.start();
  const asked = ["a", "b", "c", "d"].map((logId) =>
    server.workers.adoptExecution({ jobId: jobIdOf(1), execution: 1, logId }).then(() => 1, () => 0)
  );
  assert.equal((await Promise.all(asked)).reduce<number>((sum, one) => sum + one, 0), 1);
});

Deno.test("an adoption that says too little or something impossible is refused in clear words", async () => {
  await using server = await TestServer.start();
  const good = { jobId: jobIdOf(1), execution: 1, logId: "log-1" };
  const table: [Parameters<typeof server.workers.adoptExecution>[0], RegExp][] = [
    [{ ...good, jobId: "" }, /job_id is no UUID/],
    [{ ...good, jobId: good.jobId.toUpperCase() }, /job_id is no UUID in its usual form/],
    [{ ...good, execution: 0 }, /execution is 0; executions are counted from 1/],
    [{ ...good, logId: "" }, /log_id is required/],
    [{ ...good, logId: "x".repeat(129) }, /log_id has 129 characters/],
    [{ ...good, worker: "\n" }, /worker contains a character that is not printable/],
    [{ ...good, queue: "x".repeat(129) }, /queue has 129 characters/],
    [{ ...good, jobParams: { args: ["\0"] } }, /args\[0\] contains a NUL byte/],
    [{ ...good, jobParams: { args: Array(20).fill("x".repeat(131_000)) } }, /job_params has \d+ bytes/],
  ];
  for (const [request, message] of table) {
    const call = server.workers.adoptExecution(request);
    await assertRefused(call, Code.InvalidArgument, message, "REQUEST_INVALID");
  }
  assert.deepEqual((await server.control.listJobs({})).jobs, []);
});
