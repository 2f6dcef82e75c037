import assert from "node:assert/strict";
import { create } from "@bufbuild/protobuf";
import { WorkerFixture } from "../../tests/support/worker_fixture.ts";
import { JobSchema } from "../events/gen/job/v1/job_pb.ts";
import { systemClock } from "../platform/system_clock.ts";
import { silentLogger } from "../platform/logging/logger.ts";
import { createJobLog } from "./create_job_log.ts";
import { systemFiles } from "../platform/system_files.ts";
import { DEFAULT_SETTINGS } from "../../tests/support/worker_settings.ts";
import { JOB_TIMES, type JobContext } from "./job_context.ts";

function setup(fixture: WorkerFixture, jobId: string) {
  const context = {
    walDir: fixture.walDir,
    archiveDir: fixture.archiveDir,
    queue: "default",
    serverUrl: "http://ci.example.com",
    workerName: "worker-1",
    version: "1.2.3",
    settings: { ...JOB_TIMES, ...DEFAULT_SETTINGS },
    observe: {},
    clock: systemClock,
    files: systemFiles,
  } as unknown as JobContext;
  const dequeued = { job: create(JobSchema, { jobId }), taskToken: "token-1" };
  for (const directory of [fixture.walDir, fixture.archiveDir]) {
    Deno.mkdirSync(directory, { recursive: true });
  }
  return () => createJobLog(context, dequeued, silentLogger);
}

Deno.test("executions of one job never share a name, wherever the earlier ones are by now", async () => {
  await using fixture = new WorkerFixture();
  const createLog = setup(fixture, "job-1");
  Deno.writeTextFileSync(`${fixture.archiveDir}/job-1.wal.zst`, "");
  Deno.writeTextFileSync(`${fixture.walDir}/job-1.2.wal.corrupt`, "");
  Deno.writeTextFileSync(`${fixture.walDir}/job-1.3.wal`, "");
  const log = await createLog();
  assert.equal(log.path, `${fixture.walDir}/job-1.4.wal`);
  assert.equal(log.execution?.execution, 4);
  const next = await createLog();
  assert.equal(next.path, `${fixture.walDir}/job-1.5.wal`);
  await log.close();
  await next.close();
});

Deno.test("a log says whose it is and how to go on with it", async () => {
  await using fixture = new WorkerFixture();
  const log = await setup(fixture, "job-1")();
  const { started_at_ms, ...rest } = log.execution!;
  assert.ok(started_at_ms > 0);
  assert.deepEqual(rest, {
    job_id: "job-1",
    execution: 1,
    queue: "default",
    server: "http://ci.example.com",
    task_token: "token-1",
    worker: "worker-1",
    version: "1.2.3",
    visibility_timeout_seconds: 300,
  });
  await log.close();
});

Deno.test("a job id that is not safe as a file name is refused", async () => {
  await using fixture = new WorkerFixture();
  await assert.rejects(setup(fixture, "../job-1")(), RangeError);
  assert.deepEqual(fixture.files(fixture.walDir), []);
});

Deno.test("executions that start at the same moment get names of their own, and their numbers are the names'", async () => {
  await using fixture = new WorkerFixture();
  const createLog = setup(fixture, "job-1");
  const logs = await Promise.all([createLog(), createLog(), createLog()]);
  assert.deepEqual(logs.map(({ path }) => path.slice(fixture.walDir.length + 1)).sort(), [
    "job-1.2.wal",
    "job-1.3.wal",
    "job-1.wal",
  ]);
  for (const { path, execution } of logs) {
    assert.equal(/\.(\d)\.wal$/.exec(path)?.[1] ?? "1", String(execution?.execution));
  }
  for (const log of logs) await log.close();
});
