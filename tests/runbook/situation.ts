/**
 * What the scenarios of the walk have in common: jobs that ran and jobs that are stranded, and the comparison
 * that each ends with.
 */
import assert from "node:assert/strict";
import type { Program } from "../support/airunner.ts";
import type { Operator } from "../support/operator.ts";
import { submitScript } from "../support/submit.ts";

export interface RealJob {
  readonly jobId: string;
  /** The bytes that the job wrote, both streams in their order. */
  readonly output: string;
  readonly exitCode: number;
}

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

export const QUICK_OUTPUT = "compiling\nlinking\nall tests passed\n";

/** A job that prints three lines and ends. */
export async function submitQuick(operator: Operator, url: string): Promise<RealJob> {
  const script = "printf 'compiling\\nlinking\\nall tests passed\\n'; exit 3";
  return { jobId: await submitScript(operator, url, script), output: QUICK_OUTPUT, exitCode: 3 };
}

/** A worker that ends when the queue is empty and everything is delivered. */
export async function runQueue(operator: Operator, url: string): Promise<void> {
  const { code, stderr } = await operator.run([
    "worker",
    `--server=${url}`,
    "--once",
    "--metrics-listen=off",
  ]);
  assert.equal(code, 0, stderr);
}

export function startWorker(operator: Operator, url: string, ...more: string[]): Program {
  return operator.start([
    "worker",
    `--server=${url}`,
    "--log-level=debug",
    `--metrics-listen=${operator.metricsAddress}`,
    ...more,
  ]);
}

export interface Stranded extends RealJob {
  readonly worker: Program;
  /** The server is gone, and this is where it was. */
  readonly url: string;
  readonly port: number;
}

/**
 * A job that ended while its server was away: the worker has its last events and cannot get them through. It
 * still runs, and tries.
 */
export async function strand(operator: Operator): Promise<Stranded> {
  const { program: server, url, port } = await operator.startServer();
  const go = `${operator.directory}/go`;
  const script = `echo before; while [ ! -e ${go} ]; do sleep 0.05; done; echo after; exit 4`;
  const jobId = await submitScript(operator, url, script);
  const worker = startWorker(operator, url, "--retry-max-interval=1s");
  await worker.waitFor(/Successfully sent records/);
  await server.kill("SIGKILL");
  Deno.writeTextFileSync(go, "");
  await worker.waitFor(/Failed to send events - retrying/);
  await worker.waitFor(/Job ended/);
  return { jobId, output: "before\nafter\n", exitCode: 4, worker, url, port };
}

/** What the program exists for. */
export async function assertBytes(
  operator: Operator,
  url: string,
  { jobId, output, exitCode }: RealJob,
): Promise<void> {
  const logs = await operator.run(["logs", jobId, "--raw", `--server=${url}`]);
  assert.deepEqual([text(logs.stdout), logs.code], [output, exitCode]);
}

export function namesIn(directory: string): string[] {
  return [...Deno.readDirSync(directory)].map(({ name }) => name).filter((name) => !name.startsWith("."))
    .sort();
}

/** As assert.match, but shows all of the screen when it is another. */
export function sees(screen: string, pattern: RegExp): void {
  assert.ok(pattern.test(screen), `Expected ${pattern} on this screen:\n${screen}`);
}
