/**
 * Logs whose server has lost their jobs, or never had them.
 */
import assert from "node:assert/strict";
import { ForgetfulServer } from "../../tests/support/forgetful_server.ts";
import { LogBuilder } from "../../tests/support/data_directory.ts";
import { type FixtureOptions, WorkerFixture } from "../../tests/support/worker_fixture.ts";
import { Gate } from "../../tests/support/gate.ts";
import { encodeHeader, encodeRecord, Status } from "../wal/format.ts";
import { createEvent, encodeEvent } from "../events/event.ts";
import { facts } from "../../tests/support/log_facts.ts";
import { mayAdopt } from "./adopt_log.ts";

const SERVER = "http://127.0.0.1:8080";

function options(server: ForgetfulServer, more: FixtureOptions = {}): FixtureOptions {
  return { transport: server.transport, serverUrl: SERVER, ...more };
}

const names = (run: { events: Map<bigint, Uint8Array> }) =>
  [...run.events.keys()].map(Number).sort((a, b) => a - b);

/** A log as its worker left it, of a job that had ended; its first events were acknowledged. */
function leave(fixture: WorkerFixture, name: string, log: LogBuilder): void {
  Deno.mkdirSync(fixture.walDir, { recursive: true });
  Deno.writeFileSync(`${fixture.walDir}/${name}`, log.bytes());
}

const ended = (jobId: string, server = SERVER) =>
  new LogBuilder(jobId, 1, { server }).start().output("a\n").acknowledge(2n).output("b\n").end(3);

Deno.test("which logs a server is asked to adopt follows from the setting and from whose they are", () => {
  const own = { server: SERVER } as never;
  const other = { server: "http://127.0.0.1:9" } as never;
  const answers = (["own", "all", "never"] as const).map((mode) =>
    [own, other, undefined].map((execution) => mayAdopt(mode, execution, SERVER))
  );
  assert.deepEqual(answers, [[true, false, false], [true, true, true], [false, false, false]]);
});

Deno.test("a log whose server has lost its job is adopted, sent as a whole, at once, completed and archived", async () => {
  await using fixture = new WorkerFixture();
  const server = new ForgetfulServer();
  leave(fixture, "job-1.wal", ended("job-1"));
  const worker = await fixture.runQueue(options(server));
  const run = server.of("job-1");
  assert.deepEqual(names(run), [1, 2, 3, 4]);
  assert.deepEqual([run.result?.exitCode, run.result?.success], [3, false]);
  assert.match(run.logId!, /^[0-9a-f]{64}$/);
  await worker.waitFor(/INF The server did not know the job, and has adopted it. All of its log is sent/);
  assert.deepEqual([fixture.files(fixture.walDir), fixture.files(fixture.archiveDir)], [[], [
    "job-1.wal.zst",
  ]]);
  assert.equal(server.adoptions.length, 1);
});

Deno.test("a job whose server loses everything while it runs is adopted when it has ended", async () => {
  await using fixture = new WorkerFixture();
  using gate = new Gate(fixture.directory);
  const server = new ForgetfulServer();
  server.waiting.push({ jobId: "job-1", script: `echo first; ${gate.wait}; echo second; exit 4` });
  const worker = fixture.startWorker(options(server));
  await worker.waitFor(/Successfully sent records/);
  server.forgetAll();
  gate.open();
  await worker.waitFor(/Log archived/);
  const run = server.of("job-1");
  assert.deepEqual([run.result?.exitCode, run.command], [4, "sh"]);
  assert.equal(names(run)[0], 1, "what the server had acknowledged before is sent again");
  worker.drain.abort();
  assert.deepEqual(await worker.ended(), { end: "drained", jobsCompleted: 1, jobsLeft: 0 });
});

Deno.test("an execution that had not ended is not run again where it was adopted, and the server is told why", async () => {
  await using fixture = new WorkerFixture();
  const server = new ForgetfulServer();
  leave(fixture, "job-1.wal", new LogBuilder("job-1", 1, { server: SERVER }).start().output("a\n"));
  await fixture.runQueue(options(server));
  const { result } = server.of("job-1");
  assert.deepEqual([result?.success, result?.exitCode], [false, 125]);
  assert.match(result!.errorMessage, /^airunner: the worker ended before the job did/);
});

Deno.test("a log of a job that ran on other hosts before is adopted under the number that its server gave", async () => {
  await using fixture = new WorkerFixture();
  const server = new ForgetfulServer();
  leave(
    fixture,
    "job-1.wal",
    new LogBuilder("job-1", 1, { server: SERVER, server_execution: 3 }).start().end(0),
  );
  leave(fixture, "job-2.wal", new LogBuilder("job-2", 1, { server: SERVER }).start().end(0));
  await fixture.runQueue(options(server));
  assert.deepEqual(
    server.adoptions.map(({ jobId, execution }) => [jobId, execution]).sort(),
    [["job-1", 3], ["job-2", 1]],
  );
});

Deno.test("a server that has another run under these ids is left in peace, and the log stays", async () => {
  await using fixture = new WorkerFixture();
  const server = new ForgetfulServer();
  server.newRun("job-1", { logId: "another" });
  leave(fixture, "job-1.wal", ended("job-1"));
  const worker = fixture.startWorker(options(server));
  await worker.waitFor(/WRN The server does not know the token of a log.*adoption other log/);
  worker.drain.abort();
  await worker.ended();
  assert.deepEqual(names(server.of("job-1")), []);
  assert.equal((await facts(`${fixture.walDir}/job-1.wal`)).pending, 2);
});

Deno.test("logs of other servers and of other programs are adopted only when that is asked for", async () => {
  await using fixture = new WorkerFixture();
  const server = new ForgetfulServer();
  const event = createEvent(1n, 1000, { case: "processEnd", value: { pid: 1, exitCode: 0 } });
  const foreign = [
    encodeHeader(),
    encodeRecord({ sequence: 1n, status: Status.PENDING, timestampMs: 1000n, payload: encodeEvent(event) }),
  ];
  leave(fixture, "job-1.wal", ended("job-1", "http://127.0.0.1:9"));
  Deno.writeFileSync(`${fixture.walDir}/job-2.wal`, new Uint8Array(foreign.flatMap((part) => [...part])));
  const worker = await fixture.runQueue(options(server));
  assert.equal(server.adoptions.length, 0);
  assert.equal(worker.lines.filter((line) => /WRN Left a log alone.*--adopt=all/.test(line)).length, 2);
  await fixture.runQueue(options(server, { settings: { adopt: "all" } }));
  assert.deepEqual([names(server.of("job-1")), names(server.of("job-2"))], [[1, 2, 3, 4], [1]]);
  assert.equal(server.of("job-2").result?.success, true);
  assert.deepEqual(fixture.files(fixture.archiveDir), ["job-1.wal.zst", "job-2.wal.zst"]);
});

Deno.test("a worker that is not to, and a server without the call, do as ever: nothing is adopted or lost", async () => {
  for (const adopt of ["never", "own"] as const) {
    await using fixture = new WorkerFixture();
    const server = new ForgetfulServer();
    server.hasAdopt = false;
    leave(fixture, "job-1.wal", ended("job-1"));
    const worker = fixture.startWorker(options(server, { settings: { adopt } }));
    await worker.waitFor(/refused|Delivery is refused|token|Failed to/i);
    worker.drain.abort();
    await worker.ended();
    assert.equal(server.adoptions.length, 0);
    assert.equal((await facts(`${fixture.walDir}/job-1.wal`)).pending, 2);
  }
});
