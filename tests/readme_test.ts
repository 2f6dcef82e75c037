/**
 * Types what README's first use says, with the compiled binary, and looks for what the comments behind the
 * commands promise.
 */
import assert from "node:assert/strict";
import { BINARY, Program, Sandbox } from "./support/airunner.ts";
import { readDocument } from "./support/documents.ts";
import { parsePage } from "./support/markdown.ts";
import { within } from "./support/within.ts";

const SHELL = parsePage(readDocument("README.md")).fences.filter(({ language }) => language === "sh")
  .map(({ lines }) => lines.map((line) => line.replace(/ +#.*$/, "")).filter((line) => line !== ""));
const [TASKS, START, USE] = SHELL;

/** The commands of this file type these; a line that README gains needs its place here. */
const START_LINES = [
  "scripts/deno task compile",
  'export PATH="$PWD/dist:$PATH"',
  "airunner server &",
  "airunner worker --server=http://127.0.0.1:8080",
];

Deno.test("the tasks that README names are there", () => {
  const { tasks } = JSON.parse(readDocument("deno.json"));
  assert.equal(SHELL.length, 3);
  for (const line of [...TASKS, START_LINES[0]]) {
    const name = /^scripts\/deno task (\w+)$/.exec(line)?.[1];
    assert.ok(name !== undefined && name in tasks, line);
  }
  assert.deepEqual(START, START_LINES);
});

Deno.test("README's first use does what it says, line by line", async () => {
  await using sandbox = new Sandbox();
  await using user = new User(sandbox);
  const server = user.start(START[2].replace(/ &$/, ""));
  await within(server.waitFor(/Listening on http:\/\/127\.0\.0\.1:\d+/), () => server.stderr);
  const worker = user.start(START[3]);

  const [variable, submit, list, logs, raw, inspect, ...more] = USE;
  assert.deepEqual(more, [], "these lines of README are not typed here");
  assert.match(variable, /^export AIRUNNER_SERVER=/);
  const submitted = await user.type(`${variable}\n${submit}`);
  assert.equal(submitted.code, 3);
  const jobId = /^([0-9a-f-]{36})\nhello\n$/.exec(submitted.stdout)?.[1];
  assert.ok(jobId !== undefined, submitted.stdout);
  assert.match(submitted.stderr, /^oops$/m);

  const listed = await user.type(`${variable}\n${list}`);
  assert.match(listed.stdout, new RegExp(`${jobId} +failed`));
  const ofJob = (line: string) => `${variable}\n${line.replaceAll("JOB", jobId)}`;
  assert.equal((await user.type(ofJob(logs))).code, 3);
  assert.equal((await user.type(ofJob(raw))).code, 3);
  const output = Deno.readTextFileSync(`${sandbox.directory}/output`);
  assert.deepEqual(output.split("\n").sort(), ["", "hello", "oops"]);

  await within(worker.waitFor(/Log archived/), () => worker.stderr);
  const inspected = await user.type(ofJob(inspect));
  assert.equal(inspected.code, 0, inspected.stderr);
  assert.ok(inspected.stdout.includes(jobId));
  assert.equal((await worker.kill("SIGTERM")).code, 0);
  assert.equal((await server.kill("SIGTERM")).code, 0);
});

/** Types into a shell. The default ports may be taken, so other free ones stand for them. */
class User implements AsyncDisposable {
  readonly #started: Program[] = [];
  readonly #server = freeAddress();
  readonly #metrics = freeAddress();

  constructor(readonly sandbox: Sandbox) {}

  start(line: string): Program {
    const program = new Program(this.#shell(`exec ${line}`).spawn());
    this.#started.push(program);
    return program;
  }

  async type(line: string): Promise<{ code: number; stdout: string; stderr: string }> {
    const { code, stdout, stderr } = await within(this.#shell(line).output(), () => line);
    return { code, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const program of this.#started) await program.kill("SIGKILL");
  }

  #shell(line: string): Deno.Command {
    return new Deno.Command("sh", {
      args: ["-c", line.replaceAll("127.0.0.1:8080", this.#server)],
      cwd: this.sandbox.directory,
      clearEnv: true,
      env: {
        PATH: `${BINARY.slice(0, BINARY.lastIndexOf("/"))}:${Deno.env.get("PATH")}`,
        HOME: this.sandbox.directory,
        AIRUNNER_LISTEN: this.#server,
        AIRUNNER_METRICS_LISTEN: this.#metrics,
      },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    });
  }
}

/** An address that nobody listens at now; whoever takes it in between makes the test fail, not pass. */
function freeAddress(): string {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return `127.0.0.1:${listener.addr.port}`;
}
