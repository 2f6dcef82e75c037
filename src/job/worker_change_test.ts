import assert from "node:assert/strict";
import { readSummary } from "../archive/summary.ts";
import { outputText, WorkerFixture } from "../../tests/support/worker_fixture.ts";
import { DEFAULT_SETTINGS } from "../../tests/support/worker_settings.ts";
import type { WorkerChanges } from "./worker_options.ts";
import { systemFiles } from "../platform/system_files.ts";

/** Prints a line, and another one once somebody writes to the pipe `name`, which blocks until then. */
function twoLines(fixture: WorkerFixture, name: string): { script: string; go(): void } {
  const path = `${fixture.directory}/${name}`;
  assert.ok(new Deno.Command("mkfifo", { args: [path] }).outputSync().success);
  return {
    script: `echo first; read line < ${path}; echo second`,
    go: () => Deno.writeTextFileSync(path, "\n"),
  };
}

function startChangeable(fixture: WorkerFixture) {
  let change: (changes: WorkerChanges) => void = () => assert.fail("the worker has not begun");
  const worker = fixture.startWorker({ concurrency: 1, onChangeable: (given) => change = given });
  const apply = (changes: Partial<WorkerChanges>) =>
    change({
      ...DEFAULT_SETTINGS,
      concurrency: 1,
      backoff: { initialMs: 10, maxMs: 100, factor: 2, jitter: 0 },
      ...changes,
    });
  return { worker, apply };
}

Deno.test("more jobs run at a time as soon as that is asked for, and the one that runs goes on", async () => {
  await using fixture = await WorkerFixture.start();
  const { script, go } = twoLines(fixture, "one");
  const first = await fixture.submitScript(script);
  const { worker, apply } = startChangeable(fixture);
  await worker.waitFor(/Job started/);
  const second = await fixture.submitScript("echo hello");
  apply({ concurrency: 2 });
  await worker.waitFor(new RegExp(`Job completed.*${second}`));
  assert.ok(!worker.lines.some((line) => line.includes("Job completed") && line.includes(first)));
  go();
  await worker.waitFor(new RegExp(`Job completed.*${first}`));
  assert.equal(outputText(await fixture.events(first)), "first\nsecond\n");
});

Deno.test("a shorter retention removes archives at once, not tomorrow", async () => {
  await using fixture = await WorkerFixture.start();
  const jobId = await fixture.submitScript("echo hello");
  const { worker, apply } = startChangeable(fixture);
  await worker.waitFor(/Log archived/);
  assert.deepEqual(fixture.files(fixture.archiveDir), [`${jobId}.wal.zst`]);
  const before = worker.lines.length;
  apply({ retentionDays: 0 });
  await worker.waitFor(/archive.*(removed|deleted)|(removed|deleted).*archive/i);
  assert.ok(worker.lines.length > before);
  assert.deepEqual(fixture.files(fixture.archiveDir), []);
});

Deno.test("a job that is unsynced when it ends is delivered whole before it is completed", async () => {
  await using fixture = await WorkerFixture.start();
  const jobId = await fixture.submitScript("echo hello");
  // Longer than the test: only asking for a sync can bring the events out.
  await fixture.runQueue({ settings: { sync: { mode: "interval", intervalMs: 60_000 } } });
  // Looked at first: reading the events of a job whose end the server does not know would wait for it.
  const summary = await readSummary(systemFiles, `${fixture.archiveDir}/${jobId}.wal.zst`);
  assert.deepEqual([summary?.events, summary?.pending], [3, 0]);
  assert.equal(outputText(await fixture.events(jobId)), "hello\n");
});
