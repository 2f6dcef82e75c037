/**
 * Durable appends beside a bare loop in C on the same disk: one by one, many outstanding in one log, and one
 * in each of many logs. What is compared takes turns in short rounds, and the middle ratio counts.
 *
 *     scripts/deno task bench appends
 */
import { middle } from "./bench_processes.ts";
import type { Row } from "./bench_table.ts";
import { encodeRecord, Status } from "../src/wal/format.ts";
import { logNames } from "../src/wal/file_names.ts";
import { Log } from "../src/wal/log.ts";
import { systemHost } from "../src/platform/system_host.ts";

const PAYLOAD = new Uint8Array(2048).fill(0x61);
const RECORD_BYTES = encodeRecord({ sequence: 1n, status: Status.PENDING, timestampMs: 0n, payload: PAYLOAD })
  .length;
const MANY = 64;
const ROUNDS = 9;
const ROUND_MS = 400;

/** Appends a second in a bare loop of this many threads with a file each. */
type BareLoop = (threads: number) => Promise<number>;

/** One caller, who appends until time is up; gives how often. */
class Appender {
  #sequence = 0n;
  constructor(readonly log: Log) {}

  async until(atMs: number): Promise<number> {
    let count = 0;
    for (; performance.now() < atMs; count++) {
      await this.log.append({ sequence: ++this.#sequence, timestampMs: 0, payload: PAYLOAD });
    }
    return count;
  }
}

async function perSecond(appenders: Appender[], callersEach: number): Promise<number> {
  const startMs = performance.now();
  const callers = appenders.flatMap((appender) => Array.from({ length: callersEach }, () => appender));
  const counts = await Promise.all(callers.map((appender) => appender.until(startMs + ROUND_MS)));
  return counts.reduce((sum, count) => sum + count, 0) * 1000 / (performance.now() - startMs);
}

/**
 * Compiled where there is a compiler, else the runtime's own files, which pay for a thread's answer each
 * time.
 */
async function openBareLoop(directory: string): Promise<{ name: string; loop: BareLoop }> {
  const program = `${directory}/append_loop`;
  const source = new URL("bench_append_loop.c", import.meta.url).pathname;
  const compiled = await new Deno.Command("cc", { args: ["-O2", "-pthread", "-o", program, source] }).output()
    .then(({ success }) => success, () => false);
  if (!compiled) return { name: "the runtime", loop: (threads) => runtimeLoop(directory, threads) };
  return {
    name: "C",
    async loop(threads) {
      const args = [directory, `${threads}`, `${RECORD_BYTES}`, `${ROUND_MS}`];
      const { success, stdout } = await new Deno.Command(program, { args }).output();
      if (!success) throw new Error("The bare loop failed");
      return Number(new TextDecoder().decode(stdout));
    },
  };
}

async function runtimeLoop(directory: string, files: number): Promise<number> {
  const record = new Uint8Array(RECORD_BYTES).fill(0x61);
  const startMs = performance.now();
  const counts = await Promise.all(Array.from({ length: files }, async (_, index) => {
    using file = await Deno.open(`${directory}/bare-${index}`, { create: true, append: true });
    let count = 0;
    for (; performance.now() - startMs < ROUND_MS; count++) {
      await file.write(record);
      await file.syncData();
    }
    return count;
  }));
  return counts.reduce((sum, count) => sum + count, 0) * 1000 / (performance.now() - startMs);
}

async function openLogs(directory: string, count: number): Promise<Appender[]> {
  const execution = {
    job_id: "bench",
    execution: 1,
    queue: "bench",
    server: "",
    worker: "bench",
    version: "0",
    started_at_ms: 0,
  };
  const appenders: Appender[] = [];
  for (let index = 0; index < count; index++) {
    appenders.push(
      new Appender(await Log.create(directory, logNames(`bench-${index}`), execution, systemHost)),
    );
  }
  return appenders;
}

export async function benchAppends(): Promise<Row[]> {
  const directory = Deno.makeTempDirSync({ prefix: "airunner-bench-" });
  try {
    const { name, loop } = await openBareLoop(directory);
    const logs = await openLogs(directory, MANY);
    const measured = { one: [] as number[], outstanding: [] as number[], logs: [] as number[] };
    const bare = { one: [] as number[], many: [] as number[] };
    for (let round = 0; round < ROUNDS; round++) {
      bare.one.push(await loop(1));
      measured.one.push(await perSecond(logs.slice(0, 1), 1));
      measured.outstanding.push(await perSecond(logs.slice(0, 1), MANY));
      bare.many.push(await loop(MANY));
      measured.logs.push(await perSecond(logs, 1));
    }
    for (const { log } of logs) await log.close();
    const row = (what: string, values: number[], beside: number[], target: number): Row => ({
      name: what,
      value: middle(values),
      unit: "/s",
      ratio: middle(values.map((value, round) => value / beside[round])),
      target,
    });
    return [
      { name: `bare loop (${name}), one file`, value: middle(bare.one), unit: "/s" },
      row("append 2 KB, one by one", measured.one, bare.one, 1),
      row(`append 2 KB, ${MANY} outstanding in one log`, measured.outstanding, bare.one, 40),
      { name: `bare loop (${name}), ${MANY} threads and files`, value: middle(bare.many), unit: "/s" },
      row(`append 2 KB, one in each of ${MANY} logs`, measured.logs, bare.many, 0.95),
    ];
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}
