/**
 * How fast logs are archived and archives are read, and how much memory that takes with a log far larger
 * than that.
 */
import { archiveLog } from "../src/archive/archiver.ts";
import { readLogBytes } from "../src/archive/log_bytes.ts";
import { silentLogger } from "../src/platform/logging/logger.ts";
import { encodeHeader, encodeRecord, Status } from "../src/wal/format.ts";
import type { Row } from "./bench_table.ts";
import { systemFiles } from "../src/platform/system_files.ts";

const LOG_BYTES = 300 * 1024 * 1024;
const EVENT_BYTES = 64 * 1024;
const GROWTH_BYTES_MAX = 96 * 1024 * 1024;

export async function benchArchive(): Promise<Row[]> {
  const directory = await Deno.makeTempDir();
  try {
    const logPath = `${directory}/bench.wal`;
    writeLog(logPath);
    const foreignPath = `${directory}/foreign.zst`;
    const hasForeign = await runZstd(logPath, foreignPath);
    const rows: Row[] = [];
    // Memory that was taken once is not given back soon, so it is measured over all of this and not step by
    // step.
    const memory = new MemoryWatch();
    try {
      rows.push(
        await speed("archive a log: scan, compress, read back, compare", async () => {
          await archiveLog({
            files: systemFiles,
            logPath,
            archiveDir: directory,
            level: 3,
            logger: silentLogger,
          });
        }),
      );
      rows.push(await speed("read our archive", () => readAll(`${logPath}.zst`)));
      if (hasForeign) rows.push(await speed("read one large frame made by zstd", () => readAll(foreignPath)));
    } finally {
      memory.stop();
    }
    const archiveBytes = (await Deno.stat(`${logPath}.zst`)).size;
    rows.push({
      name: "log to archive, level 3",
      value: Math.round(LOG_BYTES / archiveBytes * 10) / 10,
      unit: "times smaller",
    });
    rows.push({
      name: "memory growth over all this, with a log of 300 MiB",
      value: Math.round(memory.growthBytes / 1024 / 1024),
      unit: "MiB",
      target: GROWTH_BYTES_MAX / 1024 / 1024,
      lowerIsBetter: true,
    });
    return rows;
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

async function speed(name: string, body: () => Promise<void>): Promise<Row> {
  const start = performance.now();
  await body();
  return { name, value: Math.round(LOG_BYTES / 1000 / (performance.now() - start)), unit: "MB/s" };
}

async function readAll(path: string): Promise<void> {
  for await (const _ of await readLogBytes(systemFiles, path));
}

/** Samples resident memory until it is stopped. */
class MemoryWatch {
  readonly #before = Deno.memoryUsage().rss;
  #most = this.#before;
  readonly #timer = setInterval(() => this.#sample(), 10);

  #sample(): void {
    this.#most = Math.max(this.#most, Deno.memoryUsage().rss);
  }

  stop(): void {
    this.#sample();
    clearInterval(this.#timer);
  }

  get growthBytes(): number {
    return this.#most - this.#before;
  }
}

/** Lines such as compilers and test runners print, in events of 64 KiB. */
function writeLog(path: string): void {
  using file = Deno.openSync(path, { write: true, createNew: true });
  const write = (bytes: Uint8Array) => {
    for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
  };
  write(encodeHeader());
  let state = 1;
  const random = (below: number) => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) % below;
  const count = Math.ceil(LOG_BYTES / (EVENT_BYTES + 32));
  for (let sequence = 1; sequence <= count; sequence++) {
    let text = "";
    while (text.length < EVENT_BYTES) {
      text += `[${random(1e6)}] test ${random(5000)} of module ${random(40)} passed in ${
        random(10_000)
      } ms\n`;
    }
    const payload = new TextEncoder().encode(text.slice(0, EVENT_BYTES));
    write(
      encodeRecord({
        sequence: BigInt(sequence),
        status: Status.SENT,
        timestampMs: BigInt(sequence),
        payload,
      }),
    );
  }
}

/** False where the program is not installed: then that row is left out. */
async function runZstd(source: string, target: string): Promise<boolean> {
  try {
    return (await new Deno.Command("zstd", { args: ["-q", source, "-o", target] }).output()).success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
