/**
 * A server that answers OK and loses events, and one that keeps others than it was given.
 */
import assert from "node:assert/strict";
import { ForgetfulServer } from "../../tests/support/forgetful_server.ts";
import { type FixtureOptions, WorkerFixture } from "../../tests/support/worker_fixture.ts";
import { BATCH_LIMITS } from "./batcher.ts";
import { LogBuilder } from "../../tests/support/data_directory.ts";
import { createEvent, decodeEvent, encodeEvent, outputOf } from "../events/event.ts";
import { facts } from "../../tests/support/log_facts.ts";

/** An event for each few bytes of output. */
const LINES: FixtureOptions = {
  settings: { limits: { ...BATCH_LIMITS, flushAfterMs: 2000, itemsMax: 1, itemBytesMax: 10 } },
};

const SERVER = "http://127.0.0.1:8080";
const SCRIPT = "for i in $(seq 300); do echo line $i; done; exit 3";

async function run(server: ForgetfulServer, fixture: WorkerFixture, more: FixtureOptions = {}) {
  server.waiting.push({ jobId: "job-1", script: SCRIPT });
  return await fixture.runQueue({ transport: server.transport, ...LINES, ...more });
}

function output(server: ForgetfulServer): string {
  const events = [...server.of("job-1").events].sort(([a], [b]) => a < b ? -1 : 1);
  const decoder = new TextDecoder();
  return events.flatMap(([, bytes]) => [...outputOf(decodeEvent(bytes)!)])
    .map(({ bytes }) => decoder.decode(bytes)).join("");
}

const EXPECTED = Array.from({ length: 300 }, (_, i) => `line ${i + 1}\n`).join("");

Deno.test("a server that loses events which it acknowledged is found out, and gets them again before the job is completed", async () => {
  for (
    const losses of [
      (sequence: bigint) => sequence === 1n,
      (sequence: bigint) => sequence % 7n === 0n,
      (sequence: bigint) => sequence > 40n && sequence < 90n,
      () => true,
    ]
  ) {
    await using fixture = await WorkerFixture.start();
    const server = new ForgetfulServer();
    const lost = new Set<bigint>();
    // Each only once, as by a restart that went wrong.
    server.loses = (sequence) => losses(sequence) && !lost.has(sequence) && lost.add(sequence).size > 0;
    const worker = await run(server, fixture);
    assert.equal(output(server), EXPECTED);
    assert.equal(server.of("job-1").result?.exitCode, 3);
    assert.deepEqual(fixture.files(fixture.archiveDir), ["job-1.wal.zst"]);
    const said = worker.lines.filter((line) => /^(ERR|WRN)/.test(line));
    assert.equal(said.length, 2, said.join("\n"));
    assert.match(
      said[0],
      /^ERR The server does not have the events that it acknowledged - sending them again/,
    );
    assert.match(said[1], /^WRN The server has all events now/);
    // What it had is not all sent again.
    const all = server.of("job-1").events.size;
    if (lost.size < 10) assert.ok(server.received < all + 200, `${server.received} of ${all}`);
  }
});

Deno.test("a server that has more than a log, which lost it to damage, lacks nothing", async () => {
  await using fixture = new WorkerFixture();
  const server = new ForgetfulServer();
  const token = server.newRun("job-1");
  const { events } = server.of("job-1");
  for (const sequence of [3n, 200n, 201n]) {
    events.set(sequence, encodeEvent(createEvent(sequence, 0, { case: "output", value: {} })));
  }
  const log = new LogBuilder("job-1", 1, { server: SERVER, task_token: token }).start().output("a\n").gap();
  for (let line = 0; line < 190; line++) log.output(`${line}\n`);
  log.gap(20).output("b\n").end(0);
  Deno.mkdirSync(fixture.walDir, { recursive: true });
  Deno.writeFileSync(`${fixture.walDir}/job-1.wal`, log.bytes());
  const worker = await fixture.runQueue({ transport: server.transport, serverUrl: SERVER });
  assert.deepEqual(worker.lines.filter((line) => /^(ERR|WRN)/.test(line)), []);
  assert.equal(events.size, 3 + 195 - 1);
  assert.equal(server.received, 194);
  assert.deepEqual([fixture.files(fixture.walDir), fixture.files(fixture.archiveDir)], [[], [
    "job-1.wal.zst",
  ]]);
});

Deno.test("what a server lacks is found and sent again also where it has more than the log besides", async () => {
  await using fixture = new WorkerFixture();
  const server = new ForgetfulServer();
  const lost = new Set<bigint>();
  server.loses = (sequence) => sequence === 4n && !lost.has(sequence) && lost.add(sequence).size > 0;
  const token = server.newRun("job-1");
  const { events } = server.of("job-1");
  for (const sequence of [3n, 5n]) {
    events.set(sequence, encodeEvent(createEvent(sequence, 0, { case: "output", value: {} })));
  }
  const log = new LogBuilder("job-1", 1, { server: SERVER, task_token: token })
    .start().output("a\n").gap().output("b\n").gap().output("c\n").end(0);
  Deno.mkdirSync(fixture.walDir, { recursive: true });
  Deno.writeFileSync(`${fixture.walDir}/job-1.wal`, log.bytes());
  await fixture.runQueue({ transport: server.transport, serverUrl: SERVER });
  assert.deepEqual([...events.keys()].map(Number).sort((a, b) => a - b), [1, 2, 3, 4, 5, 6, 7]);
  assert.deepEqual([fixture.files(fixture.walDir), fixture.files(fixture.archiveDir)], [[], [
    "job-1.wal.zst",
  ]]);
});

Deno.test("a server that never has an event is told of it, and its log stays for people", async () => {
  await using fixture = await WorkerFixture.start();
  const server = new ForgetfulServer();
  server.loses = (sequence) => sequence === 17n || sequence === 18n;
  const worker = await run(server, fixture);
  await worker.waitFor(/^ERR The server has other events than the log.*events=2 sequences="?17 18"?/);
  // How the job ended is known all the same.
  assert.equal(server.of("job-1").result?.exitCode, 3);
  assert.deepEqual([fixture.files(fixture.walDir), fixture.files(fixture.archiveDir)], [["job-1.wal"], []]);
  assert.deepEqual(await facts(`${fixture.walDir}/job-1.wal`), { pending: 0, completion: "differs" });
  // The next worker tries again, and when the server is well again all is well.
  server.loses = () => false;
  const next = await fixture.runQueue({ transport: server.transport });
  assert.ok(
    next.lines.some((line) => /^WRN The server has all events now/.test(line)),
    next.lines.join("\n"),
  );
  assert.equal(output(server), EXPECTED);
  assert.deepEqual([fixture.files(fixture.walDir), fixture.files(fixture.archiveDir)], [[], [
    "job-1.wal.zst",
  ]]);
});

Deno.test("an event with other bytes is found, and is not mended by sending it again", async () => {
  await using fixture = await WorkerFixture.start();
  const server = new ForgetfulServer();
  server.alters = (sequence, bytes) => sequence === 100n ? bytes.with(bytes.length - 1, 0x21) : bytes;
  const worker = await run(server, fixture);
  await worker.waitFor(/^ERR The server has other events than the log.*events=1 sequences=100/);
  assert.deepEqual(fixture.files(fixture.archiveDir), []);
});

Deno.test("one question is asked of a server that has everything, none of one without the call, and no log is read for it", async () => {
  await using fixture = await WorkerFixture.start();
  const server = new ForgetfulServer();
  await run(server, fixture);
  const { events } = server.of("job-1");
  assert.equal(server.comparisons.length, 1);
  assert.deepEqual(
    [server.comparisons[0].fromSequence, server.comparisons[0].eventCount],
    [1n, BigInt(events.size)],
  );
  const older = new ForgetfulServer();
  older.hasCompare = false;
  older.loses = (sequence) => sequence === 5n;
  for (const jobId of ["job-2", "job-3"]) older.waiting.push({ jobId, script: "true" });
  const worker = await fixture.runQueue({ transport: older.transport });
  assert.equal(worker.lines.filter((line) => /The server does not have a call of ours/.test(line)).length, 1);
  assert.deepEqual(worker.lines.filter((line) => /^(ERR|WRN)/.test(line)), []);
});
