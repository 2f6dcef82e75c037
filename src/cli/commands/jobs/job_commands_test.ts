/**
 * The commands for a server's jobs, at a server that answers as told.
 */
import assert from "node:assert/strict";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, type ServiceImpl } from "@connectrpc/connect";
import { assertScreen } from "../../../../tests/support/data_directory.ts";
import { FakeServer } from "../../../../tests/support/fake_server.ts";
import { runInMemory, type RunResult, TEST_NOW_MS } from "../../../../tests/support/memory_context.ts";
import {
  CancelOutcome,
  ExecutionOutcome,
  type GetJobResponseSchema,
  JobsService,
} from "../../../events/gen/airunner/v1/airunner_pb.ts";
import { JobService, JobState } from "../../../events/gen/job/v1/job_pb.ts";

type Jobs = Partial<ServiceImpl<typeof JobsService>>;

const before = (ms: number) => timestampFromMs(TEST_NOW_MS - ms);
const JOB = "0190a5d2-0000-7000-8000-000000000001";

/** Runs a command at a server that offers these calls, and those of job.v1 that `jobV1` has. */
async function at(
  jobs: Jobs | undefined,
  args: string[],
  options: { jobV1?: Partial<ServiceImpl<typeof JobService>>; isTerminal?: boolean; stdin?: string } = {},
): Promise<RunResult> {
  const server = new FakeServer({
    routes: (router) => {
      router.service(JobService, options.jobV1 ?? {});
      if (jobs !== undefined) router.service(JobsService, jobs);
    },
  });
  try {
    const words = args.indexOf("--");
    const [own, rest] = words < 0 ? [args, []] : [args.slice(0, words), args.slice(words)];
    const result = await runInMemory([...own, `--server=${server.url}`, ...rest], options);
    const hide = (text: string) => text.replaceAll(server.url, "http://server");
    return { ...result, stdout: hide(result.stdout), stderr: hide(result.stderr) };
  } finally {
    await server.stop();
  }
}

const job: MessageInitShape<typeof GetJobResponseSchema> = {
  job: {
    jobId: JOB,
    queue: "nightly",
    state: JobState.RUNNING,
    createdAt: before(7_200_000),
    updatedAt: before(60_000),
    command: "make",
    args: ["test all"],
    metadata: { branch: "main\u001b[2J" },
    latestExecution: {
      number: 2,
      startedAt: before(60_000),
      worker: "build-7",
      lastSeenAt: before(5000),
      outcome: ExecutionOutcome.RUNNING,
    },
    retryOf: "0190a5d2-0000-7000-8000-000000000000",
    cancelRequestedAt: before(2000),
  },
  jobParams: { environment: { TOKEN: "SECRET" }, timeoutSeconds: 600, workingDirectory: "/src" },
  executions: [
    {
      number: 1,
      startedAt: before(7_000_000),
      endedAt: before(3_600_000),
      worker: "a-worker-with-a-rather-long-name",
      outcome: ExecutionOutcome.REQUEUED,
      eventCount: 1234n,
      eventBytes: 5_600_000n,
    },
    {
      number: 2,
      startedAt: before(60_000),
      worker: "build-7",
      outcome: ExecutionOutcome.RUNNING,
      eventCount: 3n,
      eventBytes: 99n,
    },
  ],
};

function assertNarrow(text: string): void {
  for (const line of text.split("\n")) assert.ok(line.length <= 80, `${line.length} columns: ${line}`);
}

Deno.test("show says who runs a job and how far it is, and no value of a variable", async () => {
  const { exitCode, stdout } = await at({ getJob: () => job }, ["show", JOB]);
  assert.equal(exitCode, 0);
  assertNarrow(stdout);
  assertScreen("show.txt", stdout);
  const json = await at({ getJob: () => job }, ["show", JOB, "--json"]);
  assert.doesNotMatch(json.stdout + stdout, /SECRET/);
  const document = JSON.parse(json.stdout);
  assert.deepEqual(
    [document.schema_version, document.state, document.executions.length, document.params.environment_names],
    [1, "running", 2, ["TOKEN"]],
  );
});

Deno.test("a job that has not started and one that the server does not know are told so", async () => {
  const waiting = { job: { jobId: JOB, queue: "q", state: JobState.SCHEDULED }, executions: [] };
  assert.match((await at({ getJob: () => waiting }, ["show", JOB])).stdout, /It has not started/);
  const unknown = () => Promise.reject(new ConnectError("There is no job x", Code.NotFound));
  const { exitCode, stderr } = await at({ getJob: unknown }, ["show", "x"]);
  assert.equal(exitCode, 1);
  assert.match(stderr, /There is no job x/);
});

Deno.test("a server without these calls is told to be one, whatever is asked", async () => {
  for (
    const words of [["show", JOB], ["cancel", JOB], ["retry", JOB], ["delete", "--yes", JOB], ["queues"], [
      "workers",
    ], ["list", "--all-queues"]]
  ) {
    const { exitCode, stdout, stderr } = await at(undefined, words);
    assert.equal(exitCode, 1, words[0]);
    assert.equal(stdout, "");
    assert.match(stderr, /http:\/\/server does not offer this/);
  }
});

Deno.test("cancel says for each job what happened, and fails when one of several was refused", async () => {
  const outcomes: Record<string, { outcome: CancelOutcome; state: JobState; isHeard?: boolean }> = {
    waits: { outcome: CancelOutcome.CANCELLED, state: JobState.CANCELLED },
    runs: { outcome: CancelOutcome.REQUESTED, state: JobState.RUNNING, isHeard: true },
    away: { outcome: CancelOutcome.REQUESTED, state: JobState.RUNNING },
    over: { outcome: CancelOutcome.ENDED, state: JobState.COMPLETED },
  };
  const reasons: string[] = [];
  const jobs: Jobs = {
    cancelJob({ jobId, reason }) {
      reasons.push(reason);
      if (!(jobId in outcomes)) throw new ConnectError(`There is no job ${jobId}`, Code.NotFound);
      return outcomes[jobId];
    },
    getJob: () => job,
  };
  const words = ["cancel", "--reason=wrong branch", "waits", "runs", "nothing", "away", "over", "runs"];
  const { exitCode, stdout, stderr } = await at(jobs, words);
  assert.equal(exitCode, 1);
  assert.deepEqual(stdout.split("\n"), [
    "Cancelled waits; it had not started",
    "Asked worker build-7 to end runs; follow it with: airunner logs runs",
    "Worker build-7 does not listen, last heard of 5.0 s ago: away ends when it is back, or when its time is " +
    "over; it does not go back to its queue",
    "over had ended before (completed); nothing was changed",
    "",
  ]);
  assert.match(stderr, /Cannot cancel nothing: .*There is no job nothing/);
  assert.deepEqual(new Set(reasons), new Set(["wrong branch"]));
  const json = JSON.parse((await at(jobs, ["cancel", "--json", "waits", "nothing"])).stdout);
  assert.deepEqual(json.jobs.map(({ outcome }: { outcome: string }) => outcome), ["cancelled", "refused"]);
});

Deno.test("what every job would meet ends the command at once", async () => {
  let calls = 0;
  const jobs: Jobs = {
    cancelJob() {
      calls++;
      throw new ConnectError("no key", Code.Unauthenticated);
    },
  };
  const { exitCode } = await at(jobs, ["cancel", "a", "b"]);
  assert.deepEqual([exitCode, calls], [4, 1]);
});

Deno.test("delete asks first, and deletes nothing where nobody can be asked", async () => {
  const deleted: string[] = [];
  const jobs: Jobs = {
    deleteJob({ jobId }) {
      if (jobId === "runs") throw new ConnectError("It has not ended", Code.FailedPrecondition);
      deleted.push(jobId);
      return {};
    },
  };
  assert.equal((await at(jobs, ["delete", "a"])).exitCode, 2);
  assert.equal((await at(jobs, ["delete", "a"], { isTerminal: true, stdin: "n\n" })).exitCode, 1);
  assert.deepEqual(deleted, []);
  const asked = await at(jobs, ["delete", "a"], { isTerminal: true, stdin: "y\n" });
  assert.match(asked.stderr, /Delete 1 job and all of their output from http:\/\/server\?/);
  const { exitCode, stdout, stderr } = await at(jobs, ["delete", "--yes", "runs", "b"]);
  assert.deepEqual([exitCode, stdout, deleted], [1, "Deleted b\n", ["a", "b"]]);
  assert.match(stderr, /Cannot delete runs: .*It has not ended/);
});

Deno.test("retry prints the new job's id, and sends the same request id again when it is given", async () => {
  const ids: string[] = [];
  const jobs: Jobs = {
    retryJob({ requestId }) {
      ids.push(requestId);
      return { jobId: "new", queue: "q" };
    },
  };
  assert.equal((await at(jobs, ["retry", JOB, "--request-id=same"])).stdout, "new\n");
  const json = await at(jobs, ["retry", JOB, "--json"]);
  assert.deepEqual(JSON.parse(json.stdout), { schema_version: 1, job_id: "new", queue: "q", retry_of: JOB });
  assert.equal(ids[0], "same");
  assert.ok(ids[1].length > 10);
});

Deno.test("queues and workers are tables of 80 columns, and documents", async () => {
  const jobs: Jobs = {
    listQueues: () => ({
      queues: [
        {
          name: "a-queue-with-a-rather-long-name",
          scheduled: 12n,
          ended: 123_456n,
          eventBytes: 5_300_000_000n,
        },
        {
          name: "default",
          scheduled: 1n,
          running: 2n,
          oldestScheduledAt: before(7_800_000),
          workers: 2,
          waiting: 1,
        },
      ],
    }),
    listWorkers: () => ({
      workers: [
        {
          worker: { id: "1", name: "build-7", version: "0.2.0", queue: "default", concurrency: 4 },
          isConnected: true,
          connectedAt: before(90_000_000),
          lastSeenAt: before(8000),
          jobIds: ["a", "b"],
        },
        {
          worker: {
            id: "2",
            name: "another-host.example.com",
            version: "0.2.0-dirty",
            queue: "default",
            concurrency: 10,
          },
          lastSeenAt: before(7_800_000),
        },
      ],
    }),
  };
  for (const name of ["queues", "workers"]) {
    const { exitCode, stdout } = await at(jobs, [name]);
    assert.equal(exitCode, 0);
    assertNarrow(stdout);
    assertScreen(`${name}.txt`, stdout);
    assert.equal(JSON.parse((await at(jobs, [name, "--json"])).stdout)[name].length, 2);
  }
  const none: Jobs = { listQueues: () => ({}), listWorkers: () => ({}) };
  assert.match((await at(none, ["queues"])).stdout, /^No queue has a job/);
  assert.match((await at(none, ["workers"])).stdout, /^No worker was connected/);
});

Deno.test("list searches all queues page by page, and asks in the usual way for what every server knows", async () => {
  const asked: unknown[] = [];
  const jobs: Jobs = {
    listJobs(request) {
      asked.push([request.queue, request.states, request.search, request.metadata, request.pageToken]);
      const jobs = [{ ...job.job, jobId: `${JOB}-${asked.length}` }];
      return { jobs, nextPageToken: request.pageToken === "" ? "more" : "" };
    },
  };
  const words = ["list", "--all-queues", "--search=make", "--state=failed,running", "--label=branch=main"];
  const { stdout } = await at(jobs, words);
  assert.match(stdout, /^JOB +QUEUE +STATE/);
  assert.equal(stdout.split("\n").length, 4);
  const states = [JobState.FAILED, JobState.RUNNING];
  assert.deepEqual(asked, [
    ["", states, "make", { branch: "main" }, ""],
    ["", states, "make", { branch: "main" }, "more"],
  ]);
  const usual = await at(jobs, ["list", "--json", "--state=failed"], {
    jobV1: { listJobs: () => ({ jobs: [{ jobId: "usual", state: JobState.FAILED }], lastPage: 1 }) },
  });
  assert.equal(JSON.parse(usual.stdout).jobs[0].job_id, "usual");
  assert.equal(asked.length, 2);
});

Deno.test("submit says that no worker is on the queue, where the server knows", async () => {
  const jobV1 = { enqueueJob: () => ({ jobId: "new" }) };
  const submit = ["submit", "--queue=q", "--", "true"];
  const queue = (more: object) => ({
    listQueues: () => ({ queues: [{ name: "q", scheduled: 1n, ...more }] }),
  });
  const said = async (jobs: Jobs | undefined) => {
    const { exitCode, stdout, stderr } = await at(jobs, submit, { jobV1 });
    assert.deepEqual([exitCode, stdout], [0, "new\n"]);
    return stderr;
  };
  assert.match(await said(queue({})), /^airunner: queued; no worker on queue q\. Start one with: /);
  for (const there of [{ workers: 1 }, { waiting: 1 }, { running: 1n }, { scheduled: 0n }]) {
    assert.equal(await said(queue(there)), "");
  }
  assert.equal(await said(undefined), "");
});
