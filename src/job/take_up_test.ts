import assert from "node:assert/strict";
import { outputEvent } from "../../tests/support/server_client.ts";
import { outputText, type StartedWorker, WorkerFixture } from "../../tests/support/worker_fixture.ts";
import { readLogBytes } from "../archive/log_bytes.ts";
import { createEvent, encodeEvent, type JobEvent } from "../events/event.ts";
import type { Execution } from "../wal/execution.ts";
import { encodeHeader, encodeRecord, Status } from "../wal/format.ts";
import { Log } from "../wal/log.ts";
import { scanLog } from "../wal/reader.ts";
import { resultOf } from "./complete_job.ts";
import { Story } from "./story.ts";
import { systemFiles } from "../platform/system_files.ts";
import { systemHost } from "../platform/system_host.ts";

const AT_MS = 1_700_000_000_000;
const ended = (sequence: bigint, exitCode: number) =>
  createEvent(sequence, AT_MS, { case: "processEnd", value: { pid: 1, exitCode } });

/** A job that was given to a worker which then died, and the log it left. */
async function leaveLog(
  fixture: WorkerFixture,
  events: JobEvent[],
  more: Partial<Execution> = {},
): Promise<{ jobId: string; path: string }> {
  const jobId = await fixture.submitScript("echo again");
  const over = new AbortController();
  let taskToken: string | undefined;
  const request = { queue: "default", maxJobs: 1, visibilityTimeoutSeconds: 300 };
  for await (const given of fixture.client.jobs.dequeueJob(request, { signal: over.signal })) {
    assert.equal(given.job?.jobId, jobId);
    taskToken = given.taskToken;
  }
  over.abort();
  const log = await Log.create(fixture.walDir, [`${jobId}.wal`], {
    job_id: jobId,
    execution: 1,
    queue: "default",
    server: fixture.url,
    task_token: taskToken,
    worker: "dead",
    version: "0.0.0",
    started_at_ms: AT_MS,
    ...more,
  }, systemHost);
  for (const event of events) {
    await log.append({ sequence: event.sequence, timestampMs: AT_MS, payload: encodeEvent(event) });
  }
  await log.close();
  return { jobId, path: log.path };
}

const warnings = (worker: StartedWorker) => worker.lines.filter((line) => /^(WRN|ERR)/.test(line));

Deno.test("a log under a name that no worker gives is left alone and said once, and stale files go", async () => {
  await using fixture = await WorkerFixture.start();
  const { jobId, path } = await leaveLog(fixture, [outputEvent(1), ended(2n, 0)]);
  const copy = path.replace(/\.wal$/, ".b.wal");
  Deno.renameSync(path, copy);
  const stale = `${fixture.walDir}/.${jobId}.wal.tmp-0190a1b2-0000-4000-8000-000000000001`;
  Deno.writeTextFileSync(stale, "token");
  Deno.utimeSync(stale, 1, 1);
  const worker = await fixture.runQueue();
  const said = warnings(worker).filter((line) => line.includes(copy));
  assert.equal(said.length, 1, warnings(worker).join("\n"));
  assert.match(said[0], /Left a log alone: its name is not one that a worker gives.*airunner wal replay/);
  assert.deepEqual(fixture.files(fixture.walDir), [copy.slice(fixture.walDir.length + 1)]);
});

Deno.test("a log tells that its job was cancelled, whatever its command made of that", () => {
  const story = new Story();
  const say = (errorMessage: string) =>
    story.add(createEvent(1n, AT_MS, { case: "processError", value: { errorMessage } }));
  say("Cancelled: not needed");
  say("A process that the command had left in the background still held its output open");
  const unfinished = story.end;
  assert.equal(unfinished, undefined, "before its PROCESS_END it goes back, and the server knows");
  story.add(ended(3n, 0));
  assert.deepEqual([story.end?.endedBy, story.end?.errorMessage], ["cancellation", "Cancelled: not needed"]);
  assert.equal(resultOf("job-1", story.end!, 0).success, false);
});

Deno.test("a log of a job that had ended is delivered, completed and archived", async () => {
  await using fixture = await WorkerFixture.start();
  const { jobId } = await leaveLog(fixture, [outputEvent(1), outputEvent(2), ended(3n, 9)]);
  const worker = await fixture.runQueue();
  await worker.waitFor(/Job completed.*exit_code=9/);
  assert.deepEqual((await fixture.events(jobId)).map((event) => event.sequence), [1n, 2n, 3n]);
  assert.equal(await fixture.state(jobId), "FAILED");
  assert.deepEqual(fixture.files(fixture.walDir), []);
  const { ledger } = await scanLog(
    await readLogBytes(systemFiles, `${fixture.archiveDir}/${jobId}.wal.zst`),
    () => {},
  );
  assert.deepEqual([ledger.sent, ledger.pending], [3, 0]);
  assert.deepEqual(warnings(worker), []);
});

Deno.test("a log of a job that had not ended is delivered and archived, and the job runs again", async () => {
  await using fixture = await WorkerFixture.start();
  const { jobId } = await leaveLog(fixture, [outputEvent(1), outputEvent(2)]);
  await fixture.runQueue();
  assert.deepEqual(fixture.files(fixture.archiveDir), [`${jobId}.2.wal.zst`, `${jobId}.wal.zst`]);
  assert.equal(await fixture.state(jobId), "COMPLETED");
  assert.match(outputText(await fixture.events(jobId)), /again\n$/);
});

Deno.test("new jobs run while an old log waits for its server to take it", async () => {
  await using fixture = await WorkerFixture.start();
  const { path } = await leaveLog(fixture, [outputEvent(1), ended(2n, 0)], { task_token: "not a token" });
  const jobId = await fixture.submitScript("echo new");
  const worker = fixture.startWorker();
  await worker.waitFor(/Failed to send events - retrying/);
  await worker.waitFor(new RegExp(`Job completed.*${jobId}`));
  worker.drain.abort();
  await worker.ended();
  await worker.waitFor(/Left for the next run/);
  assert.ok(fixture.files(fixture.walDir).includes(path.split("/").at(-1)!));
});

Deno.test("a log for another server is left alone, and the warning names both", async () => {
  await using fixture = await WorkerFixture.start();
  const { path } = await leaveLog(fixture, [outputEvent(1)], { server: "https://ci.example.com" });
  const before = Deno.readFileSync(path);
  const worker = await fixture.runQueue();
  const [warning, ...others] = warnings(worker);
  assert.match(warning, /https:\/\/ci\.example\.com/);
  assert.ok(warning.includes(fixture.url));
  assert.deepEqual(others, []);
  assert.deepEqual(Deno.readFileSync(path), before);
});

Deno.test("a log without a token is left alone while it holds something unsent, and archived otherwise", async () => {
  await using fixture = await WorkerFixture.start();
  Deno.mkdirSync(fixture.walDir);
  const write = (name: string, status: number) => {
    const payload = encodeEvent(outputEvent(1));
    const record = encodeRecord({ sequence: 1n, status, timestampMs: BigInt(AT_MS), payload });
    Deno.writeFileSync(`${fixture.walDir}/${name}`, new Uint8Array([...encodeHeader(), ...record]));
  };
  write("unsent.wal", Status.PENDING);
  write("sent.wal", Status.SENT);
  const worker = await fixture.runQueue({ settings: { takeUpIntervalMs: 50 } });
  assert.deepEqual(fixture.files(fixture.walDir), ["unsent.wal"]);
  assert.deepEqual(fixture.files(fixture.archiveDir), ["sent.wal.zst"]);
  assert.equal(warnings(worker).length, 1, "it is reported once, not each time");
  assert.match(warnings(worker)[0], /unsent\.wal/);
  // Replay refuses such a log as well.
  assert.match(warnings(worker)[0], /a server takes events with a token only\..*airunner wal dump --raw/);
  assert.doesNotMatch(warnings(worker)[0], /wal replay/);
});

Deno.test("a log that somebody else is writing is left to them", async () => {
  await using fixture = await WorkerFixture.start();
  const { path, jobId } = await leaveLog(fixture, [outputEvent(1), ended(2n, 0)]);
  const owner = await Log.open(path, systemHost);
  const worker = fixture.startWorker({ settings: { takeUpIntervalMs: 20 } });
  await worker.waitFor(/Skipped a log that another process has open/);
  assert.deepEqual(warnings(worker), []);
  await owner.close();
  await worker.waitFor(new RegExp(`Log archived.*${jobId}`));
});

Deno.test("a damaged log is set aside and reported, and the worker goes on", async () => {
  await using fixture = await WorkerFixture.start();
  const { path } = await leaveLog(fixture, [outputEvent(1), outputEvent(2), outputEvent(3)]);
  const bytes = Deno.readFileSync(path);
  bytes[bytes.length - 150] ^= 1;
  Deno.writeFileSync(path, bytes);
  const jobId = await fixture.submitScript("echo new");
  const worker = await fixture.runQueue();
  const [error, ...others] = warnings(worker);
  assert.deepEqual(others, [], "one line for one damaged log");
  assert.match(error, /^ERR Damaged log set aside: CRC64 mismatch.*offset=\d+.*records=\d+.*salvageable=1/);
  assert.deepEqual(fixture.files(fixture.walDir), [`${path.split("/").at(-1)}.corrupt`]);
  assert.deepEqual(Deno.readFileSync(`${path}.corrupt`), bytes);
  assert.equal(await fixture.state(jobId), "COMPLETED");
});

Deno.test("a log that says that its worker failed is told as that, whatever was recorded before", () => {
  const error = (sequence: bigint, errorMessage: string) =>
    createEvent(sequence, AT_MS, { case: "processError", value: { errorMessage } });
  const ours = "airunner: an unexpected error while taking its output (EIO)";
  const story = new Story();
  for (const event of [error(1n, "Timed out after 60 s"), error(2n, ours), ended(3n, 125)]) story.add(event);
  const { success, exitCode, errorMessage } = resultOf("job-1", story.end!, 0);
  assert.deepEqual({ success, exitCode, errorMessage }, {
    success: false,
    exitCode: 125,
    errorMessage: ours,
  });
});
