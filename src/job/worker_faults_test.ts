/**
 * A worker on a machine that fails it: no processes, no directory, a disk that does not answer, a mistake of
 * ours.
 */
import { within } from "../../tests/support/within.ts";
import assert from "node:assert/strict";
import { Gate } from "../../tests/support/gate.ts";
import { errorsOf, outputText, WorkerFixture } from "../../tests/support/worker_fixture.ts";
import { systemProcesses } from "../platform/system_processes.ts";
import { tooManyFiles } from "../../tests/support/too_many_files.ts";
import { diskWithSync } from "../../tests/support/slow_sync.ts";

const twoLines = (gate: Gate) => `echo first; ${gate.wait}; echo second; exit 4`;

Deno.test("a job that the worker cannot start goes back to its queue at once, and runs when it can", async () => {
  await using fixture = await WorkerFixture.start();
  const jobId = await fixture.submitScript("echo hello");
  let times = 0;
  const worker = await fixture.runQueue({
    processes: {
      ...systemProcesses,
      spawn: (options) => ++times <= 2 ? tooManyFiles() : systemProcesses.spawn(options),
    },
  });
  const told = worker.lines.filter((line) =>
    /ERR Cannot start a job's process, for no reason of the job's/.test(line)
  );
  assert.equal(told.length, 2);
  assert.match(told[0], /os error 24/);
  assert.equal(worker.lines.filter((line) => /Job released to its queue/.test(line)).length, 2);
  const events = await fixture.events(jobId);
  assert.equal(outputText(events), "hello\n");
  assert.deepEqual(errorsOf(events), []);
  assert.equal(await fixture.state(jobId), "COMPLETED");
  // The tries have left nothing behind.
  assert.deepEqual(fixture.files(fixture.walDir), []);
  assert.deepEqual(fixture.files(fixture.archiveDir), [`${jobId}.wal.zst`]);
});

Deno.test("a worker whose directory of logs is taken away goes on, and delivers what runs", async () => {
  await using fixture = await WorkerFixture.start();
  using gate = new Gate(fixture.directory);
  const running = await fixture.submitScript(twoLines(gate));
  const worker = fixture.startWorker({ concurrency: 2 });
  await worker.waitFor(/Successfully sent records/);
  Deno.removeSync(fixture.walDir, { recursive: true });
  gate.open();
  await worker.waitFor(new RegExp(`Job completed.*${running}`));
  assert.equal(outputText(await fixture.events(running)), "first\nsecond\n");
  const next = await fixture.submitScript("echo next");
  await worker.waitFor(new RegExp(`Log archived.*${next}`));
  assert.equal(outputText(await fixture.events(next)), "next\n");
  await worker.waitFor(/ERR The directory of logs was taken away while the worker runs, and is made again/);
  worker.drain.abort();
  assert.equal((await worker.ended()).end, "drained");
});

Deno.test("a worker that cannot use its directory takes no jobs until it can, and does not end", async () => {
  await using fixture = await WorkerFixture.start();
  await fixture.submitScript("true");
  const worker = fixture.startWorker();
  await worker.waitFor(/Log archived/);
  Deno.removeSync(fixture.walDir, { recursive: true });
  Deno.writeTextFileSync(fixture.walDir, "in the way");
  const jobId = await fixture.submitScript("echo hello");
  await worker.waitFor(/ERR Cannot take jobs because of an error on this machine - retrying.*it is a file/);
  Deno.removeSync(fixture.walDir);
  await worker.waitFor(new RegExp(`Job completed.*${jobId}`));
  assert.equal(outputText(await fixture.events(jobId)), "hello\n");
});

Deno.test("a worker that runs once sees its jobs through before it says that its directory cannot be used", async () => {
  await using fixture = await WorkerFixture.start();
  using gate = new Gate(fixture.directory);
  const jobId = await fixture.submitScript(twoLines(gate));
  const worker = fixture.startWorker({ once: true, concurrency: 2, settings: { onceConnectMs: 30 } });
  await worker.waitFor(/Successfully sent records/);
  Deno.removeSync(fixture.walDir, { recursive: true });
  Deno.writeTextFileSync(fixture.walDir, "in the way");
  await worker.waitFor(/Cannot take jobs because of an error on this machine/);
  gate.open();
  assert.match(String(await worker.failure()), /Cannot use .*wal.*it is a file/);
  assert.ok(worker.lines.some((line) => /Job completed.*exit_code=4/.test(line)));
  assert.equal(outputText(await fixture.events(jobId)), "first\nsecond\n");
});

Deno.test("a job that a mistake of ours drops is taken up by the same worker, which goes on", async () => {
  await using fixture = await WorkerFixture.start();
  const jobId = await fixture.submitScript("echo hello; exit 3");
  let isMistaken = true;
  const worker = fixture.startWorker({
    settings: { takeUpIntervalMs: 20 },
    observe: {
      jobEnded() {
        if (!isMistaken) return;
        isMistaken = false;
        throw new TypeError("a mistake");
      },
    },
  });
  await worker.waitFor(/ERR Job was dropped because of an unexpected error.*a mistake/);
  await worker.waitFor(/Job completed.*exit_code=3/);
  assert.equal(outputText(await fixture.events(jobId)), "hello\n");
  const next = await fixture.submitScript("echo next");
  await worker.waitFor(new RegExp(`Job completed.*${next}`));
});

Deno.test("a worker that has to stop at once does, also when its disk does not answer", async () => {
  await using fixture = await WorkerFixture.start();
  await fixture.submitScript("echo hello; exec sleep 1000");
  const answer = Promise.withResolvers<void>();
  const closed = Promise.withResolvers<void>();
  const worker = fixture.startWorker({ files: diskWithSync(() => answer.promise, closed.resolve) });
  await worker.waitFor(/Job started/);
  worker.drain.abort();
  worker.stop.abort();
  const { end, jobsLeft } = await worker.ended();
  assert.equal(end, "stopped");
  assert.equal(jobsLeft, 1);
  assert.ok(worker.lines.some((line) => /WRN Stopped without waiting any longer/.test(line)));
  // What it left under way ends with the program, or when the disk answers after all.
  answer.resolve();
  await within(closed.promise, () => "the log is open still");
});
