import assert from "node:assert/strict";

const module = (path: string) => JSON.stringify(new URL(path, import.meta.url).href);

/** Runs a program whose log is guarded, in a process of its own because it has to end. */
async function crash(body: string): Promise<{ code: number; stdout: string; stderr: string }> {
  const program = `
    import { exitOnCrash } from ${module("./crash_log.ts")};
    import { createLogger, stderrSink } from ${module("../platform/logger.ts")};
    const release = exitOnCrash(createLogger("info", stderrSink));
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
