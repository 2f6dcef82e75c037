/**
 * How long the program takes to start, beside the least that `deno compile` can start: a program that prints
 * one word. All take turns, and each ratio is between neighbours.
 *
 *     scripts/deno task bench start
 */
import type { Row } from "./bench_table.ts";

const ROOT = new URL("..", import.meta.url).pathname;
const BINARY = `${ROOT}dist/airunner`;
const ROUNDS = 25;

export async function benchStart(): Promise<Row[]> {
  const directory = Deno.makeTempDirSync();
  try {
    const least = await compileLeast(directory);
    const commands: { name: string; line: string[]; target?: number }[] = [
      { name: "the least program", line: [least] },
      { name: "airunner --version", line: [BINARY, "--version"], target: 1.8 },
      { name: "airunner submit --help", line: [BINARY, "submit", "--help"] },
      // The discard port of this machine, where nobody listens: all of the client is loaded, and refused.
      {
        name: "airunner submit, refused",
        line: [BINARY, "submit", "--server=http://127.0.0.1:9", "--", "true"],
      },
      { name: "airunner wal verify, one small log", line: [BINARY, "wal", "verify", writeLog(directory)] },
    ];
    const times = commands.map(() => [] as number[]);
    for (let round = 0; round < ROUNDS; round++) {
      for (const [i, { line }] of commands.entries()) times[i].push(await runMs(line, directory));
    }
    return commands.map(({ name, target }, i) => ({
      name,
      value: middle(times[i]),
      unit: "ms",
      ratio: middle(times[i].map((ms, round) => ms / times[0][round])),
      target,
      lowerIsBetter: true,
    }));
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

async function compileLeast(directory: string): Promise<string> {
  Deno.writeTextFileSync(`${directory}/least.js`, 'console.log("0.1.0");\n');
  Deno.writeTextFileSync(`${directory}/deno.json`, "{}");
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["compile", "--quiet", "--no-check", "--no-code-cache", "--output=least", "least.js"],
    cwd: directory,
    env: { DENORT_BIN: `${ROOT}dist/.build/denort` },
  }).output();
  if (!success) throw new Error(`Cannot compile the least program: ${new TextDecoder().decode(stderr)}`);
  return `${directory}/least`;
}

function writeLog(directory: string): string {
  const path = `${directory}/small.wal`;
  // A header, and nothing behind it.
  Deno.writeFileSync(
    path,
    new Uint8Array([0x41, 0x52, 0x57, 0x41, 0x4c, 0x30, 0x30, 0x31, 1, 0, 0, 0, 0, 0, 0, 0]),
  );
  return path;
}

async function runMs([program, ...args]: string[], home: string): Promise<number> {
  const startMs = performance.now();
  await new Deno.Command(program, { args, env: { HOME: home }, stdout: "null", stderr: "null" }).spawn()
    .status;
  return performance.now() - startMs;
}

function middle(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1];
}
