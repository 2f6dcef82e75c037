import "../../../../tests/support/loaded_zstd.ts";
import assert from "node:assert/strict";
import { StreamType } from "../../../events/event.ts";
import {
  assertScreen,
  LogBuilder,
  STARTED_MS,
  TestData,
  TOKEN,
} from "../../../../tests/support/data_directory.ts";

const encoder = new TextEncoder();

/** Sequences 1 to 7: start, three outputs, a clone, what is no event, end. */
function log(): Uint8Array<ArrayBuffer> {
  return new LogBuilder("job")
    .start()
    .output("compiling\n")
    .acknowledge()
    .batch([
      [encoder.encode("half of a li"), StreamType.STDOUT],
      [encoder.encode("warn \u001b[31mred\u001b[0m\u0007\n"), StreamType.STDERR],
      [encoder.encode("ne: panic!\r\n"), StreamType.STDOUT],
    ])
    .fail()
    .output(new Uint8Array([0x63, 0x61, 0x66, 0xc3, 0xa9, 0xff, 0x0a]))
    .event({ case: "gitCloneStart", value: { repository: "https://bot:hunter2@example.com/a.git" } })
    .undecodable()
    .end(2)
    .bytes();
}

async function inspect(...args: string[]) {
  using data = new TestData({ "wal/job.wal": log() });
  return await data.run(["wal", "inspect", "job", ...args]);
}

async function sequences(...args: string[]): Promise<string> {
  const { stdout, stderr } = await inspect("--json", ...args);
  assert.equal(stderr, "");
  const { records, pending, sent, failed } = JSON.parse(stdout);
  assert.deepEqual([pending, sent, failed], [4, 2, 1], "totals are the log's, whatever is filtered");
  return records.map(({ sequence }: { sequence: number }) => sequence).join(" ");
}

Deno.test("filters narrow down the records and nothing else", async () => {
  const at = (sequence: number) => new Date(STARTED_MS + sequence * 1000).toISOString();
  const cases: [args: string[], expected: string][] = [
    [[], "1 2 3 4 5 6 7"],
    [["--status=failed"], "3"],
    [["--status=sent,Failed"], "1 2 3"],
    [["--type=OUTPUT_BATCH"], "2 3 4"],
    [["--type=process-end,undecodable"], "6 7"],
    [["--type=UNKNOWN_99"], ""],
    [["--seq=2..4"], "2 3 4"],
    [["--seq=6.."], "6 7"],
    [["--seq=..2"], "1 2"],
    [["--seq=5"], "5"],
    [[`--since=${at(6)}`], "6 7"],
    [[`--until=${at(2)}`], "1 2"],
    [["--since=29m55s", `--until=${at(6).replace("T", " ").replace("Z", " UTC")}`], "5 6"],
    [["--grep=half of a line"], "3"],
    [["--grep=^warn"], "3"],
    [["--grep=café"], "4"],
    [["--grep=example"], "5"],
    [["--grep=hunter2"], ""],
    [["--limit=2"], "1 2"],
    [["--limit=0"], ""],
    [["--type=OUTPUT_BATCH", "--status=pending", "--limit=1"], "4"],
  ];
  for (const [args, expected] of cases) assert.equal(await sequences(...args), expected, args.join(" "));
});

Deno.test("the table of filtered records says how many of how many there are", async () => {
  const { stdout, stderr } = await inspect("--status=failed");
  assert.equal(stdout.split("\n").length, 3);
  assert.match(stdout, /3 {2}failed/);
  assert.equal(stderr, "1 event of 7\n");
});

Deno.test("payloads are shown when they are asked for, with control characters visible and no secret", async () => {
  const hidden = await inspect("--records");
  assert.doesNotMatch(hidden.stdout, /compiling|panic/);
  for (const isTerminal of [false, true]) {
    using data = new TestData({ "wal/job.wal": log() });
    const options = { isTerminal, env: { NO_COLOR: "1" } };
    const { stdout } = await data.run(["wal", "inspect", "job", "--payload"], options);
    assert.ok(!stdout.includes("\u001b") && !stdout.includes("\u0007"));
    assert.doesNotMatch(stdout, new RegExp(`hunter2|${TOKEN}`));
    assertScreen("inspect_payload.txt", stdout);
  }
});

Deno.test("the JSON form has the decoded events when they are asked for", async () => {
  const { stdout } = await inspect("--json", "--payload");
  const { records } = JSON.parse(stdout);
  assert.deepEqual(Object.keys(records[0]).at(-1), "event");
  assert.deepEqual(records[0].event.processStart, { pid: 7 });
  assert.equal(records[4].event.gitCloneStart.repository, "https://***@example.com/a.git");
  assert.equal(records[5].event, null);
  assert.doesNotMatch(stdout, new RegExp(`hunter2|${TOKEN}`));
});

Deno.test("what is not understood is told with what would be", async () => {
  const cases: [arg: string, message: RegExp][] = [
    ["--status=pendin", /^Cannot read --status: "pendin" is none; did you mean pending\?/],
    ["--type=OUTPUT_BATSH", /did you mean OUTPUT_BATCH\?/],
    [
      "--seq=20..10",
      /^Cannot read --seq: expected sequences such as 10\.\.20, 10\.\., \.\.20 or 10, found "20\.\.10"/,
    ],
    ["--seq=..", /^Cannot read --seq/],
    ["--since=yesterday", /^Cannot read --since: expected a time such as/],
    ["--grep=(", /^Cannot read --grep: no regular expression/],
    ["--limit=-1", /^Cannot read --limit: expected a whole number/],
  ];
  for (const [arg, message] of cases) {
    const { exitCode, stderr } = await inspect(arg);
    assert.equal(exitCode, 2, arg);
    assert.match(stderr, message);
  }
});

Deno.test("standard input and statuses cannot be followed, and an archive says that nothing is added", async () => {
  using data = new TestData({ "wal/job.wal": new LogBuilder("job").start().end().acknowledge().bytes() });
  const stdin = await data.run(["wal", "inspect", "-", "--follow"]);
  assert.deepEqual([stdin.exitCode, stdin.stderr.split(":")[0]], [2, "Cannot follow standard input"]);
  const status = await data.run(["wal", "inspect", "job", "--follow", "--status=failed"]);
  assert.equal(status.exitCode, 2);
  await data.archive("wal/job.wal");
  const archived = await data.run(["wal", "inspect", "job", "--follow"]);
  assert.equal(archived.exitCode, 0);
  assert.match(archived.stdout, /PROCESS_START\n.*PROCESS_END\n/);
  assert.equal(archived.stderr, "/data/archive/job.wal.zst is an archive: nothing is added to it\n");
});
