import assert from "node:assert/strict";
import {
  CannotSpawnError,
  jobEnvironment,
  type ProcessSpec,
  SpawnError,
  spawnFailure,
  spawnProcess,
} from "./pipe.ts";
import { systemProcesses } from "../../platform/system_processes.ts";
import type { ProcessExit } from "../../platform/processes.ts";

const PATH = Deno.env.get("PATH") ?? "/usr/bin:/bin";
const module = (path: string) => JSON.stringify(new URL(path, import.meta.url).href);
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

interface Ran extends ProcessExit {
  stdout: Uint8Array;
  stderr: Uint8Array;
}

async function run(command: string, args: string[] = [], rest: Partial<ProcessSpec> = {}): Promise<Ran> {
  const process = await spawnProcess(systemProcesses, {
    command,
    args,
    environment: { PATH },
    workingDirectory: "",
    ...rest,
  });
  const [stdout, stderr, exit] = await Promise.all([
    new Response(process.stdout).bytes(),
    new Response(process.stderr).bytes(),
    process.exited,
  ]);
  return { ...exit, stdout, stderr };
}

async function spawnError(
  command: string,
  args: string[] = [],
  rest: Partial<ProcessSpec> = {},
): Promise<SpawnError> {
  try {
    await run(command, args, rest);
  } catch (error) {
    assert.ok(error instanceof SpawnError, String(error));
    return error;
  }
  throw new Error(`${command} was expected not to start`);
}

Deno.test("process gives its exit code and keeps its streams apart, whatever bytes they hold", async () => {
  const script = String.raw`printf 'a\000\377\303'; printf 'b\200' >&2; printf '\251'; exit 42`;
  const { exitCode, signal, stdout, stderr } = await run("sh", ["-c", script]);
  assert.equal(exitCode, 42);
  assert.equal(signal, undefined);
  assert.deepEqual([...stdout], [0x61, 0, 0xff, 0xc3, 0xa9]);
  assert.deepEqual([...stderr], [0x62, 0x80]);
});

Deno.test("process killed by a signal ends with 128 and the signal's number", async () => {
  const { exitCode, signal } = await run("sh", ["-c", "kill -9 $$"]);
  assert.deepEqual({ exitCode, signal }, { exitCode: 137, signal: "SIGKILL" });
});

Deno.test("process gets its arguments as they are, with no shell in between", async () => {
  const { stdout } = await run("printf", ["%s|", "$HOME", "a  b", "*", "", "'\"", ";true"]);
  assert.equal(text(stdout), "$HOME|a  b|*||'\"|;true|");
});

Deno.test("process reads nothing from the worker's standard input", async () => {
  const { exitCode, stdout } = await run("cat");
  assert.equal(exitCode, 0);
  assert.equal(stdout.length, 0);
});

Deno.test("process sees exactly the environment it was given", async () => {
  const { stdout } = await run("env", [], { environment: { PATH, ONE: "1", LINES: "a\nb" } });
  assert.deepEqual(text(stdout).trim().split("\n").sort(), ["LINES=a", "ONE=1", `PATH=${PATH}`, "b"]);
});

Deno.test("a job's environment is the worker's without its own settings, then CI, the job's, and the job id", () => {
  const workers = {
    HOME: "/home/ci",
    LANG: "C",
    CI: "no",
    AIRUNNER_SERVER: "http://x",
    AIRUNNER_TOKEN: "secret",
    NOTIFY_SOCKET: "/run/systemd/notify",
  };
  assert.deepEqual(jobEnvironment(workers, { LANG: "de", AIRUNNER_EXTRA: "the job's own" }, "job-1"), {
    HOME: "/home/ci",
    LANG: "de",
    CI: "true",
    AIRUNNER_EXTRA: "the job's own",
    AIRUNNER_JOB_ID: "job-1",
  });
  assert.equal(jobEnvironment({}, { CI: "false" }, "job-1").CI, "false");
});

Deno.test("process runs in its working directory, and finds relative programs from there", async () => {
  const directory = Deno.realPathSync(Deno.makeTempDirSync());
  try {
    Deno.writeTextFileSync(`${directory}/where`, "#!/bin/sh\npwd\n", { mode: 0o755 });
    const { stdout } = await run("./where", [], { workingDirectory: directory });
    assert.equal(text(stdout), directory + "\n");
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});

Deno.test("a command that cannot be started says why, with the shell's exit codes", async () => {
  const notFound = await spawnError("no-such-program");
  assert.equal(notFound.exitCode, 127);
  assert.equal(notFound.message, 'Command not found: "no-such-program"');
  assert.match((await spawnError("echo hello")).message, /put arguments into args, or run sh with -c/);

  const denied = await spawnError("/etc/passwd");
  assert.equal(denied.exitCode, 126);
  assert.match(denied.message, /permission denied/);
  assert.equal((await spawnError("")).exitCode, 126);
  assert.equal((await spawnError("echo", ["a\0b"])).exitCode, 126);
  assert.match((await spawnError("echo", ["x".repeat(3_000_000)])).message, /Argument list too long/);
  const variable = await spawnError("env", [], { environment: { PATH, "A=B": "" } });
  assert.match(variable.message, /"A=B" cannot be set/);
});

Deno.test("a working directory that cannot be used is not mistaken for a missing command", async () => {
  const missing = await spawnError("sh", [], { workingDirectory: "/no/such/directory" });
  assert.equal(missing.exitCode, 126);
  assert.match(missing.message, /working directory "\/no\/such\/directory": it does not exist/);
  const file = await spawnError("sh", [], { workingDirectory: "/etc/passwd" });
  assert.match(file.message, /not a directory/);
});

Deno.test("a signal to the group reaches grandchildren, and none when all are gone", async () => {
  const process = await spawnProcess(systemProcesses, {
    command: "sh",
    args: ["-c", "sleep 1000 & echo $!; wait"],
    environment: { PATH },
    workingDirectory: "",
  });
  const reader = process.stdout.getReader();
  const grandchild = Number(text((await reader.read()).value!));
  process.signalGroup("SIGTERM");
  assert.deepEqual(await process.exited, { exitCode: 143, signal: "SIGTERM" });
  // The grandchild holds the other end: the pipe ends when it is gone.
  assert.ok((await reader.read()).done);
  assert.throws(() => Deno.statSync(`/proc/${grandchild}/cwd`));
  process.signalGroup("SIGKILL");
  await process.stderr.cancel();
});

Deno.test("a worker that has too many files open cannot start a process, and does not say that of the command", async () => {
  const script = `
    const { spawnProcess } = await import(${module("./pipe.ts")});
    const { systemProcesses } = await import(${module("../../platform/system_processes.ts")});
    const spec = { command: "true", args: [], environment: { PATH: ${
    JSON.stringify(PATH)
  } }, workingDirectory: "/" };
    const files = [];
    try { for (;;) files.push(Deno.openSync("/dev/null")); } catch { /* There are no more. */ }
    for (const command of ["true", "no-such-program"]) {
      try { await spawnProcess(systemProcesses, { ...spec, command }); } catch ({ name, message }) { console.log(name + ": " + message); }
    }
    for (const file of files) file.close();
    const { exited, stdout, stderr } = await spawnProcess(systemProcesses, spec);
    console.log((await exited).exitCode);
    await Promise.all([stdout.cancel(), stderr.cancel()]);`;
  const { stdout, stderr } = await new Deno.Command("sh", {
    args: ["-c", 'ulimit -n 64; exec "$0" eval --no-lock --ext=ts "$1"', Deno.execPath(), script],
  }).output();
  const [first, second, third] = text(stdout).split("\n");
  assert.match(
    first,
    /^CannotSpawnError: Cannot start processes: .*os error 24.*raise its limit/,
    text(stderr),
  );
  // Whether the command exists is seen all the same.
  assert.match(second, /^SpawnError: Command not found/);
  assert.equal(third, "0");
});

Deno.test("only what the system says of the command is the command's fault", () => {
  const failure = (code: string | undefined) =>
    spawnFailure({ command: "sh", args: [] }, Object.assign(new Error("Failed to spawn 'sh'"), { code }));
  for (const code of ["EMFILE", "ENFILE", "ENOMEM", "EAGAIN", "EIO", "ESTALE", undefined]) {
    assert.ok(failure(code) instanceof CannotSpawnError, code);
  }
  for (const code of ["ENOENT", "EACCES", "ENOEXEC", "ENOTDIR", "ELOOP", "E2BIG"]) {
    assert.ok(failure(code) instanceof SpawnError, code);
  }
});
