/**
 * How long output takes from a job's `print` to a reader of `submit --follow` on the same machine, and how
 * long a job that does nothing takes from `submit` to its exit code.
 *
 *     scripts/deno task bench latency
 */
import type { Row } from "./bench_table.ts";
import { type MeasuredWorker, middle, percentile, startMeasuredWorker } from "./bench_processes.ts";

/** Lines a second, and how many of them are measured. */
const RATES = [[3, 60], [30, 300], [3000, 15_000]] as const;
const TARGETS = { p50: 30, p99: 150 };
const TRUE_TARGET_MS = 90;
const TRUE_ROUNDS = 15;

/**
 * A job that prints the time, in milliseconds, so many times a second. It has a pause before it, so that the
 * reader is there when it begins.
 */
async function print(perSecond: number, count: number): Promise<void> {
  const encoder = new TextEncoder();
  const now = () => performance.timeOrigin + performance.now();
  await new Promise((resolve) => setTimeout(resolve, 1000));
  const startMs = now();
  for (let line = 0; line < count;) {
    const dueMs = startMs + line * 1000 / perSecond;
    const waitMs = dueMs - now();
    if (waitMs > 1) await new Promise((resolve) => setTimeout(resolve, waitMs));
    Deno.stdout.writeSync(encoder.encode(`${now().toFixed(3)}\n`));
    line++;
  }
}

/** What the kernel alone needs: the same job's lines through one pipe. */
async function throughPipe(perSecond: number, count: number): Promise<number[]> {
  return await ages(new Deno.Command(Deno.execPath(), { args: printer(perSecond, count), stdout: "piped" }));
}

function throughAirunner({ sandbox, url }: MeasuredWorker, perSecond: number, count: number) {
  const command = [Deno.execPath(), ...printer(perSecond, count)];
  return ages(
    new Deno.Command(sandbox.binary, {
      args: ["submit", "--follow", `--server=${url}`, "--", ...command],
      env: { AIRUNNER_DATA_DIR: sandbox.dataDir, HOME: sandbox.directory },
      stdout: "piped",
    }),
  );
}

function printer(perSecond: number, count: number): string[] {
  return ["run", "--quiet", "-A", import.meta.filename!, "--print", `${perSecond}`, `${count}`];
}

/** The age of each line when it arrives. */
async function ages(command: Deno.Command): Promise<number[]> {
  const child = command.spawn();
  const found: number[] = [];
  let rest = "";
  for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
    const nowMs = performance.timeOrigin + performance.now();
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    for (const line of lines) if (/^\d+\.\d+$/.test(line)) found.push(nowMs - Number(line));
  }
  if (!(await child.status).success) throw new Error("The job whose output was to be measured failed");
  return found;
}

async function benchRate(measured: MeasuredWorker, perSecond: number, count: number): Promise<Row[]> {
  const bare = await throughPipe(perSecond, count);
  const found = await throughAirunner(measured, perSecond, count);
  if (found.length !== count) throw new Error(`Only ${found.length} of ${count} lines arrived`);
  const rows: Row[] = [{
    name: `${perSecond} lines/s, a pipe alone, p50`,
    value: percentile(bare, 0.5),
    unit: "ms",
  }];
  for (const [name, part] of [["p50", 0.5], ["p99", 0.99], ["worst", 1]] as const) {
    rows.push({
      name: `${perSecond} lines/s, print to reader, ${name}`,
      value: percentile(found, part),
      unit: "ms",
      target: perSecond === 3 && name !== "worst" ? TARGETS[name] : undefined,
      lowerIsBetter: true,
    });
  }
  return rows;
}

/** `submit --follow -- true`, beside the start of the program alone. */
async function benchTrue({ sandbox, url }: MeasuredWorker): Promise<Row[]> {
  const timed = async (args: string[]) => {
    const startMs = performance.now();
    const { code, stderr } = await sandbox.run(args);
    if (code !== 0) throw new Error(stderr);
    return performance.now() - startMs;
  };
  const version: number[] = [];
  const job: number[] = [];
  for (let round = 0; round < TRUE_ROUNDS; round++) {
    version.push(await timed(["--version"]));
    job.push(await timed(["submit", "--follow", `--server=${url}`, "--", "true"]));
  }
  return [
    { name: "--version", value: middle(version), unit: "ms" },
    {
      name: "a job of true, submit to exit code",
      value: middle(job),
      unit: "ms",
      ratio: middle(job.map((value, round) => value / version[round])),
    },
    {
      name: "the same, the best",
      value: Math.min(...job),
      unit: "ms",
      target: TRUE_TARGET_MS,
      lowerIsBetter: true,
    },
  ];
}

export async function benchLatency(): Promise<Row[]> {
  await using measured = await startMeasuredWorker(1);
  const rows = await benchTrue(measured);
  for (const [perSecond, count] of RATES) rows.push(...await benchRate(measured, perSecond, count));
  return rows;
}

if (import.meta.main && Deno.args[0] === "--print") await print(Number(Deno.args[1]), Number(Deno.args[2]));
