/**
 * What becomes of a job that is delivered and whose server refuses to complete it, with all the time that it
 * takes.
 */
import assert from "node:assert/strict";
import { Code, ConnectError, createRouterTransport } from "@connectrpc/connect";
import { FakeQueue, tokenOf } from "../../tests/support/fake_queue.ts";
import { WorkerFixture } from "../../tests/support/worker_fixture.ts";
import { readLogBytes } from "../archive/log_bytes.ts";
import { readSummary } from "../archive/summary.ts";
import { collect } from "../../tests/support/archive_logs.ts";
import { systemFiles } from "../platform/system_files.ts";

const refuse = () => new ConnectError("no such token", Code.InvalidArgument);

Deno.test("a job that its server provably does not know is archived with its token, and not asked for again", async () => {
  await using fixture = new WorkerFixture();
  const queue = new FakeQueue();
  queue.waiting.push({ jobId: "job", script: "echo one" });
  queue.refuseCompletion = refuse;
  queue.refuseUpdates = refuse;
  const worker = fixture.startWorker({
    transport: createRouterTransport(queue.routes),
    settings: { refusalProofMs: 500 },
  });
  await worker.waitFor(/Cannot complete the job: the server answers, and does not know it/);
  await worker.waitFor(/Log archived/);
  worker.drain.abort();
  const { jobsCompleted, jobsLeft } = await worker.result;
  assert.deepEqual([jobsCompleted, jobsLeft], [1, 0]);
  const archive = `${fixture.archiveDir}/job.wal.zst`;
  assert.equal((await readSummary(systemFiles, archive))?.completion, "refused");
  const content = new TextDecoder().decode(await collect(await readLogBytes(systemFiles, archive)));
  assert.ok(content.includes(tokenOf("job")), "the token is what it takes to try again");
});

Deno.test("a job whose token the server takes for anything else is never given up", async () => {
  await using fixture = new WorkerFixture();
  const queue = new FakeQueue();
  queue.waiting.push({ jobId: "job", script: "echo one" });
  let tries = 0;
  const enough = Promise.withResolvers<void>();
  queue.refuseCompletion = () => {
    if (++tries === 60) enough.resolve();
    return refuse();
  };
  // Updates come three times in a visibility timeout, which is more often than the proof takes.
  const worker = fixture.startWorker({
    transport: createRouterTransport(queue.routes),
    settings: { refusalProofMs: 2000, visibilityTimeoutSeconds: 1 },
  });
  await enough.promise;
  worker.drain.abort();
  assert.equal((await worker.result).jobsLeft, 1);
  await worker.waitFor(/Left for the next run: delivered, not completed/);
  assert.ok(!worker.lines.some((line) => line.includes("Cannot complete the job")));
  assert.deepEqual(fixture.files(fixture.walDir).filter((name) => name.endsWith(".wal")), ["job.wal"]);
});

Deno.test("a log that stays where it is says that its job is completed, and the next worker asks for nothing", async () => {
  await using fixture = new WorkerFixture();
  const queue = new FakeQueue();
  queue.waiting.push({ jobId: "job", script: "echo one" });
  const options = { transport: createRouterTransport(queue.routes), settings: { archiveOnComplete: false } };
  await fixture.runQueue(options);
  assert.equal(queue.completed.length, 1);
  assert.deepEqual(fixture.files(fixture.walDir), ["job.wal"]);
  const updates = queue.updates.length;
  await fixture.runQueue(options);
  assert.deepEqual([queue.completed.length, queue.updates.length], [1, updates]);
  // And one that is to archive does just that.
  await fixture.runQueue({ ...options, settings: { archiveOnComplete: true } });
  assert.deepEqual([queue.completed.length, fixture.files(fixture.archiveDir)], [1, ["job.wal.zst"]]);
  assert.equal(
    (await readSummary(systemFiles, `${fixture.archiveDir}/job.wal.zst`))?.completion,
    "completed",
  );
});
