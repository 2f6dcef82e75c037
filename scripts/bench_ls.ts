/**
 * How long an operator waits for `airunner wal ls` and `wal inspect`, with the compiled binary, its start
 * included: ten thousand logs, and one log of 2 GiB with the memory that it takes.
 *
 *     scripts/deno run -A scripts/bench_ls.ts
 */
import { formatRows, type Row } from "./bench_table.ts";
import { peakMemoryBytes, writeLargeLog, writeManyLogs } from "../tests/support/log_generator.ts";

const BINARY = new URL("../dist/airunner", import.meta.url).pathname;

const LOGS = 10_000;
const LARGE_BYTES = 2 * 1024 ** 3;
/** The most memory that a process has had is known only while it runs. */
const SAMPLE_MS = 20;

interface Run {
  seconds: number;
  peakBytes: number;
}

async function run(args: string[]): Promise<Run> {
  const startMs = performance.now();
  const child = new Deno.Command(BINARY, { args, stdout: "piped", stderr: "null" }).spawn();
  let peakBytes = 0;
  const timer = setInterval(() => {
    try {
      peakBytes = Math.max(peakBytes, peakMemoryBytes(child.pid));
    } catch (error) {
      // It has just ended; the samples before are the answer.
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }, SAMPLE_MS);
  for await (const _chunk of child.stdout);
  const { success } = await child.status;
  clearInterval(timer);
  if (!success) throw new Error(`airunner ${args.join(" ")} failed`);
  return { seconds: (performance.now() - startMs) / 1000, peakBytes };
}

export async function benchLs(): Promise<Row[]> {
  const directory = Deno.makeTempDirSync({ prefix: "airunner-bench-" });
  try {
    Deno.mkdirSync(`${directory}/wal`);
    writeManyLogs(`${directory}/wal`, LOGS);
    const ls = ["wal", "ls", `--data-dir=${directory}`];
    const first = await run(ls);
    const again = await middleOf(5, ls);
    const json = await middleOf(5, [...ls, "--json"]);
    const large = `${directory}/large.wal`;
    writeLargeLog(large, LARGE_BYTES);
    const summary = await run(["wal", "inspect", large]);
    const records = await run(["wal", "inspect", large, "--json"]);
    const readers = await besideCat(large);
    return [
      { name: "wal ls, 10,000 logs, first time", value: first.seconds, unit: "s", lowerIsBetter: true },
      { name: "wal ls, 10,000 logs, again", value: again, unit: "s", target: 1, lowerIsBetter: true },
      { name: "wal ls --json, 10,000 logs, again", value: json, unit: "s", target: 1, lowerIsBetter: true },
      ...inspectRows("wal inspect, 2 GiB", summary),
      ...inspectRows("wal inspect --json, 2 GiB", records),
      ...readers,
    ];
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

/** The readers of one large log, beside `cat` of the same file: what the page cache and a pipe alone take. */
async function besideCat(large: string): Promise<Row[]> {
  const startMs = performance.now();
  const cat = new Deno.Command("cat", { args: [large], stdout: "piped" }).spawn();
  for await (const _chunk of cat.stdout);
  await cat.status;
  const catSeconds = (performance.now() - startMs) / 1000;
  const rows: Row[] = [{ name: "cat, 2 GiB", value: catSeconds, unit: "s", lowerIsBetter: true }];
  for (const line of [["wal", "verify"], ["wal", "inspect"], ["wal", "dump", "--raw"]]) {
    const { seconds } = await run([...line, large]);
    const name = `${line.join(" ")}, 2 GiB, beside cat`;
    rows.push({ name, value: seconds, unit: "s", ratio: seconds / catSeconds, lowerIsBetter: true });
  }
  return rows;
}

async function middleOf(times: number, args: string[]): Promise<number> {
  const seconds = [];
  for (let at = 0; at < times; at++) seconds.push((await run(args)).seconds);
  return seconds.sort((one, other) => one - other)[Math.floor(times / 2)];
}

function inspectRows(name: string, { seconds, peakBytes }: Run): Row[] {
  return [
    { name, value: seconds, unit: "s", lowerIsBetter: true },
    { name: `${name}, peak memory`, value: peakBytes / 1e6, unit: "MB", target: 150, lowerIsBetter: true },
  ];
}

if (import.meta.main) console.log(formatRows("ls", await benchLs()));
