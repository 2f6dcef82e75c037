/**
 * `airunner exec`: the compiled binary around real commands, with the disk and the terminal of whoever runs
 * them.
 */
import assert from "node:assert/strict";
import { BINARY, type RunResult, Sandbox } from "./support/airunner.ts";
import { SmallDisk } from "./support/small_disk.ts";
import { within } from "./support/within.ts";

const decoder = new TextDecoder();

/** Names of the logs that are there. */
function logs({ dataDir }: Sandbox): string[] {
  return [...Deno.readDirSync(`${dataDir}/wal`)].map(({ name }) => name).filter((name) =>
    name.endsWith(".wal")
  );
}

/** The bytes that the one log has of its command's output. */
async function recorded(sandbox: Sandbox): Promise<Uint8Array> {
  const [name, ...more] = logs(sandbox);
  assert.deepEqual(more, []);
  const { code, stdout, stderr } = await sandbox.run([
    "wal",
    "dump",
    "--raw",
    `${sandbox.dataDir}/wal/${name}`,
  ]);
  assert.equal(code, 0, stderr);
  return stdout;
}

const exec = (...words: string[]) => ["exec", "--quiet", "--", ...words];
const sh = (script: string) => exec("sh", "-c", script);

Deno.test("a command has our input, environment and directory, and its output is shown and recorded", async () => {
  await using sandbox = new Sandbox();
  const script =
    'cat; echo $VALUE $CI; pwd; echo $AIRUNNER_DATA_DIR; test -n "$AIRUNNER_JOB_ID"; echo err >&2; exit 7';
  const { code, stdout, stderr } = await sandbox.run(sh(script), {
    stdin: new TextEncoder().encode("input\n"),
    env: { VALUE: "of ours" },
  });
  const expected = `input\nof ours\n${sandbox.directory}\n${sandbox.dataDir}\n`;
  assert.deepEqual([code, decoder.decode(stdout), stderr], [7, expected, "err\n"]);
  // Two pipes have no order between them.
  const withoutError = decoder.decode(await recorded(sandbox)).replace("err\n", "");
  assert.equal(withoutError, expected);
});

Deno.test("it ends as the command does, and with 125 when it is itself to blame", async () => {
  await using sandbox = new Sandbox();
  const cases: [args: string[], code: number, stderr: RegExp][] = [
    [sh("exit 3"), 3, /^$/],
    [sh("exit 125"), 125, /^$/],
    [sh("kill -TERM $$"), 143, /^$/],
    [sh("kill -9 $$"), 137, /^$/],
    [exec("no-such-command"), 127, /Command not found: "no-such-command"/],
    [exec("/etc/passwd"), 126, /Cannot run "\/etc\/passwd": permission denied/],
    [["exec", "--"], 125, /No command is given/],
    [["exec", "--no-such-option", "--", "true"], 125, /no-such-option/],
    [["exec", "--label=airunner.x=1", "--", "true"], 125, /names that begin with airunner\. are ours/],
    [["exec", "--sync=never", "--", "true"], 125, /--sync/],
  ];
  for (const [args, code, stderr] of cases) {
    const result = await sandbox.run(args);
    assert.equal(result.code, code, `${args.join(" ")}\n${result.stderr}`);
    assert.match(result.stderr, stderr);
  }
});

Deno.test("signals are passed on, and the command decides what becomes of it", async () => {
  await using sandbox = new Sandbox();
  const traps = "trap 'echo hup >&2' HUP; trap 'echo usr >&2' USR1; trap 'echo term >&2; exit 9' TERM";
  const program = sandbox.start(sh(`${traps}; echo ready >&2; while :; do sleep 0.05; done`));
  await program.waitFor(/ready/);
  program.signal("SIGHUP");
  await program.waitFor(/hup/);
  program.signal("SIGUSR1");
  await program.waitFor(/usr/);
  program.signal("SIGTERM");
  assert.equal((await within(program.end(), () => "the end")).code, 9);
  const interrupted = sandbox.start(sh("echo ready >&2; exec sleep 100"));
  await interrupted.waitFor(/ready/);
  interrupted.signal("SIGINT");
  assert.equal((await within(interrupted.end(), () => "the end")).code, 130);
});

/** Runs a shell's script in which `$AIRUNNER` is the binary; what it writes to stdout. */
async function shell(sandbox: Sandbox, script: string): Promise<string> {
  const child = new Deno.Command("bash", {
    args: ["-c", script],
    cwd: sandbox.directory,
    env: { HOME: sandbox.directory, AIRUNNER_DATA_DIR: sandbox.dataDir, AIRUNNER: BINARY },
    stdin: "null",
    stderr: "inherit",
  }).output();
  return decoder.decode((await within(child, () => script, 240_000)).stdout);
}

Deno.test("much output, of any bytes, is the same on the screen and in the log", async () => {
  await using sandbox = new Sandbox();
  const block = Uint8Array.from({ length: 1_000_000 }, (_, at) => (at * 7919 + (at >> 8)) & 0xff);
  Deno.writeFileSync(`${sandbox.directory}/block`, block);
  // 300 MB, and a last line without an end.
  const command = `sh -c 'for i in $(seq 300); do cat block; done; printf end'`;
  const plain = await shell(sandbox, `${command} | cksum`);
  assert.equal(await shell(sandbox, `$AIRUNNER exec --quiet -- ${command} | cksum`), plain);
  assert.equal(await shell(sandbox, `$AIRUNNER wal dump --raw data/wal/*.wal | cksum`), plain);
});

Deno.test("a reader that goes away ends the command as it would without us, and what was read is recorded", async () => {
  await using sandbox = new Sandbox();
  const shown = await shell(sandbox, "$AIRUNNER exec --quiet -- yes | head -1; echo ${PIPESTATUS[0]}");
  assert.equal(shown, "y\n141\n");
  assert.match(decoder.decode((await recorded(sandbox)).subarray(0, 4)), /^y\ny\n$/);
});

Deno.test("a reader that begins when the command has long ended gets everything, and so has the log", async () => {
  await using sandbox = new Sandbox();
  const expected = await shell(sandbox, "seq 9000 > few; cksum < few");
  const hasEnded = "$AIRUNNER wal inspect data/wal/*.wal 2>/dev/null | grep -q 'ended with'";
  const reader = `(until ${hasEnded}; do sleep 0.05; done; cksum)`;
  assert.equal(await shell(sandbox, `$AIRUNNER exec --quiet -- cat few | ${reader}`), expected);
  assert.equal(await shell(sandbox, "$AIRUNNER wal dump --raw data/wal/*.wal | cksum"), expected);
});

Deno.test("several at once each have a log of their own", async () => {
  await using sandbox = new Sandbox();
  const results = await Promise.all(
    Array.from({ length: 6 }, (_, at) => sandbox.run(sh(`echo ${at}; exit ${at}`))),
  );
  assert.deepEqual(results.map(({ code }) => code), [0, 1, 2, 3, 4, 5]);
  assert.equal(logs(sandbox).length, 6);
});

Deno.test("what the command leaves in the background is neither waited for nor ended", async () => {
  await using sandbox = new Sandbox();
  const script = "(trap '' PIPE; sleep 2; echo late; echo alive > alive) & echo started";
  const { code, stdout, stderr } = await sandbox.run(sh(script));
  assert.deepEqual([code, decoder.decode(stdout)], [0, "started\n"]);
  assert.match(stderr, /left in the background holds its output open/);
  const alive = async () => {
    while (!await Deno.stat(`${sandbox.directory}/alive`).then(() => true, () => false)) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  await within(alive(), () => "the background process to go on");
});

function assertRunAllTheSame({ code, stdout, stderr }: RunResult, why: RegExp): void {
  assert.deepEqual([code, decoder.decode(stdout)], [0, "output\n"]);
  assert.match(stderr, /^airunner: Cannot record the command: .*It is run all the same/);
  assert.match(stderr, why);
}

Deno.test("without a disk or a home the command runs all the same, unless a record is required", async () => {
  await using sandbox = new Sandbox();
  const env = { AIRUNNER_DATA_DIR: "/dev/null/nowhere" };
  assertRunAllTheSame(await sandbox.run(sh("echo output"), { env }), /Not a directory/);
  const homeless = await sandbox.run(sh("echo output"), { env: { HOME: "", AIRUNNER_DATA_DIR: "" } });
  assertRunAllTheSame(homeless, /there is no home directory; set HOME/);
  const refused = await sandbox.run(["exec", "--require-log", "--", "touch", "ran"], { env });
  assert.equal(refused.code, 125);
  assert.match(refused.stderr, /Nothing was run/);
  await assert.rejects(Deno.stat(`${sandbox.directory}/ran`), Deno.errors.NotFound);
});

Deno.test("a disk that runs full takes nothing from what is shown, and what is missing is said", async () => {
  await using sandbox = new Sandbox();
  await using disk = await SmallDisk.mount("4m");
  const env = { AIRUNNER_DATA_DIR: `${disk.path}/data` };
  const { code, stdout, stderr } = await sandbox.run(["exec", "--", "head", "-c", "20000000", "/dev/zero"], {
    env,
  });
  assert.deepEqual([code, stdout.length], [0, 20_000_000]);
  assert.match(stderr, /Cannot record output: no space left on device\. The command goes on/);
  assert.match(stderr, /\d+ events of job \S+ could not be recorded and are missing/);
});

Deno.test("with --require-log the command waits for the disk, and nothing of it is left out", async () => {
  await using sandbox = new Sandbox();
  await using disk = await SmallDisk.mount("12m");
  const env = { AIRUNNER_DATA_DIR: `${disk.path}/data` };
  disk.fill(2_000_000);
  const words = [
    "exec",
    "--require-log",
    "--quiet",
    "--",
    "sh",
    "-c",
    "head -c 6000000 /dev/zero; echo end >&2",
  ];
  const program = sandbox.start(words, { env });
  await program.waitFor(/Cannot store output: no space left on device/);
  assert.doesNotMatch(program.stderr, /^end$/m);
  disk.clear();
  const { code, stdout } = await within(program.end(), () => "the end");
  assert.deepEqual([code, stdout.length], [0, 6_000_000]);
});

const withServer = (url: string, ...words: string[]) => ["exec", `--server=${url}`, ...words];

/** The server's jobs, newest first, once `isEnough`. */
async function jobsUntil(
  sandbox: Sandbox,
  url: string,
  isEnough: (jobs: Listed[]) => boolean,
): Promise<Listed[]> {
  const list = async () => {
    const { stdout } = await sandbox.run(["list", `--server=${url}`, "--json"]);
    return JSON.parse(decoder.decode(stdout)).jobs as Listed[];
  };
  const wait = async () => {
    for (;;) {
      const jobs = await list();
      if (isEnough(jobs)) return jobs;
    }
  };
  return await within(wait(), () => "the jobs to be delivered");
}

interface Listed {
  job_id: string;
  state: string;
}

const haveEnded = (count: number) => (jobs: Listed[]) =>
  jobs.filter(({ state }) => state === "completed" || state === "failed").length === count;

Deno.test("a command is delivered as a job without any worker, with its name, its labels and its bytes", async () => {
  await using sandbox = new Sandbox();
  const { url } = await sandbox.startServer();
  const words = withServer(
    url,
    "--name=nightly",
    "--label=branch=main",
    "--",
    "sh",
    "-c",
    "printf out; exit 7",
  );
  const { code, stdout, stderr } = await sandbox.run(words);
  assert.deepEqual([code, decoder.decode(stdout)], [7, "out"]);
  assert.match(stderr, /^airunner: Recorded as job \S+; it is being delivered to http:\S+\n$/);
  const [{ job_id: id, state }] = await jobsUntil(sandbox, url, haveEnded(1));
  assert.equal(state, "failed");
  assert.ok(stderr.includes(id));
  const logged = await sandbox.run(["logs", `--server=${url}`, "--raw", id]);
  assert.deepEqual([logged.code, decoder.decode(logged.stdout)], [7, "out"]);
  const shown = JSON.parse(
    decoder.decode((await sandbox.run(["show", `--server=${url}`, "--json", id])).stdout),
  );
  assert.deepEqual(shown.metadata, { branch: "main", "airunner.name": "nightly" });
  assert.deepEqual([shown.is_adopted, shown.command, shown.args], [true, "sh", ["-c", "printf out; exit 7"]]);
  const found = await sandbox.run(["list", `--server=${url}`, "--label=branch=main", "--json"]);
  assert.equal(JSON.parse(decoder.decode(found.stdout)).jobs[0].job_id, id);
});

Deno.test("a server that is away changes nothing for the command, and the next one delivers both", async () => {
  await using sandbox = new Sandbox();
  const { program, url, port } = await sandbox.startServer();
  await program.kill("SIGTERM");
  const { code, stdout } = await sandbox.run(
    withServer(url, "--quiet", "--", "sh", "-c", "echo first; exit 5"),
  );
  assert.deepEqual([code, decoder.decode(stdout)], [5, "first\n"]);
  assert.equal(logs(sandbox).length, 1);
  await sandbox.startServer(port);
  assert.equal((await sandbox.run(withServer(url, "--quiet", "--", "true"))).code, 0);
  const jobs = await jobsUntil(sandbox, url, haveEnded(2));
  // Whichever was adopted first.
  assert.deepEqual(jobs.map(({ state }) => state).sort(), ["completed", "failed"]);
});

Deno.test("--wait ends when it is delivered, and still as the command does", async () => {
  await using sandbox = new Sandbox();
  const { url } = await sandbox.startServer();
  const { code, stderr } = await sandbox.run(withServer(url, "--wait", "--", "sh", "-c", "exit 9"));
  assert.equal(code, 9);
  assert.match(stderr, /^airunner: Delivered as job \S+\n$/);
  assert.deepEqual(logs(sandbox), []);
  assert.equal((await jobsUntil(sandbox, url, haveEnded(1))).length, 1);
});

Deno.test("exec that is killed leaves no command running, and its job says that it was cut off", async () => {
  await using sandbox = new Sandbox();
  const { url } = await sandbox.startServer();
  const script = "trap '' PIPE; echo $$ >&2; while :; do sleep 0.05; done";
  const program = sandbox.start(withServer(url, "--quiet", "--", "sh", "-c", script));
  const [pid] = await program.waitFor(/^\d+$/m);
  await program.kill("SIGKILL");
  assert.ok(isAlive(Number(pid)));
  const delivered = await sandbox.run(withServer(url, "--deliver"));
  assert.equal(delivered.code, 0, delivered.stderr);
  assert.ok(!isAlive(Number(pid)), "whoever takes up the log ends the command");
  const [{ job_id: id, state }] = await jobsUntil(sandbox, url, haveEnded(1));
  assert.equal(state, "failed");
  const { code, stderr } = await sandbox.run(["logs", `--server=${url}`, id]);
  assert.equal(code, 125);
  assert.match(stderr, /exec itself was ended before the command/);
});

function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(Deno.readTextFileSync(`/proc/${pid}/status`));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

Deno.test("a command that was run without a server is delivered by replay, and by the next worker", async () => {
  await using sandbox = new Sandbox();
  const { url } = await sandbox.startServer();
  const { stderr } = await sandbox.run(["exec", "--", "echo", "one"]);
  const [, id] = /no server is set\. Deliver it with: airunner wal replay (\S+) --server=URL/.exec(stderr)!;
  const unsaid = await sandbox.run(["wal", "replay", id]);
  assert.equal(unsaid.code, 1);
  assert.match(unsaid.stdout + unsaid.stderr, /its command was run without a server/);
  const replay = await sandbox.run(["wal", "replay", id, `--server=${url}`]);
  assert.equal(replay.code, 0, replay.stderr);
  await sandbox.run(["exec", "--quiet", "--", "echo", "two"]);
  const worker = await sandbox.run(["worker", `--server=${url}`, "--once"]);
  assert.equal(worker.code, 0, worker.stderr);
  assert.deepEqual(logs(sandbox), []);
  const jobs = await jobsUntil(sandbox, url, haveEnded(2));
  assert.deepEqual(jobs.map(({ state }) => state), ["completed", "completed"]);
});
