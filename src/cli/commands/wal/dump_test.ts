import assert from "node:assert/strict";
import { fromJson } from "@bufbuild/protobuf";
import { encodeEvent, StreamType } from "../../../events/event.ts";
import { JobEventSchema } from "../../../events/gen/job/v1/job_pb.ts";
import { Scanner } from "../../../wal/scanner.ts";
import { assertScreen, LogBuilder, TestData, TOKEN } from "../../../../tests/support/data_directory.ts";

const encoder = new TextEncoder();

function builder(): LogBuilder {
  return new LogBuilder("job")
    .start()
    .output("first\nsecond, caf")
    .output("oops \u001b[2J\n", StreamType.STDERR)
    .batch([[new Uint8Array([0xc3]), StreamType.STDOUT], [
      new Uint8Array([0xa9, 0x0d, 0x0a]),
      StreamType.STDOUT,
    ]])
    .output("\u001b[32mgreen\u001b[0m 10%\r20%\n")
    .acknowledge(3n)
    .output("no line end")
    .end();
}

async function dump(args: string[], bytes = builder().bytes(), options = {}) {
  using data = new TestData({ "wal/job.wal": bytes });
  return await data.run(["wal", "dump", "job", ...args], options);
}

Deno.test("text has one line for each of the output's, with the time of its first byte and its stream", async () => {
  const { stdout, exitCode, stderr } = await dump(["--text"]);
  assert.deepEqual([exitCode, stderr], [0, ""]);
  assertScreen("dump_text.txt", stdout);
});

Deno.test("on a terminal the job's colours pass, and end with their line", async () => {
  const { stdout } = await dump(["--text"], undefined, { isTerminal: true });
  assertScreen("dump_text_color.txt", stdout);
  assert.ok(!stdout.includes("\u001b[2J") && !stdout.includes("\r"));
});

Deno.test("a stream and a range of sequences can be chosen, in every form", async () => {
  assert.equal((await dump(["--raw", "--stream=stderr"])).stdout, "oops \u001b[2J\n");
  assert.equal((await dump(["--raw", "--seq=2..3", "--stream=stdout"])).stdout, "first\nsecond, caf");
  assert.match((await dump(["--text", "--seq=6.."])).stdout, /^\S+ \S+ UTC {2}stdout {2}no line end\n$/);
  const lines = (await dump(["--json", "--stream=stderr"])).stdout.trimEnd().split("\n");
  assert.equal(lines.length, 1);
  assert.deepEqual(JSON.parse(lines[0]).event.outputBatch.outputs.length, 1);
});

Deno.test("every event is a line of JSON from which its bytes can be had back", async () => {
  const bytes = builder().undecodable().bytes();
  const { stdout, exitCode } = await dump(["--json"], bytes);
  assert.equal(exitCode, 0);
  assert.doesNotMatch(stdout, new RegExp(TOKEN));
  const lines = stdout.trimEnd().split("\n").map((line) => JSON.parse(line));
  assert.deepEqual(lines.map(({ sequence, status }) => `${sequence} ${status}`), [
    "1 sent",
    "2 sent",
    "3 sent",
    "4 pending",
    "5 pending",
    "6 pending",
    "7 pending",
    "8 pending",
  ]);
  const records = new Map(new Scanner().push(bytes).map((record) => [record.offset, record]));
  for (const { schema_version, offset, length, event, payload_base64 } of lines) {
    const record = records.get(offset)!;
    assert.deepEqual([schema_version, length], [1, record.length]);
    const payload = event === null
      ? Uint8Array.from(atob(payload_base64), (character) => character.charCodeAt(0))
      : encodeEvent(fromJson(JobEventSchema, event));
    assert.deepEqual(payload, record.payload.slice());
  }
});

Deno.test("one form has to be chosen, and only one", async () => {
  for (const args of [[], ["--raw", "--text"], ["--json", "--raw"]]) {
    const { exitCode, stderr } = await dump(args);
    assert.equal(exitCode, 2);
    assert.match(stderr, /^Cannot dump in (no|more than one) form: add --raw/);
  }
  assert.match((await dump(["--raw", "--stream=stdin"])).stderr, /^Cannot read --stream: "stdin" is none/);
});

Deno.test("what lies before damage is dumped, and the next command is named", async () => {
  const bytes = new LogBuilder("job").output("before\n").output("damaged\n").output("after\n").flipped(2);
  for (const form of ["--text", "--json"]) {
    const { stdout, stderr, exitCode } = await dump([form], bytes);
    assert.equal(stdout.trimEnd().split("\n").length, 1);
    assert.equal(exitCode, 1);
    assert.match(
      stderr,
      /crc_mismatch.*\n?.*log was not changed\.\nNext: airunner wal verify \/data\/wal\/job\.wal\n$/,
    );
  }
});

Deno.test("an endless line does not fill the memory", async () => {
  const piece = encoder.encode("x".repeat(50_000));
  const log = new LogBuilder("job");
  for (let at = 0; at < 10; at++) log.output(piece);
  const { stdout } = await dump(["--text"], log.bytes());
  assert.equal(stdout.replace(/^\S+ \S+ UTC {2}stdout {2}/gm, "").replaceAll("\n", "").length, 500_000);
});
