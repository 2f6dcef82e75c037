/**
 * How fast a job's output goes from its pipe to the server's disk, what that costs in processor time and in
 * memory, beside what the same command takes into `cat > file` and a sync, in turns on the same disk.
 *
 *     scripts/deno task bench output memory
 */
import { type Row } from "./bench_table.ts";
import {
  type MeasuredWorker,
  middle,
  processorSeconds,
  residentMb,
  startMeasuredWorker,
  submit,
} from "./bench_processes.ts";

/** As the lines of a build: 98 characters and the line end. */
const LINE = "x".repeat(98);
const ONE_JOB_BYTES = 300e6;
const EIGHT_JOBS_BYTES = 40e6;
const GIB = 1024 ** 3;
/** The machine's other work comes and goes: what is compared takes turns, and the middle ratio counts. */
const ROUNDS = 3;
/** Enough for everything that is compiled once, as in a worker that has run for a while. */
const WARM_UP_BYTES = 30e6;
/**
 * How long a worker is left alone before it counts as idle: longer than its longest timer that frees memory.
 */
const IDLE_MS = 15_000;

/** The command whose output is measured. */
function printing(bytes: number): string[] {
  return ["sh", "-c", `yes ${LINE} | head -c ${bytes}`];
}

interface Run {
  mbPerSecond: number;
  workerSecondsPerGb: number;
  serverSecondsPerGb: number;
}

/** Runs jobs at once, from the first one's start until the server has completed the last. */
async function runJobs(measured: MeasuredWorker, jobs: number, bytes: number): Promise<Run> {
  const { worker, server } = measured;
  const from = worker.stderr.length;
  const before = [worker.pid, server.pid].map(processorSeconds);
  const started = worker.waitFor(/Job started/, from).then(() => performance.now());
  const completed = worker.waitFor(new RegExp(`(Job completed[^]*){${jobs}}`), from).then(() => ({
    atMs: performance.now(),
    seconds: [worker.pid, server.pid].map(processorSeconds),
  }));
  await Promise.all(Array.from({ length: jobs }, () => submit(measured, printing(bytes))));
  const [startedAtMs, { atMs, seconds }] = await Promise.all([started, completed]);
  // An archive is made of each log afterwards, which is measured by itself and must not run into the next.
  await worker.waitFor(new RegExp(`(Log archived[^]*){${jobs}}`), from);
  const gb = jobs * bytes / 1e9;
  return {
    mbPerSecond: 1e6 * gb / (atMs - startedAtMs),
    workerSecondsPerGb: (seconds[0] - before[0]) / gb,
    serverSecondsPerGb: (seconds[1] - before[1]) / gb,
  };
}

/** The same commands into files, each synced at its end. */
async function toFiles(directory: string, jobs: number, bytes: number): Promise<number> {
  const [program, option, script] = printing(bytes);
  const startMs = performance.now();
  const copies = Array.from({ length: jobs }, async (_, job) => {
    const path = `${directory}/copy-${job}`;
    const command = new Deno.Command(program, {
      args: [option, `{ ${script}; } | cat > '${path}' && sync -d '${path}'`],
    });
    if (!(await command.output()).success) throw new Error(`Cannot write ${path}`);
    return path;
  });
  const paths = await Promise.all(copies);
  const seconds = (performance.now() - startMs) / 1000;
  for (const path of paths) Deno.removeSync(path);
  return jobs * bytes / 1e6 / seconds;
}

async function benchThroughput(jobs: number, bytes: number): Promise<Row[]> {
  await using measured = await startMeasuredWorker(jobs);
  await runJobs(measured, jobs, WARM_UP_BYTES / jobs);
  const bare: number[] = [];
  const runs: Run[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    bare.push(await toFiles(measured.sandbox.directory, jobs, bytes));
    runs.push(await runJobs(measured, jobs, bytes));
  }
  const what = jobs === 1 ? "one job" : `${jobs} jobs at once`;
  const rates = runs.map((run) => run.mbPerSecond);
  return [
    { name: `${what}: cat > file; fsync`, value: middle(bare), unit: "MB/s" },
    {
      name: `${what}: pipe to the server's disk`,
      value: middle(rates),
      unit: "MB/s",
      ratio: middle(rates.map((rate, round) => rate / bare[round])),
    },
    ...(["worker", "server"] as const).map((who): Row => ({
      name: `${what}: processor time of the ${who}`,
      value: middle(runs.map((run) => run[`${who}SecondsPerGb`])),
      unit: "s/GB",
      target: who === "worker" ? 5 : 4,
      lowerIsBetter: true,
    })),
  ];
}

/** Output throughput of one job and of eight. */
export async function benchOutput(): Promise<Row[]> {
  return [
    ...await benchThroughput(1, ONE_JOB_BYTES),
    ...await benchThroughput(8, EIGHT_JOBS_BYTES),
  ];
}

/** Memory of the worker before, during and after a job of a GiB with the server beside it. */
export async function benchResident(): Promise<Row[]> {
  await using measured = await startMeasuredWorker(1);
  const { worker } = measured;
  await runJobs(measured, 1, WARM_UP_BYTES / 100);
  const before = residentMb(worker.pid).now;
  await runJobs(measured, 1, GIB);
  const { peak } = residentMb(worker.pid);
  await new Promise((resolve) => setTimeout(resolve, IDLE_MS));
  const after = residentMb(worker.pid).now;
  return [
    { name: "worker, idle after a small job", value: before, unit: "MB" },
    { name: "worker, most during 1 GiB", value: peak, unit: "MB", ratio: peak / before },
    {
      name: "worker, idle again after 1 GiB",
      value: after,
      unit: "MB",
      target: 90,
      lowerIsBetter: true,
    },
  ];
}
