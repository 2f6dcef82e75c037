/**
 * Looking into logs with the compiled binary: files as they come from other hands, many of them, large ones,
 * and ones that a worker is writing at that moment.
 */
import assert from "node:assert/strict";
import { BINARY, type Program, Sandbox } from "./support/airunner.ts";
import { peakMemoryBytes, writeLargeLog, writeManyLogs } from "./support/log_generator.ts";

const TESTDATA = new URL("./testdata/", import.meta.url).pathname;
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

async function tool(
  command: string,
  args: string[],
  stdin?: Uint8Array<ArrayBuffer>,
): Promise<Uint8Array<ArrayBuffer>> {
  const child = new Deno.Command(command, {
    args,
    stdin: stdin === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  if (stdin !== undefined) await new Blob([stdin]).stream().pipeTo(child.stdin);
  const { success, stdout, stderr } = await child.output();
  assert.ok(success, `${command} ${args.join(" ")}: ${text(stderr)}`);
  return stdout;
}

/** What `wal inspect --json` says of a file, but for where the file is. */
async function inspected(sandbox: Sandbox, target: string) {
  const { code, stdout, stderr } = await sandbox.run(["wal", "inspect", "--json", target]);
  assert.equal(code, 0, stderr);
  const { path: _, ...rest } = JSON.parse(text(stdout));
  return rest;
}

function makeDirectories(sandbox: Sandbox): void {
  for (const name of ["wal", "archive"]) Deno.mkdirSync(`${sandbox.dataDir}/${name}`, { recursive: true });
}

async function list(sandbox: Sandbox, ...args: string[]) {
  const { code, stdout, stderr } = await sandbox.run(["wal", "ls", "--json", ...args]);
  assert.equal(code, 0, stderr);
  return JSON.parse(text(stdout));
}

Deno.test("archives made by the stock zstd program are read like our own, however they were made", async () => {
  await using sandbox = new Sandbox();
  makeDirectories(sandbox);
  const source = `${TESTDATA}large_200k.wal`;
  const bytes = Deno.readFileSync(source);
  const half = bytes.length >> 1;
  const zstd = (args: string[], stdin: Uint8Array<ArrayBuffer>) => tool("zstd", ["-c", "-q", ...args], stdin);
  const two = [await zstd([], bytes.slice(0, half)), await zstd(["-1", "--no-check"], bytes.slice(half))];
  const archives: Record<string, Uint8Array> = {
    "of-file": await tool("zstd", ["-c", "-q", source]),
    "of-stdin": await zstd([], bytes),
    "level-19": await zstd(["-19"], bytes),
    "unchecked": await zstd(["--no-check"], bytes),
    "two-frames": new Uint8Array(two.flatMap((frame) => [...frame])),
  };
  const { job_id: _, ...expected } = await inspected(sandbox, source);
  const output = (await sandbox.run(["wal", "dump", "--raw", source])).stdout;
  for (const [jobId, archive] of Object.entries(archives)) {
    const path = `${sandbox.dataDir}/archive/${jobId}.wal.zst`;
    Deno.writeFileSync(path, archive);
    assert.deepEqual(await inspected(sandbox, jobId), { job_id: jobId, ...expected });
    assert.deepEqual((await sandbox.run(["wal", "dump", "--raw", jobId])).stdout, output);
  }
  const verify = await sandbox.run(["wal", "verify", "--all"]);
  assert.equal(verify.code, 0);
  assert.match(text(verify.stdout), /5 files: 5 whole, 0 damaged\n$/);
  const { logs, totals } = await list(sandbox);
  assert.equal(totals.archived, 5);
  for (const log of logs) {
    assert.deepEqual([log.raw_bytes, log.pending + log.failed, log.state], [
      bytes.length,
      expected.pending + expected.failed,
      "archived",
    ]);
  }
});

Deno.test("logs that were copied back by cp, tar or rsync are what they were", async () => {
  await using sandbox = new Sandbox();
  makeDirectories(sandbox);
  const wal = `${sandbox.dataDir}/wal`;
  const source = `${sandbox.directory}/statuses.wal`;
  Deno.copyFileSync(`${TESTDATA}statuses.wal`, source);
  const { job_id: _, ...expected } = await inspected(sandbox, source);
  await tool("cp", [source, `${wal}/by-cp.wal`]);
  await tool("cp", ["-p", source, `${wal}/by-cp-p.wal`]);
  const packed = await tool("tar", ["-C", sandbox.directory, "-cf", "-", "statuses.wal"]);
  await tool("tar", ["-C", wal, "--transform=s/statuses/by-tar/", "-xf", "-"], packed);
  await tool("rsync", ["-a", source, `${wal}/by-rsync.wal`]);
  // A half-done copy is hidden, and no log yet.
  Deno.writeFileSync(`${wal}/.other.wal.Y4d5e6`, Deno.readFileSync(source).slice(0, 100));
  if (Deno.uid() === 0) Deno.chownSync(`${wal}/by-tar.wal`, 65_534, 65_534);
  Deno.chmodSync(`${wal}/by-tar.wal`, 0o444);
  for (const jobId of ["by-cp", "by-cp-p", "by-tar", "by-rsync"]) {
    assert.deepEqual(await inspected(sandbox, jobId), { job_id: jobId, ...expected });
  }
  const { logs } = await list(sandbox, "--sort=job");
  assert.deepEqual(
    logs.map(({ job_id, state, pending }: Record<string, unknown>) => [job_id, state, pending]),
    ["by-cp", "by-cp-p", "by-rsync", "by-tar"].map((jobId) => [jobId, "orphaned", expected.pending]),
  );
  assert.equal((await sandbox.run(["wal", "verify", "--all"])).code, 0);
});

Deno.test("an archive that was half written or half copied is found, and what is there is read", async () => {
  await using sandbox = new Sandbox();
  makeDirectories(sandbox);
  const whole = await tool("zstd", ["-c", "-q", `${TESTDATA}large_200k.wal`]);
  const path = `${sandbox.dataDir}/archive/half.wal.zst`;
  Deno.writeFileSync(path, whole.slice(0, whole.length >> 1));
  // What our own archiver leaves when it is killed is hidden, and no archive.
  Deno.writeFileSync(
    `${sandbox.dataDir}/archive/.job.wal.zst.tmp-${crypto.randomUUID()}`,
    whole.slice(0, 50),
  );
  const verify = await sandbox.run(["wal", "verify", "--all"]);
  assert.equal(verify.code, 3);
  assert.match(
    text(verify.stdout),
    /half\.wal\.zst: damaged: .*\n {2}Archive is damaged: [^]*\n1 file: 0 whole, 1 damaged\n/,
  );
  const { logs } = await list(sandbox);
  assert.deepEqual(logs.map(({ path, state }: Record<string, unknown>) => [path, state]), [[
    path,
    "corrupt",
  ]]);
  const inspect = await sandbox.run(["wal", "inspect", path]);
  assert.equal(inspect.code, 0);
  assert.match(text(inspect.stdout), /Health +damaged: /);
  const dump = await sandbox.run(["wal", "dump", "--raw", path]);
  assert.equal(dump.code, 1);
  assert.match(dump.stderr, /Next: airunner wal verify/);
});

Deno.test("of a log and an archive of the same job the later execution is meant, and the other is named", async () => {
  await using sandbox = new Sandbox();
  makeDirectories(sandbox);
  Deno.copyFileSync(`${TESTDATA}job.wal`, `${sandbox.dataDir}/wal/job.wal`);
  const archive = `${sandbox.dataDir}/archive/job.wal.zst`;
  Deno.writeFileSync(archive, await tool("zstd", ["-c", "-q", `${TESTDATA}job.wal`]));
  const { stdout, stderr } = await sandbox.run(["wal", "inspect", "--json", "job"]);
  assert.equal(JSON.parse(text(stdout)).path, `${sandbox.dataDir}/wal/job.wal`);
  assert.equal(stderr, `Also there: ${archive} (same job)\n`);
  const { logs } = await list(sandbox, "--job=job");
  assert.deepEqual(logs.map(({ state }: { state: string }) => state).sort(), ["archived", "orphaned"]);
});

Deno.test("ten thousand logs are listed, and listed again from what was seen", async () => {
  await using sandbox = new Sandbox();
  makeDirectories(sandbox);
  writeManyLogs(`${sandbox.dataDir}/wal`, 10_000);
  const first = await list(sandbox);
  assert.deepEqual([first.logs.length, first.totals.orphaned, first.totals.pending], [10_000, 10_000, 9000]);
  const cachePath = `${sandbox.dataDir}/cache/ls.json`;
  const entries = Object.keys(JSON.parse(Deno.readTextFileSync(cachePath)).files).length;
  assert.ok(entries > 9000, `${entries} logs are remembered`);
  assert.deepEqual(await list(sandbox), first);
  const screen = await sandbox.run(["wal", "ls", "--pending"]);
  assert.equal(text(screen.stdout).split("\n").filter((line) => / orphaned /.test(line)).length, 9000);
});

Deno.test("a log of 200 MiB is inspected, event by event, in bounded memory", async () => {
  await using sandbox = new Sandbox();
  const path = `${sandbox.directory}/large.wal`;
  const events = writeLargeLog(path, 200 * 1024 * 1024);
  const child = new Deno.Command(BINARY, { args: ["wal", "inspect", "--json", path], stdout: "piped" })
    .spawn();
  let peakBytes = 0;
  let records = 0;
  // Nearly all of its output comes after everything was read once: the pipe is full, and the process is still
  // there.
  for await (const chunk of child.stdout) {
    try {
      peakBytes = Math.max(peakBytes, peakMemoryBytes(child.pid));
    } catch (error) {
      // It has written its last and is gone; what it took before is known.
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
    for (let at = -1; (at = chunk.indexOf(0x7b, at + 1)) >= 0;) records++;
  }
  assert.equal((await child.status).code, 0);
  // One brace for the document, and one for each record.
  assert.equal(records, events + 1);
  assert.ok(peakBytes > 20e6 && peakBytes < 150e6, `peak of ${Math.round(peakBytes / 1e6)} MB`);
});

/** Reads what a following process prints, as it comes. */
class Following implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #reader: ReadableStreamDefaultReader<string>;
  stdout = "";

  constructor(args: string[], env: Record<string, string>) {
    this.#child = new Deno.Command(BINARY, { args, env, stdout: "piped", stderr: "piped" }).spawn();
    this.#reader = this.#child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  }

  async until(pattern: RegExp): Promise<void> {
    while (!pattern.test(this.stdout)) {
      const { done, value } = await this.#reader.read();
      assert.ok(!done, `it ended before ${pattern}:\n${this.stdout}`);
      this.stdout += value;
    }
  }

  async end(): Promise<{ code: number; stderr: string }> {
    for (let next; !(next = await this.#reader.read()).done;) this.stdout += next.value;
    const stderr = await new Response(this.#child.stderr).text();
    return { code: (await this.#child.status).code, stderr };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch (error) {
      // It has ended, as it should.
      if (!(error instanceof TypeError)) throw error;
    }
    await this.#child.status;
  }
}

function freePort(): number {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  return port;
}

/** A job that goes on when the test writes a line to its pipe, and ends when it writes the last. */
async function startPipedJob(sandbox: Sandbox, url: string): Promise<{ jobId: string; pipe: string }> {
  const pipe = `${sandbox.directory}/pipe`;
  await tool("mkfifo", [pipe]);
  const script = `echo begun; while read line; do echo $line; done < ${pipe}; exit 3`;
  const { stdout, stderr } = await sandbox.run(["submit", `--server=${url}`, "--", "sh", "-c", script]);
  // Its worker has not started yet.
  assert.match(stderr, /^airunner: queued; no worker on queue default\..*\n$/);
  return { jobId: text(stdout).trim(), pipe };
}

async function startWorker(sandbox: Sandbox, url: string, listen: string): Promise<Program> {
  const args = ["worker", `--server=${url}`, "--flush-interval=50ms", `--metrics-listen=${listen}`];
  const worker = sandbox.start([...args, "--log-level=debug"]);
  await worker.waitFor(/Successfully sent records/);
  return worker;
}

Deno.test("a log is looked at while its worker writes it, and followed until it is archived", async () => {
  await using sandbox = new Sandbox();
  const { url } = await sandbox.startServer();
  const { jobId, pipe } = await startPipedJob(sandbox, url);
  const listen = `127.0.0.1:${freePort()}`;
  const worker = await startWorker(sandbox, url, listen);
  await using job = new PipeEnd(pipe);

  const [log] = (await list(sandbox)).logs;
  assert.deepEqual([log.job_id, log.state, log.pid], [jobId, "active", worker.pid]);
  const env = { AIRUNNER_DATA_DIR: sandbox.dataDir };
  await using following = new Following(["wal", "inspect", jobId, "--follow", "--payload"], env);
  await following.until(/stdout {2}begun\n/);
  for (let at = 0; at < 20; at++) {
    await job.write(`line ${at}\n`);
    const verify = await sandbox.run(["wal", "verify", "--all", "--json"]);
    assert.equal(verify.code, 0, text(verify.stdout));
  }
  await following.until(/stdout {2}line 19\n/);
  const screen = text((await sandbox.run(["wal", "inspect", jobId])).stdout);
  assert.match(screen, new RegExp(`State +not ended, process ${worker.pid} is writing to the log`));
  const stats = await sandbox.run(["wal", "stats", `--metrics-listen=${listen}`]);
  assert.match(text(stats.stdout), /Appends +p50 [\d.]+ ms, p99 [\d.]+ ms of \d+ appends? by the worker at/);

  await job.close();
  const { code, stderr } = await following.end();
  assert.equal(code, 0, stderr);
  const archive = `${sandbox.dataDir}/archive/${jobId}.wal.zst`;
  assert.equal(
    stderr,
    `The log was archived, the server has everything: ${archive}\nNext: airunner wal inspect ${archive}\n`,
  );
  assert.match(following.stdout, /PROCESS_END/);
  const [archived] = (await list(sandbox)).logs;
  assert.deepEqual([archived.state, archived.pid, archived.pending, archived.exit_code], [
    "archived",
    null,
    0,
    3,
  ]);
  const lines = text((await sandbox.run(["wal", "dump", jobId, "--text"])).stdout).trimEnd().split("\n");
  assert.deepEqual([lines.length, lines.at(-1)?.replace(/^.*UTC/, "")], [21, "  stdout  line 19"]);
});

/** The end of a named pipe that is written to; its reader goes on when it is closed. */
class PipeEnd implements AsyncDisposable {
  readonly #path: string;
  #file: Deno.FsFile | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  async write(line: string): Promise<void> {
    this.#file ??= await Deno.open(this.#path, { write: true });
    await this.#file.write(new TextEncoder().encode(line));
  }

  close(): Promise<void> {
    this.#file?.close();
    this.#file = undefined;
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

Deno.test("a worker that was killed leaves an orphaned log, and the screen says what to type", async () => {
  await using sandbox = new Sandbox();
  const { url } = await sandbox.startServer();
  const { jobId, pipe } = await startPipedJob(sandbox, url);
  const worker = await startWorker(sandbox, url, "off");
  await using job = new PipeEnd(pipe);
  await job.write("more\n");
  await worker.kill("SIGKILL");
  const { logs: [log] } = await list(sandbox);
  assert.deepEqual([log.job_id, log.state, log.pid], [jobId, "orphaned", null]);
  const follow = await sandbox.run(["wal", "inspect", jobId, "--follow"]);
  assert.equal(follow.code, 0);
  assert.match(follow.stderr, /^No process is writing to /);
});
