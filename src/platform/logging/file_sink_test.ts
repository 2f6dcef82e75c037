import assert from "node:assert/strict";
import { formatTimedText } from "./format.ts";
import { lineFileSink } from "./file_sink.ts";
import { createEntryLogger, type Logger } from "./logger.ts";

class Bench {
  timeMs = 0;
  failure: Error | undefined;
  readonly inFile: string[] = [];
  readonly onConsole: string[] = [];
  readonly logger: Logger;

  constructor() {
    const append = (line: string) => {
      if (this.failure !== undefined) throw this.failure;
      this.inFile.push(line);
    };
    const sink = lineFileSink({
      file: { path: "/data/logs/worker.log", append },
      format: formatTimedText,
      console: (entry) => this.onConsole.push(formatTimedText(entry)),
      elapsedMs: () => this.timeMs,
    });
    this.logger = createEntryLogger("debug", sink, () => this.timeMs);
  }
}

Deno.test("a file that cannot be written is reported once, tried again, and says what it lacks", () => {
  const bench = new Bench();
  bench.logger.info("one");
  bench.failure = new Error("no space left on device");
  for (const timeMs of [1000, 2000, 5999, 6000, 10_999]) {
    bench.timeMs = timeMs;
    bench.logger.info("lost");
  }
  bench.failure = undefined;
  bench.logger.info("too early to try");
  bench.timeMs = 11_000;
  bench.logger.info("two");
  bench.logger.info("three");

  assert.deepEqual(bench.inFile, [
    "1970-01-01T00:00:00.000Z INF one",
    "1970-01-01T00:00:11.000Z WRN Lines are missing here: the log file could not be written count=6 " +
    'since=1970-01-01T00:00:01.000Z error="no space left on device"',
    "1970-01-01T00:00:11.000Z INF two",
    "1970-01-01T00:00:11.000Z INF three",
  ]);
  assert.deepEqual(bench.onConsole, [
    "1970-01-01T00:00:01.000Z WRN Cannot write the log file; its lines are on standard error only, and jobs go on as " +
    'before path=/data/logs/worker.log error="no space left on device"',
    "1970-01-01T00:00:11.000Z INF Log file is written again path=/data/logs/worker.log",
  ]);
});

Deno.test("a disk that has room for the report of a gap but not for more leaves no gap out", () => {
  const bench = new Bench();
  bench.failure = new Error("full");
  bench.logger.info("lost");
  bench.timeMs = 5000;
  bench.failure = undefined;
  const push = bench.inFile.push.bind(bench.inFile);
  bench.inFile.push = (line) => {
    bench.failure = new Error("full again");
    return push(line);
  };
  bench.logger.info("lost as well");
  bench.inFile.push = push;
  bench.failure = undefined;
  bench.timeMs = 10_000;
  bench.logger.info("written");
  assert.deepEqual(bench.inFile.map((line) => line.replace(/.* here/, "here")), [
    "here: the log file could not be written count=1 since=1970-01-01T00:00:00.000Z error=full",
    'here: the log file could not be written count=1 since=1970-01-01T00:00:05.000Z error="full again"',
    "1970-01-01T00:00:10.000Z INF written",
  ]);
  assert.equal(bench.onConsole.length, 2);
});
