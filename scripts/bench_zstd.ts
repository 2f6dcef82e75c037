/**
 * Archiving a log beside `zstd -3 -T1` of the same file, and the slowest append to another log meanwhile
 * beside the slowest without. The log's events, of 64 KiB each, are a build's output over and over: that in
 * the file which AIRUNNER_BENCH_LOG names, else lines such as make and a compiler print.
 *
 *     AIRUNNER_BENCH_LOG=build.log scripts/deno task bench zstd
 */
import { archiveLog } from "../src/archive/archiver.ts";
import { silentLogger } from "../src/platform/logging/logger.ts";
import { systemFiles } from "../src/platform/system_files.ts";
import { systemHost } from "../src/platform/system_host.ts";
import { logNames } from "../src/wal/file_names.ts";
import { encodeHeader, encodeRecord, Status } from "../src/wal/format.ts";
import { Log } from "../src/wal/log.ts";
import type { Row } from "./bench_table.ts";

const LOG_BYTES = 160 * 1024 * 1024;
const EVENT_BYTES = 64 * 1024;
const ROUNDS = 7;
const APPEND_BYTES = 2048;

export async function benchZstd(): Promise<Row[]> {
  const directory = Deno.makeTempDirSync();
  try {
    const logPath = `${directory}/job.wal`;
    const output = buildOutput();
    const ratios: number[] = [];
    const speeds: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      writeLog(logPath, output);
      const bytes = Deno.statSync(logPath).size;
      const zstdMs = await timed(() => runZstd(logPath, `${directory}/beside.zst`));
      const ourMs = await timed(() => archive(logPath, `${directory}/archive${round}`));
      ratios.push(zstdMs / ourMs);
      speeds.push(bytes / 1e3 / ourMs);
    }
    writeLog(logPath, output);
    const quiet = await slowestAppend(
      directory,
      "quiet",
      () => new Promise((done) => setTimeout(done, 1000)),
    );
    const beside = await slowestAppend(directory, "beside", () => archive(logPath, `${directory}/archive`));
    return [
      {
        name: "archive a build's log beside zstd -3 -T1: scan, compress, read back, compare",
        value: middle(speeds),
        unit: "MB/s",
        ratio: middle(ratios),
        target: 0.5,
      },
      { name: "slowest append without that", value: quiet, unit: "ms", lowerIsBetter: true },
      { name: "slowest append beside it", value: beside, unit: "ms", target: 20, lowerIsBetter: true },
    ];
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

async function timed(work: () => Promise<void>): Promise<number> {
  const startMs = performance.now();
  await work();
  return performance.now() - startMs;
}

function middle(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1];
}

async function archive(logPath: string, archiveDir: string): Promise<void> {
  const { nextTurn } = systemHost;
  await archiveLog({ files: systemFiles, nextTurn, logPath, archiveDir, level: 3, logger: silentLogger });
}

async function runZstd(source: string, target: string): Promise<void> {
  const { success } = await new Deno.Command("zstd", {
    args: ["-q", "-3", "-T1", "-f", source, "-o", target],
  })
    .output();
  if (!success) throw new Error("zstd failed");
}

/**
 * Appends one by one to a log of its own until `work` has ended; the longest that one of them took, in ms.
 */
async function slowestAppend(directory: string, name: string, work: () => Promise<void>): Promise<number> {
  const execution = {
    job_id: name,
    execution: 1,
    queue: "bench",
    server: "",
    worker: "bench",
    version: "0",
    started_at_ms: 0,
  };
  const log = await Log.create(directory, logNames(name), execution, systemHost);
  const payload = new Uint8Array(APPEND_BYTES).fill(0x61);
  let slowestMs = 0;
  let isDone = false;
  const working = work().finally(() => isDone = true);
  for (let sequence = 1n; !isDone; sequence++) {
    slowestMs = Math.max(slowestMs, await timed(() => log.append({ sequence, timestampMs: 0, payload })));
  }
  await working;
  await log.close();
  return slowestMs;
}

/** 8 MB, so that nothing that repeats lies within reach of the compression. */
function buildOutput(): Uint8Array {
  const path = Deno.env.get("AIRUNNER_BENCH_LOG");
  return path === undefined ? madeUpBuild(8e6) : Deno.readFileSync(path);
}

/** What make and a compiler print: long lines that are almost the last one again. */
function madeUpBuild(bytes: number): Uint8Array {
  let state = 1;
  const random = (below: number) => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) % below;
  const flags = "-Wall -Wextra -O2 -g -fPIC -std=c11 -I. -Iinclude -Ibuild/include -DNDEBUG -DHAVE_CONFIG_H";
  let text = "";
  while (text.length < bytes) {
    const unit = `module_${random(60)}/file_${random(4000)}`;
    text += `cc -c ${flags} -o build/${unit}.o src/${unit}.c\n`;
    if (random(12) === 0) {
      text += `src/${unit}.c:${random(3000)}:${random(90)}: warning: unused variable 'v${random(500)}'\n`;
    }
  }
  return new TextEncoder().encode(text);
}

function writeLog(path: string, output: Uint8Array): void {
  using file = Deno.openSync(path, { write: true, create: true, truncate: true });
  const write = (bytes: Uint8Array) => {
    for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
  };
  write(encodeHeader());
  let at = 0;
  for (let sequence = 1n, bytes = 0; bytes < LOG_BYTES; sequence++) {
    const payload = output.subarray(at, at + EVENT_BYTES);
    write(encodeRecord({ sequence, status: Status.SENT, timestampMs: sequence, payload }));
    bytes += payload.length;
    at = at + EVENT_BYTES >= output.length ? 0 : at + EVENT_BYTES;
  }
}
