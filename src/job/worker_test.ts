import assert from "node:assert/strict";
import { errorsOf, outputBytes, outputText, WorkerFixture } from "../../tests/support/worker_fixture.ts";

/** Prints a line, and another one once somebody writes to the pipe `go`, which blocks until then. */
function twoLines(fixture: WorkerFixture): { script: string; go(): void } {
  const path = `${fixture.directory}/go`;
  assert.ok(new Deno.Command("mkfifo", { args: [path] }).outputSync().success);
  return {
    script: `echo first; read line < ${path}; echo second; exit 4`,
    go: () => Deno.writeTextFileSync(path, "\n"),
  };
}

Deno.test("a job goes from its queue through the log to the server and into the archive", async () => {
  await using fixture = await WorkerFixture.start();
  const jobId = await fixture.submitScript("echo out; echo err >&2; exit 3");
  const worker = await fixture.runQueue();
  const events = await fixture.events(jobId);
  // Output is one batch or two: the first of it is flushed at once.
  const kinds = events.map((event) => event.eventData.case);
  assert.deepEqual(kinds.filter((kind, index) => kind !== kinds[index - 1]), [
    "processStart",
    "outputBatch",
    "processEnd",
  ]);
  assert.deepEqual(outputText(events).split("\n").sort(), ["", "err", "out"]);
  assert.equal(await fixture.state(jobId), "FAILED");
  assert.deepEqual(fixture.files(fixture.walDir), []);
  assert.deepEqual(fixture.files(fixture.archiveDir), [`${jobId}.wal.zst`]);
  const told = [
    "WAL created",
    "Appending record",
    "Flushing output batch",
    "Job started",
    "Job ended",
    "Job completed",
    "Log archived",
  ];
  for (const what of told) {
    assert.ok(worker.lines.some((line) => line.includes(what) && line.includes(jobId)), what);
  }
  const appended = worker.lines.filter((line) => /Appending record sequence=\d+ offset=\d+/.test(line));
  assert.equal(appended.length, events.length);
  assert.equal((await worker.ended()).jobsCompleted, 1);
  assert.ok(!worker.lines.some((line) => line.includes("task_token")));
});

Deno.test("output that was written while the server was away arrives whole when it is back", async () => {
  await using fixture = await WorkerFixture.start();
  const { script, go } = twoLines(fixture);
  const jobId = await fixture.submitScript(script);
  const worker = fixture.startWorker();
  await worker.waitFor(/Successfully sent records/);
  await fixture.takeDown();
  go();
  await worker.waitFor(/Job ended/);
  await worker.waitFor(/Failed to send events - retrying/);
  await fixture.bringUp();
  await worker.waitFor(/Log archived/);
  assert.equal(outputText(await fixture.events(jobId)), "first\nsecond\n");
  assert.equal((await fixture.job(jobId)).state, 4);
});

Deno.test("a job that had ended is completed by the next worker, with its exit code", async () => {
  await using fixture = await WorkerFixture.start();
  const { script, go } = twoLines(fixture);
  const jobId = await fixture.submitScript(script);
  const first = fixture.startWorker();
  await first.waitFor(/Successfully sent records/);
  await fixture.takeDown();
  go();
  await first.waitFor(/Job ended/);
  first.drain.abort();
  assert.deepEqual(await first.ended(), { end: "drained", jobsCompleted: 0, jobsLeft: 1 });
  assert.deepEqual(fixture.files(fixture.walDir), [`${jobId}.wal`]);

  await fixture.bringUp();
  const second = await fixture.runQueue();
  await second.waitFor(/Taking up a log of an earlier run.*ended=true/);
  await second.waitFor(/Job completed.*exit_code=4/);
  assert.equal(outputText(await fixture.events(jobId)), "first\nsecond\n");
  assert.deepEqual(fixture.files(fixture.walDir), []);
  assert.deepEqual(fixture.files(fixture.archiveDir), [`${jobId}.wal.zst`]);
});

Deno.test("a job that was killed with its worker is given back and runs again under another name", async () => {
  await using fixture = await WorkerFixture.start();
  const { script, go } = twoLines(fixture);
  const jobId = await fixture.submitScript(script);
  const first = fixture.startWorker();
  await first.waitFor(/Successfully sent records/);
  first.stop.abort();
  assert.equal((await first.ended()).end, "stopped");
  assert.deepEqual(fixture.files(fixture.walDir), [`${jobId}.wal`]);

  const second = fixture.startWorker({ once: true });
  await second.waitFor(/Taking up a log of an earlier run.*ended=false/);
  await second.waitFor(/Job released to its queue/);
  await second.waitFor(/Job started/);
  go();
  await second.ended();
  assert.equal(outputText(await fixture.events(jobId)), "first\nsecond\n");
  assert.deepEqual(fixture.files(fixture.archiveDir), [`${jobId}.2.wal.zst`, `${jobId}.wal.zst`]);
});

Deno.test("a stopping worker takes no new job and lets the running one end", async () => {
  await using fixture = await WorkerFixture.start();
  const { script, go } = twoLines(fixture);
  const running = await fixture.submitScript(script);
  const worker = fixture.startWorker({ concurrency: 1 });
  await worker.waitFor(/Job started/);
  const waiting = await fixture.submitScript("true");
  worker.drain.abort();
  await worker.waitFor(/No new jobs are taken/);
  go();
  assert.deepEqual(await worker.ended(), { end: "drained", jobsCompleted: 1, jobsLeft: 0 });
  assert.equal(outputText(await fixture.events(running)), "first\nsecond\n");
  assert.equal(await fixture.state(waiting), "SCHEDULED");
});

Deno.test("a job that outlasts the grace period is interrupted, delivered and given back", async () => {
  await using fixture = await WorkerFixture.start();
  const jobId = await fixture.submitScript("echo begun; exec sleep 1000");
  const worker = fixture.startWorker({ settings: { shutdownGraceMs: 20 } });
  await worker.waitFor(/Job started/);
  worker.drain.abort();
  assert.equal((await worker.ended()).end, "drained");
  await worker.waitFor(/Job released to its queue/);
  const events = await fixture.events(jobId, "processError");
  assert.match(errorsOf(events)[0], /^Interrupted/);
  assert.deepEqual(fixture.files(fixture.walDir), []);
});

Deno.test("a worker that is stopped twice kills its jobs, and leaves their logs as they are", async () => {
  await using fixture = await WorkerFixture.start();
  const jobId = await fixture.submitScript("trap '' TERM; echo $$; while :; do sleep 0.05; done");
  const worker = fixture.startWorker();
  const started = await worker.waitFor(/Job started/);
  worker.drain.abort();
  await worker.waitFor(/No new jobs are taken/);
  worker.stop.abort();
  assert.equal((await worker.ended()).end, "stopped");
  assert.deepEqual(fixture.files(fixture.walDir), [`${jobId}.wal`]);
  const pid = /pid=(\d+)/.exec(started)![1];
  assert.throws(() => Deno.statSync(`/proc/${pid}/exe`), Deno.errors.NotFound);
});

Deno.test("jobs run side by side, and a slot is free again while the last job is still being delivered", async () => {
  await using fixture = await WorkerFixture.start();
  const path = `${fixture.directory}/meet`;
  assert.ok(new Deno.Command("mkfifo", { args: [path] }).outputSync().success);
  // Each needs the other to run at the same time.
  const ids = [await fixture.submitScript(`echo hello > ${path}`), await fixture.submitScript(`cat ${path}`)];
  await fixture.runQueue({ concurrency: 2 });
  assert.equal(outputText(await fixture.events(ids[1])), "hello\n");
  assert.deepEqual(await Promise.all(ids.map((id) => fixture.state(id))), ["COMPLETED", "COMPLETED"]);
});

Deno.test("megabytes on both streams arrive byte for byte", async () => {
  await using fixture = await WorkerFixture.start();
  const jobId = await fixture.submitScript("seq 1 700000 | tee /dev/stderr");
  await fixture.runQueue();
  const bytes = outputBytes(await fixture.events(jobId));
  const expected = await new Deno.Command("seq", { args: ["1", "700000"] }).output();
  assert.equal(bytes.length, 2 * expected.stdout.length);
});

Deno.test("a visible job stays ours for as long as it runs", async () => {
  await using fixture = await WorkerFixture.start();
  const jobId = await fixture.submitScript("sleep 2.5; echo done");
  const worker = fixture.startWorker({ once: true, settings: { visibilityTimeoutSeconds: 1 } });
  await worker.ended();
  assert.equal(worker.lines.filter((line) => /Job started/.test(line)).length, 1);
  assert.equal(await fixture.state(jobId), "COMPLETED");
});

Deno.test("a worker whose credentials are refused ends before it has done anything", async () => {
  await using fixture = await WorkerFixture.start();
  await fixture.takeDown();
  const refusing = Deno.serve(
    { hostname: "127.0.0.1", port: Number(new URL(fixture.url).port), onListen: () => {} },
    () => Response.json({ code: "unauthenticated", message: "who are you?" }, { status: 401 }),
  );
  const worker = fixture.startWorker();
  const { end, error } = await worker.ended();
  assert.equal(end, "authentication");
  assert.match(error!.message, /who are you/);
  await refusing.shutdown();
});

Deno.test("a worker that runs once gives up on a server that it has never reached, and on no other", async () => {
  await using fixture = await WorkerFixture.start();
  await fixture.takeDown();
  const worker = fixture.startWorker({ once: true, settings: { onceConnectMs: 30 } });
  assert.equal((await worker.ended()).end, "unreachable");
});

Deno.test("a worker that runs once goes on while something is unsent, however long the server is away", async () => {
  await using fixture = await WorkerFixture.start();
  const { script, go } = twoLines(fixture);
  await fixture.submitScript(script);
  const first = fixture.startWorker();
  await first.waitFor(/Successfully sent records/);
  await fixture.takeDown();
  go();
  await first.waitFor(/Job ended/);
  first.stop.abort();
  await first.ended();

  const second = fixture.startWorker({ once: true, settings: { onceConnectMs: 30 } });
  // By then it has been away for longer than that.
  await second.waitFor(/Failed to take jobs.*delay_ms=100/);
  await fixture.bringUp();
  assert.deepEqual(await second.ended(), { end: "idle", jobsCompleted: 0, jobsLeft: 0 });
  assert.deepEqual(fixture.files(fixture.walDir), []);
});
