/**
 * Types what `airunner help authentication` says, with the compiled binary, and holds the server to what it
 * promises of roles and of keys that are revoked.
 */
import assert from "node:assert/strict";
import { BINARY, Program, Sandbox } from "./support/airunner.ts";
import { AUTHENTICATION_TOPIC } from "../src/cli/help/authentication_topic.ts";
import { within } from "./support/within.ts";

/**
 * The lines to type, in their order; those of a server for a team, with names that nobody has here, left
 * out.
 */
const LINES = [...AUTHENTICATION_TOPIC.text.matchAll(/^ {5}((?:airunner|export) .*)$/gm)].map(([, line]) =>
  line
)
  .filter((line) => !line.includes("ci.example.com"));

/** A user in a home of its own, whose servers listen on a free port. */
class User implements AsyncDisposable {
  readonly #sandbox = new Sandbox();
  readonly #started: Program[] = [];
  readonly #port = freePort();
  readonly exports: string[] = [];

  async type(line: string, expected = 0): Promise<{ stdout: string; stderr: string }> {
    const output = await within(this.#shell(line).output(), () => line);
    const [stdout, stderr] = [output.stdout, output.stderr].map((bytes) => new TextDecoder().decode(bytes));
    assert.equal(output.code, expected, `${line}\n${stdout}${stderr}`);
    return { stdout, stderr };
  }

  start(line: string): Program {
    const program = new Program(this.#shell(`exec ${line}`).spawn());
    this.#started.push(program);
    return program;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const program of this.#started) await program.kill("SIGKILL");
    await this.#sandbox[Symbol.asyncDispose]();
  }

  #shell(line: string): Deno.Command {
    return new Deno.Command("sh", {
      args: [
        "-c",
        [...this.exports, line].join("\n").replaceAll("localhost:8080", `localhost:${this.#port}`),
      ],
      cwd: this.#sandbox.directory,
      clearEnv: true,
      env: {
        PATH: `${BINARY.slice(0, BINARY.lastIndexOf("/"))}:${Deno.env.get("PATH")}`,
        HOME: this.#sandbox.directory,
        AIRUNNER_LISTEN: `127.0.0.1:${this.#port}`,
        AIRUNNER_METRICS_LISTEN: "off",
        AIRUNNER_RETRY_MAX_INTERVAL: "1s",
      },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    });
  }
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

Deno.test("help authentication leads from nothing to a server with TLS, keys and two roles", async () => {
  await using user = new User();
  const isProgram = (line: string) => /^airunner (server|worker)\b/.test(line);
  assert.equal(LINES.filter(isProgram).length, 2);
  const programs: Program[] = [];
  let last = "";
  for (const line of LINES) {
    if (line.startsWith("export")) user.exports.push(line);
    else if (!isProgram(line)) last = (await user.type(line)).stdout;
    else {
      const program = user.start(line);
      programs.push(program);
      const started = line.includes("server") ? /Listening on https:/ : /Worker started/;
      await within(program.waitFor(started), () => program.stderr);
    }
  }
  assert.match(last, /^[0-9a-f-]{36}\nhello\n$/);

  const [server, worker] = programs;
  const mays = (await user.type("airunner keys list --authorized-keys=keys")).stdout;
  assert.match(mays, /^builder +\S+ +run$/m);
  assert.match(mays, /^ci +\S+ +submit$/m);
  const denied = await user.type("airunner submit --credential=builder -- true", 4);
  assert.match(
    denied.stderr,
    /Not allowed: the key "builder" has the role run on this server, and EnqueueJob/,
  );
  assert.match(denied.stderr, /`airunner help authentication`/);

  // A reader of a job that does not end, and the worker that waits for the next: both are let in now.
  const { stdout } = await user.type("airunner submit --credential=ci --queue=nobody -- true");
  const reader = user.start(`airunner logs --credential=ci ${stdout.trim()}`);
  await user.type("airunner list --credential=ci");
  const seen = worker.stderr.length;
  await user.type("airunner keys revoke ci --authorized-keys=keys");
  await user.type("airunner keys revoke builder --authorized-keys=keys");
  const ended = await within(reader.end(), () => `the reader: ${reader.stderr}`);
  assert.equal(ended.code, 4, ended.stderr);
  assert.match(ended.stderr, /the key was revoked on this server|is not authorized on this server/);
  await within(worker.waitFor(/the key was revoked|is not authorized/, seen), () => worker.stderr);
  assert.match((await user.type("airunner list --credential=ci", 4)).stderr, /not authorized on this server/);
  assert.match(server.stderr, /Ended a call whose key may no longer make it/);
});
