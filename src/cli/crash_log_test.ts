import assert from "node:assert/strict";

const module = (path: string) => JSON.stringify(new URL(path, import.meta.url).href);

/** Runs a program whose log is guarded, in a process of its own because it has to end. */
async function crash(body: string): Promise<{ code: number; stdout: string; stderr: string }> {
  const program = `
    import { exitOnCrash } from ${module("./crash_log.ts")};
    import { onCrash } from ${module("../platform/own_process.ts")};
    import { createLogger, stderrSink } from ${module("../platform/logging/text_logger.ts")};
    const release = exitOnCrash({ onCrash }, createLogger("info", stderrSink));
    const tick = () => new Promise((resolve) => setTimeout(resolve, 0));
    ${body}
    await tick();
    await tick();
    console.log("alive");
  `;
  const path = Deno.makeTempFileSync({ suffix: ".ts" });
  try {
    Deno.writeTextFileSync(path, program);
    const args = ["run", "--no-config", "--no-check", path];
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), { args, env: { NO_COLOR: "1" } })
      .output();
    return { code, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
  } finally {
    Deno.removeSync(path);
  }
}

const SAFE = "so the program ends. What was stored is safe, and the next run goes on from there";

Deno.test("an error that nobody handles is the last line of the log, and the exit code is 1", async () => {
  const { code, stdout, stderr } = await crash(`setTimeout(() => { throw new TypeError("boom"); }, 0);`);
  assert.equal(code, 1);
  assert.equal(stdout, "");
  assert.ok(
    stderr.startsWith(`ERR Nobody handled an error, ${SAFE} error="TypeError: boom\\n    at `),
    stderr,
  );
  assert.equal(stderr.trimEnd().split("\n").length, 1);
});

Deno.test("a rejection that nobody handles is the last line of the log, whatever was thrown", async () => {
  for (const [thrown, shown] of [[`"boom"`, "boom"], ["Object.create(null)", "[unprintable]"], ["7n", "7"]]) {
    const { code, stdout, stderr } = await crash(`Promise.reject(${thrown});`);
    assert.equal(code, 1);
    assert.equal(stdout, "");
    assert.equal(stderr, `ERR Nobody handled a rejection, ${SAFE} error=${shown}\n`);
  }
});

Deno.test("once released, errors are the runtime's again", async () => {
  const { code, stderr } = await crash(`release(); Promise.reject(new Error("boom"));`);
  assert.equal(code, 1);
  assert.match(stderr, /^error: Uncaught \(in promise\) Error: boom/);
});

Deno.test("a server that crashes says so in its log file", async () => {
  const directory = Deno.makeTempDirSync();
  try {
    const args = ["server", "--listen=127.0.0.1:0", `--data-dir=${directory}`, "--log-file"];
    const program = `
      import { run } from ${module("./run.ts")};
      import { createSystemContext } from ${module("./terminal/system_context.ts")};
      const { context } = createSystemContext(${JSON.stringify(args)});
      // A mistake of ours, in the middle of everything.
      await run(context, (line) => line.includes("Server listening") && Promise.reject(new Error("boom")));
    `;
    Deno.writeTextFileSync(`${directory}/program.ts`, program);
    const config = new URL("../../deno.json", import.meta.url).pathname;
    const { code } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", `--config=${config}`, `${directory}/program.ts`],
    }).output();
    assert.equal(code, 1);
    const last = Deno.readTextFileSync(`${directory}/logs/server.log`).trimEnd().split("\n").at(-1);
    assert.match(last!, /^\S+Z ERR Nobody handled a rejection, .* error="Error: boom/);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});
