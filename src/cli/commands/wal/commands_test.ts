import assert from "node:assert/strict";
import { type MemoryOptions, runInMemory } from "../../../../tests/support/memory_context.ts";
import { assertScreen } from "../../../../tests/support/data_directory.ts";
import { createEvent, encodeEvent, StreamType } from "../../../events/event.ts";
import { encodeExecution, encodeFailure, type Execution } from "../../../wal/execution.ts";
import { encodeHeader, encodeRecord, Status } from "../../../wal/format.ts";

const TESTDATA = new URL("../../../../tests/testdata/", import.meta.url).pathname;

interface Vector {
  file: string;
  valid: boolean;
  problem?: string;
  problem_offset?: number;
  records: {
    offset: number;
    length: number;
    sequence: number;
    status: number;
    timestamp_ms: number;
    payload_bytes: number;
  }[];
  good_bytes: number;
  event_types?: string[];
  stdout_hex?: string;
}

function vectors(): Vector[] {
  const names = Array.from(Deno.readDirSync(TESTDATA), ({ name }) => name).filter((name) =>
    name.endsWith(".json")
  );
  assert.ok(names.length >= 14, "the vectors are there");
  return names.sort().map((name) => JSON.parse(Deno.readTextFileSync(TESTDATA + name)));
}

const STATUSES = ["", "pending", "sent", "failed"];

Deno.test("verify reports of each vector what its description says, in the fixed shape", async () => {
  for (const vector of vectors()) {
    const path = TESTDATA + vector.file;
    const count = (status: number) => vector.records.filter((record) => record.status === status).length;
    const { exitCode, stdout, stderr } = await runInMemory(["wal", "verify", "--json", path]);
    const expected = {
      schema_version: 1,
      path,
      ok: vector.valid,
      problem: vector.problem ?? null,
      problem_offset: vector.problem_offset ?? null,
      records: vector.records.length,
      good_bytes: vector.good_bytes,
      pending: count(1),
      sent: count(2),
      failed: count(3),
    };
    assert.equal(stdout, JSON.stringify(expected) + "\n", vector.file);
    assert.deepEqual([exitCode, stderr], [vector.valid ? 0 : 3, ""], vector.file);
  }
});

Deno.test("inspect reports of each vector what its description says, in the fixed shape", async () => {
  for (const vector of vectors()) {
    const path = TESTDATA + vector.file;
    const { exitCode, stdout } = await runInMemory(["wal", "inspect", "--json", path]);
    const document = JSON.parse(stdout);
    assert.equal(stdout, JSON.stringify(document) + "\n", "one document on one line");
    assert.deepEqual(Object.keys(document), [
      "schema_version",
      "path",
      "job_id",
      "execution",
      "records",
      "pending",
      "sent",
      "failed",
      "problem",
      "problem_offset",
    ]);
    const types = vector.event_types;
    assert.deepEqual(
      document.records,
      vector.records.map(({ status, ...record }, index) => ({
        offset: record.offset,
        length: record.length,
        sequence: record.sequence,
        status: STATUSES[status],
        timestamp_ms: record.timestamp_ms,
        payload_bytes: record.payload_bytes,
        event_type: types ? types[index] : document.records[index].event_type,
      })),
    );
    assert.equal(document.job_id, vector.file.replace(".wal", ""));
    assert.deepEqual([document.problem, document.problem_offset], [
      vector.problem ?? null,
      vector.problem_offset ?? null,
    ]);
    assert.equal(exitCode, 0);
  }
});

Deno.test("dump writes the output's exact bytes, and says where damage cut it short", async () => {
  const job = vectors().find((vector) => vector.file === "job.wal")!;
  const hex = (bytes: Uint8Array) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  const whole = await runInMemory(["wal", "dump", "--raw", `${TESTDATA}job.wal`]);
  // Both streams: the vector's stderr line comes after its first stdout line.
  const expected = job.stdout_hex!.replace(
    "68656c6c6f0a",
    "68656c6c6f0a" + hex(new TextEncoder().encode("warn: café\n")),
  );
  assert.equal(hex(whole.stdoutBytes), expected);
  assert.deepEqual([whole.exitCode, whole.stderr], [0, ""]);
  const cut = await runInMemory(["wal", "dump", "--raw", `${TESTDATA}wild_length.wal`]);
  assert.equal(cut.stdout, "hello\nwarn: café\n");
  assert.equal(cut.exitCode, 1);
  assert.match(cut.stderr, /damaged: bad_length at offset 169: 2 good records before it/);
});

Deno.test("files that cannot be read are reported, and the others are checked all the same", async () => {
  const args = ["wal", "verify", "/nonexistent.wal", TESTDATA, `${TESTDATA}job.wal`];
  const { exitCode, stdout, stderr } = await runInMemory(args);
  assert.equal(exitCode, 1);
  assert.match(stderr, /^Cannot read \/nonexistent\.wal: no such file\nCannot read .*: it is a directory/);
  assert.match(stdout, /job\.wal: whole: 4 records/);
});

Deno.test("whoever gives verify the id of a job learns how to find the file", async () => {
  const { exitCode, stderr } = await runInMemory(["wal", "verify", "job-1"]);
  assert.equal(exitCode, 1);
  assert.match(
    stderr,
    /^Cannot read job-1: no such file\n {2}This takes paths.*: airunner wal inspect job-1\n$/,
  );
});

Deno.test("standard input is inspected like a file", async () => {
  const stdin = Deno.readFileSync(`${TESTDATA}statuses.wal`);
  const { stdout } = await runInMemory(["wal", "inspect", "-", "--json"], { stdin });
  const { path, job_id, pending, sent, failed } = JSON.parse(stdout);
  assert.deepEqual([path, job_id, pending, sent, failed], ["-", null, 1, 2, 1]);
  const dumped = await runInMemory(["wal", "dump", "-", "--raw"], { stdin });
  assert.match(dumped.stdout, /^hello\n/);
});

const STARTED_MS = Date.UTC(2026, 0, 1, 0, 30);
const EXECUTION: Execution = {
  job_id: "0190a1b2-0000-7000-8000-000000000001",
  execution: 2,
  queue: "default",
  server: "http://127.0.0.1:8080",
  task_token: "SECRET-TOKEN",
  worker: "host-1",
  version: "0.1.0",
  started_at_ms: STARTED_MS,
};

function record(sequence: bigint, status: number, payload: Uint8Array): Uint8Array {
  return encodeRecord({
    sequence,
    status,
    timestampMs: BigInt(STARTED_MS) + sequence % 1000n * 100n,
    payload,
  });
}

const output = (sequence: bigint, text: string, stream = StreamType.STDOUT) =>
  encodeEvent(createEvent(sequence, STARTED_MS, {
    case: "outputBatch",
    value: {
      outputs: [{ output: new TextEncoder().encode(text), streamType: stream, timestampDeltaMs: 0 }],
      startSequence: sequence,
      endSequence: sequence,
      firstTimestampMs: BigInt(STARTED_MS),
    },
  }));

/** A log with everything in it: an acknowledgement, a failure with hostile text, a sequence beyond 2^53. */
function richLog(): Uint8Array {
  const huge = 9_007_199_254_740_993n;
  return joined([
    encodeHeader(),
    record(0n, Status.SENT, encodeExecution(EXECUTION)),
    record(
      1n,
      Status.PENDING,
      encodeEvent(createEvent(1n, STARTED_MS, { case: "processStart", value: { pid: 7 } })),
    ),
    record(2n, Status.PENDING, output(2n, "first\n")),
    record(2n, Status.SENT, new Uint8Array()),
    record(3n, Status.PENDING, output(3n, "second\n", StreamType.STDERR)),
    record(
      3n,
      Status.FAILED,
      encodeFailure({ code: "invalid_argument", message: "no \u001b[2J thanks", attempts: 5 }),
    ),
    record(huge, Status.PENDING, output(huge, "third\n")),
    record(huge + 1n, Status.PENDING, new Uint8Array([0xff, 0xff])),
  ]);
}

function joined(parts: Uint8Array[]): Uint8Array {
  return new Uint8Array(parts.flatMap((part) => [...part]));
}

/** Runs with a data directory that holds `files`, and takes its path out of what is printed. */
async function withLogs(files: Record<string, Uint8Array>, args: string[], options: MemoryOptions = {}) {
  const dataDir = Deno.makeTempDirSync();
  try {
    Deno.mkdirSync(`${dataDir}/wal`);
    Deno.mkdirSync(`${dataDir}/archive`);
    for (const [path, bytes] of Object.entries(files)) Deno.writeFileSync(`${dataDir}/${path}`, bytes);
    const result = await runInMemory([
      ...args.map((arg) => arg.replace("DATA", dataDir)),
      `--data-dir=${dataDir}`,
    ], options);
    const hide = (text: string) => text.replaceAll(dataDir, "/data");
    return { ...result, stdout: hide(result.stdout), stderr: hide(result.stderr) };
  } finally {
    Deno.removeSync(dataDir, { recursive: true });
  }
}

const LOG = `wal/${EXECUTION.job_id}.wal`;

Deno.test("the screen of a log with pending and failed events is as expected, and without the token", async () => {
  const { stdout } = await withLogs({ [LOG]: richLog() }, ["wal", "inspect", EXECUTION.job_id]);
  assert.doesNotMatch(stdout, /SECRET/);
  assertScreen("inspect_pending.txt", stdout);
});

Deno.test("the table of records is as expected", async () => {
  const { stdout } = await withLogs({ [LOG]: richLog() }, ["wal", "inspect", EXECUTION.job_id, "--records"]);
  assertScreen("inspect_records.txt", stdout);
});

Deno.test("the screen of a damaged log is as expected, with colour on a terminal", async () => {
  const bytes = richLog();
  bytes[bytes.length - 20] ^= 1;
  const { stdout } = await withLogs({ [LOG]: bytes }, ["wal", "inspect", `DATA/${LOG}`], {
    isTerminal: true,
  });
  assertScreen("inspect_damaged_color.txt", stdout);
  const plain = await withLogs({ [LOG]: bytes }, ["wal", "inspect", `DATA/${LOG}`], {
    isTerminal: true,
    env: { NO_COLOR: "1" },
  });
  assert.ok(!plain.stdout.includes("\u001b"));
});

Deno.test("the screen of a file that is no log is as expected", async () => {
  const { stdout } = await runInMemory(["wal", "inspect", `${TESTDATA}bad_magic.wal`]);
  assertScreen("inspect_no_log.txt", stdout.replaceAll(TESTDATA, "/data/"));
});

Deno.test("the screen of verify is as expected", async () => {
  const files = ["job", "flip_in_second", "torn_tail", "bad_version"].map((name) => `${TESTDATA}${name}.wal`);
  const { stdout, exitCode } = await runInMemory(["wal", "verify", ...files]);
  assert.equal(exitCode, 3);
  assertScreen("verify.txt", stdout.replaceAll(TESTDATA, "/data/"));
});

Deno.test("inspect --json keeps 64-bit sequences exact and shows events only, with their effective status", async () => {
  const { stdout } = await withLogs({ [LOG]: richLog() }, ["wal", "inspect", EXECUTION.job_id, "--json"]);
  assert.ok(stdout.includes('"sequence":9007199254740993,'));
  const document = JSON.parse(stdout);
  assert.deepEqual(
    document.records.map((row: { status: string; event_type: string }) => [row.status, row.event_type]),
    [["sent", "PROCESS_START"], ["sent", "OUTPUT_BATCH"], ["failed", "OUTPUT_BATCH"], [
      "pending",
      "OUTPUT_BATCH",
    ], [
      "pending",
      "UNDECODABLE",
    ]],
  );
  assert.deepEqual([document.job_id, document.execution], [EXECUTION.job_id, 2]);
  assert.doesNotMatch(stdout, /SECRET/);
});

Deno.test("an event that a foreign writer logged twice is dumped once", async () => {
  const bytes = joined([
    encodeHeader(),
    record(1n, Status.PENDING, output(1n, "once\n")),
    record(2n, Status.PENDING, output(2n, "twice\n")),
    record(1n, Status.SENT, output(1n, "once\n")),
  ]);
  const { stdout, exitCode } = await withLogs({ "wal/a.wal": bytes }, ["wal", "dump", "a", "--raw"]);
  assert.deepEqual([stdout, exitCode], ["once\ntwice\n", 0]);
});

Deno.test("events that are not job events are missed aloud", async () => {
  const { stdout, stderr, exitCode } = await withLogs({ [LOG]: richLog() }, [
    "wal",
    "dump",
    EXECUTION.job_id,
    "--raw",
  ]);
  assert.equal(stdout, "first\nsecond\nthird\n");
  assert.equal(exitCode, 1);
  assert.match(stderr, /^Cannot decode 1 event of /);
});

Deno.test("of several executions the latest is meant, whatever the names, and the others are named", async () => {
  const log = (execution: number) =>
    joined([
      encodeHeader(),
      record(0n, Status.SENT, encodeExecution({ ...EXECUTION, job_id: "j", execution })),
    ]);
  const { stdout, stderr } = await withLogs(
    { "wal/j.wal": log(3), "wal/j.2.wal": log(1), "wal/other.wal": log(9) },
    ["wal", "inspect", "j", "--json"],
  );
  assert.equal(JSON.parse(stdout).path, "/data/wal/j.wal");
  assert.equal(stderr, "Also there: /data/wal/j.2.wal (execution 1, started 2026-01-01 00:30:00 UTC)\n");
});

Deno.test("a job without a log is told where it was looked for, and that a damaged one was set aside", async () => {
  const none = await withLogs({}, ["wal", "inspect", "j"]);
  assert.equal(none.exitCode, 1);
  assert.match(none.stderr, /^No log of job "j": there is none in \/data\/wal or \/data\/archive/);
  const quarantined = await withLogs({ "wal/j.wal.corrupt": new Uint8Array() }, ["wal", "inspect", "j"]);
  assert.match(quarantined.stderr, /set aside. Next: airunner wal recover \/data\/wal\/j\.wal\.corrupt/);
});
