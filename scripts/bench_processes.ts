/**
 * A server and a worker as they run in use, and what each of them takes of the machine: what the tables of
 * output and latency are measured on.
 */
import { type Program, Sandbox } from "../tests/support/airunner.ts";

/** Another binary than the one that was just compiled, so that two versions are measured by one tool. */
const BINARY = Deno.env.get("AIRUNNER_BENCH_BINARY");
/** What Linux counts processor time in (`getconf CLK_TCK`), on every architecture that it runs on. */
const TICKS_A_SECOND = 100;

export interface MeasuredWorker extends AsyncDisposable {
  readonly sandbox: Sandbox;
  readonly url: string;
  readonly server: Program;
  readonly worker: Program;
}

/** Starts both; they end, and their directory goes, when what is returned is disposed of. */
export async function startMeasuredWorker(concurrency: number): Promise<MeasuredWorker> {
  const sandbox = new Sandbox(BINARY);
  const { url, program: server } = await sandbox.startServer();
  const worker = sandbox.start(["worker", `--server=${url}`, `--concurrency=${concurrency}`]);
  await worker.waitFor(/Worker started/);
  return { sandbox, url, server, worker, [Symbol.asyncDispose]: () => sandbox[Symbol.asyncDispose]() };
}

/** Submits a job of this command line, and resolves with its id. */
export async function submit({ sandbox, url }: MeasuredWorker, command: string[]): Promise<string> {
  const { code, stdout, stderr } = await sandbox.run(["submit", `--server=${url}`, "--", ...command]);
  if (code !== 0) throw new Error(stderr);
  return new TextDecoder().decode(stdout).trim();
}

/** Processor time of a process since its start, that of its children left out. */
export function processorSeconds(pid: number): number {
  const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  // utime and stime are the 14th and 15th field of all, of which two come before the closing parenthesis.
  return (Number(fields[11]) + Number(fields[12])) / TICKS_A_SECOND;
}

/** Resident memory of a process, now and the most that it ever was. */
export function residentMb(pid: number): { now: number; peak: number } {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  const of = (name: string) => Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(status)?.[1]) * 1024 / 1e6;
  return { now: of("VmRSS"), peak: of("VmHWM") };
}

/** The middle one; of an even number, the upper of the two. */
export function middle(values: readonly number[]): number {
  return percentile(values, 0.5);
}

/** The smallest value that is not below this part of all of them. */
export function percentile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))];
}
