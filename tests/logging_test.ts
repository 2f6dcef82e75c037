/**
 * What an operator reads: the runbook's lines, on the console and in worker.log, whatever happens to the
 * disk, to the process or to another worker beside it; and what must never be read there.
 */
import assert from "node:assert/strict";
import { type Program, Sandbox } from "./support/airunner.ts";

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

/** The runbook's *Debug Logging*, word for word. */
const DEBUG_LINES = [
  /^DBG WAL created job_id=[0-9a-f-]+ /m,
  /^DBG Appending record sequence=\d+ offset=\d+ /m,
  /^DBG Flushing output batch start_seq=\d+ end_seq=\d+ /m,
  /^DBG Attempting to send unsent records unsent_count=\d+ /m,
  /^DBG Successfully sent records count=\d+ /m,
];

const LOG_LINE = /^(DBG|INF|WRN|ERR) /;
const TIMED_LINE = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (.*)$/;

/** Lines of worker.log and of those before it, the oldest first. */
function fileLines(sandbox: Sandbox, name = "worker.log"): string[] {
  const directory = `${sandbox.dataDir}/logs`;
  const numbers = [...Deno.readDirSync(directory)].filter((entry) => entry.name.startsWith(`${name}.`))
    .map((entry) => Number(entry.name.slice(name.length + 1))).sort((a, b) => b - a);
  const paths = [...numbers.map((number) => `${directory}/${name}.${number}`), `${directory}/${name}`];
  return paths.flatMap((path) => Deno.readTextFileSync(path).split("\n").filter((line) => line !== ""));
}

const withoutTime = (line: string) => TIMED_LINE.exec(line)?.[1] ?? assert.fail(`has no time: ${line}`);

const consoleLines = (...programs: Program[]) =>
  programs.flatMap(({ stderr }) => stderr.split("\n").filter((line) => LOG_LINE.test(line)));

/** What `grep` finds in worker.log, as the runbook types it. */
async function grep(sandbox: Sandbox, ...args: string[]): Promise<string> {
  const { stdout } = await new Deno.Command("grep", { args: [...args, `${sandbox.dataDir}/logs/worker.log`] })
    .output();
  return text(stdout);
}

async function submit(sandbox: Sandbox, url: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await sandbox.run(["submit", `--server=${url}`, ...args]);
  assert.equal(code, 0, stderr);
  return text(stdout).trim();
}

const startWorker = (sandbox: Sandbox, url: string, ...more: string[]) =>
  sandbox.start(["worker", `--server=${url}`, ...more], { env: { AIRUNNER_LOG_LEVEL: "debug" } });

/** Stands before a server and answers some of the calls that deliver events itself. */
class Proxy implements AsyncDisposable {
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  /** What the next deliveries are answered with. */
  readonly answers: (() => Response)[] = [];

  constructor(target: string) {
    // A worker that ends takes back its last call.
    const onError = () => new Response(null, { status: 502 });
    this.#server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {}, onError }, async (request) => {
      const { pathname } = new URL(request.url);
      const answer = pathname.endsWith("/PublishJobEvents") ? this.answers.shift() : undefined;
      if (answer !== undefined) {
        await request.arrayBuffer();
        return answer();
      }
      const { method, headers, signal } = request;
      // In one piece: all that a worker sends is short.
      return await fetch(target + pathname, { method, headers, signal, body: await request.arrayBuffer() });
    });
  }

  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}

const tooManyRequests = () => new Response("slow down", { status: 429, headers: { "retry-after": "0" } });

Deno.test("the runbook's lines are on the console, and in worker.log behind a time", async () => {
  await using sandbox = new Sandbox();
  const { url } = await sandbox.startServer();
  await using proxy = new Proxy(url);
  const go = `${sandbox.directory}/go`;
  await submit(sandbox, proxy.url, "--", "sh", "-c", `until [ -e ${go} ]; do sleep 0.05; done; echo hello`);
  const worker = startWorker(sandbox, proxy.url, "--once", "--retry-initial-interval=10ms");
  await worker.waitFor(/Successfully sent records/);
  proxy.answers.push(tooManyRequests);
  Deno.writeTextFileSync(go, "");
  assert.equal((await worker.end()).code, 0, worker.stderr);

  for (const pattern of DEBUG_LINES) assert.match(worker.stderr, pattern);
  // Once a record, in the log's order.
  const sequences = [...worker.stderr.matchAll(/Appending record sequence=(\d+)/g)].map(([, text]) =>
    Number(text)
  );
  assert.deepEqual(sequences, [...new Set(sequences)].sort((a, b) => a - b));
  assert.deepEqual(fileLines(sandbox).map(withoutTime), consoleLines(worker));
  assert.match(
    await grep(sandbox, "-E", "Failed to send|retrying"),
    /WRN Failed to send events - retrying count=\d/,
  );
  assert.match(await grep(sandbox, "429"), /http_status=429/);
  assert.match(
    await grep(sandbox, "Successfully sent records"),
    /INF Successfully sent records count=\d+ out_for_ms=/,
  );
  assert.equal(Deno.statSync(`${sandbox.dataDir}/logs/worker.log`).mode! & 0o777, 0o600);
});

Deno.test("with --log-format=json each line is one object, on the console and in the file", async () => {
  await using sandbox = new Sandbox();
  const { url } = await sandbox.startServer();
  const jobId = await submit(sandbox, url, "--", "echo", "hello");
  const worker = startWorker(sandbox, url, "--once", "--log-format=json");
  assert.equal((await worker.end()).code, 0, worker.stderr);

  const lines = worker.stderr.trimEnd().split("\n");
  assert.deepEqual(fileLines(sandbox), lines);
  const entries = lines.map((line) => JSON.parse(line));
  for (const entry of entries) {
    assert.deepEqual(Object.keys(entry), ["time", "level", "message", "fields"]);
    assert.match(entry.time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  }
  const created = entries.find(({ message }) => message === "WAL created");
  assert.equal(created.level, "debug");
  assert.equal(created.fields.job_id, jobId);
  const appended = entries.find(({ message }) => message === "Appending record");
  assert.deepEqual([appended.fields.sequence, typeof appended.fields.offset], [1, "number"]);
});

/** The task token in a log, which only its first record has. */
function taskTokenOf(sandbox: Sandbox, jobId: string): string {
  const log = text(Deno.readFileSync(`${sandbox.dataDir}/wal/${jobId}.wal`));
  return /"task_token":"([^"]+)"/.exec(log)?.[1] ?? assert.fail("the log has no token");
}

const SECRETS = ["s3cret-output", "s3cret-error", "s3cret-variable", "s3cret-worker", "s3cret-argument"];

for (const format of ["text", "json"]) {
  Deno.test(`no payload, token, argument or variable is in any log at level debug, as ${format}`, async () => {
    await using sandbox = new Sandbox();
    const common = [`--log-format=${format}`, "--log-level=debug"];
    const server = sandbox.start(["server", "--listen=127.0.0.1:0", "--log-file", ...common]);
    const [, url] = await server.waitFor(/Listening on (http:\S+)/);
    await using proxy = new Proxy(url);
    const go = `${sandbox.directory}/go`;
    const script = 'printf "s3cret-%s\\n" output; printf "s3cret-%s\\n" error >&2; ' +
      `until [ -e ${go} ]; do sleep 0.05; done; exit 3`;
    const variable = ["--env", "SECRET=s3cret-variable"];
    const jobId = await submit(sandbox, proxy.url, ...variable, "--", "sh", "-c", script, "s3cret-argument");
    await submit(sandbox, proxy.url, ...variable, "--", "no-such-program", "s3cret-argument");
    await submit(sandbox, proxy.url, ...variable, "--cwd", "/no/such/place", "--", "true", "s3cret-argument");
    const worker = sandbox.start([
      "worker",
      `--server=${proxy.url}`,
      "--once",
      "--retry-initial-interval=10ms",
      ...common,
    ], {
      env: { WORKER_SECRET: "s3cret-worker" },
    });
    await worker.waitFor(/Successfully sent records/);
    const token = taskTokenOf(sandbox, jobId);
    // A server that repeats what it was sent.
    const error = JSON.stringify({ code: "unavailable", message: `not now, ${token}` });
    const headers = { "content-type": "application/json" };
    proxy.answers.push(() => new Response(error, { status: 503, headers }));
    Deno.writeTextFileSync(go, "");
    assert.equal((await worker.end()).code, 0, worker.stderr);
    await server.kill("SIGTERM");

    const files = [...fileLines(sandbox), ...fileLines(sandbox, "server.log")].join("\n");
    assert.match(worker.stderr, /not now, \[withheld\]/);
    for (const said of [worker.stderr, server.stderr, files]) {
      assert.ok(said.length > 500);
      for (const secret of [...SECRETS, token]) assert.ok(!said.includes(secret), `${secret} in:\n${said}`);
      // Nor in an encoding of bytes that somebody may have thought harmless.
      for (const secret of SECRETS) assert.ok(!said.includes(btoa(secret).slice(0, 10)), said);
    }
  });
}

Deno.test("two workers write one worker.log, rotate it, and lose and mix no line", async () => {
  await using sandbox = new Sandbox();
  const { url } = await sandbox.startServer();
  for (let i = 0; i < 8; i++) {
    await submit(sandbox, url, "--", "sh", "-c", `for i in $(seq 20); do echo $i; sleep 0.02; done`);
  }
  const rotation = ["--log-file-max-bytes=10KB", "--log-file-count=100"];
  const start = () =>
    startWorker(sandbox, url, "--once", "--concurrency=2", "--flush-interval=10ms", ...rotation);
  const workers = [start(), start()];
  for (const worker of workers) assert.equal((await worker.end()).code, 0, worker.stderr);

  const lines = fileLines(sandbox);
  assert.ok([...Deno.readDirSync(`${sandbox.dataDir}/logs`)].length > 5, "hardly anything was rotated");
  assert.deepEqual(lines.map(withoutTime).sort(), consoleLines(...workers).sort());
});

Deno.test("a worker that is killed has all of its lines in the file", async () => {
  await using sandbox = new Sandbox();
  const { url } = await sandbox.startServer();
  await submit(sandbox, url, "--", "sh", "-c", "while :; do echo line; sleep 0.01; done");
  const worker = startWorker(sandbox, url, "--flush-interval=10ms");
  await worker.waitFor(/(Appending record[^]*){20}/);
  await worker.kill("SIGKILL");
  const lines = fileLines(sandbox).map(withoutTime);
  const seen = consoleLines(worker);
  assert.deepEqual(lines.slice(0, seen.length), seen);
});

Deno.test("a log file that cannot be written is reported once, and jobs run as ever", async () => {
  await using sandbox = new Sandbox();
  const { url } = await sandbox.startServer();
  await submit(sandbox, url, "--", "echo", "hello");
  Deno.mkdirSync(sandbox.dataDir);
  Deno.writeTextFileSync(`${sandbox.dataDir}/logs`, "in the way");
  const worker = startWorker(sandbox, url, "--once");
  assert.equal((await worker.end()).code, 0, worker.stderr);
  assert.match(worker.stderr, /Job completed/);
  assert.equal(worker.stderr.match(/Cannot write the log file/g)?.length, 1);
});

Deno.test("a damaged log is reported in the words that the runbook searches for", async () => {
  await using sandbox = new Sandbox();
  const { url, program } = await sandbox.startServer();
  const jobId = await submit(sandbox, url, "--", "sh", "-c", "echo hello; sleep 60");
  const worker = startWorker(sandbox, url, "--flush-interval=10ms");
  await worker.waitFor(/Flushing output batch[^]*Successfully sent records/);
  await worker.kill("SIGKILL");
  await program.kill("SIGKILL");
  const path = `${sandbox.dataDir}/wal/${jobId}.wal`;
  const log = Deno.readFileSync(path);
  log[40] ^= 1;
  Deno.writeFileSync(path, log);
  const next = startWorker(sandbox, url);
  await next.waitFor(/CRC64 mismatch/);
  assert.match(
    await grep(sandbox, "CRC64 mismatch"),
    /ERR Damaged log set aside: CRC64 mismatch\. Nothing of it was removed/,
  );
});

Deno.test("a full disk stops neither the worker nor its log", async () => {
  await using sandbox = new Sandbox();
  const { url } = await sandbox.startServer();
  await using disk = await SmallDisk.mount(`${sandbox.directory}/data`);
  disk.fill(2 << 20);
  const go = `${sandbox.directory}/go`;
  const script = `head -c 3000000 /dev/zero; until [ -e ${go} ]; do echo line; sleep 0.1; done`;
  await submit(sandbox, url, "--", "sh", "-c", script);
  const worker = startWorker(sandbox, url);
  await worker.waitFor(/ERR .*no space left on device/);
  disk.empty();
  // Lines of the log are small: they may have found room where the output did not.
  if (/Cannot write the log file/.test(worker.stderr)) await worker.waitFor(/Log file is written again/);
  Deno.writeTextFileSync(go, "");
  await worker.waitFor(/Job completed/);
  assert.match(await grep(sandbox, "no space left on device"), /no space left on device/);
});

Deno.test("worker.log on a full disk of its own, behind a link, says later that lines are missing", async () => {
  await using sandbox = new Sandbox();
  const { url } = await sandbox.startServer();
  await using disk = await SmallDisk.mount(`${sandbox.directory}/disk`);
  disk.fill(4096);
  Deno.mkdirSync(sandbox.dataDir);
  Deno.symlinkSync(disk.path, `${sandbox.dataDir}/logs`);
  const go = `${sandbox.directory}/go`;
  await submit(sandbox, url, "--", "sh", "-c", `until [ -e ${go} ]; do echo line; sleep 0.1; done`);
  const worker = startWorker(sandbox, url, "--flush-interval=10ms");
  await worker.waitFor(/Cannot write the log file.*no space left on device/);
  disk.empty();
  await worker.waitFor(/Log file is written again/);
  Deno.writeTextFileSync(go, "");
  await worker.waitFor(/Job completed/);
  await worker.kill("SIGTERM");
  assert.equal(worker.stderr.match(/Cannot write the log file/g)?.length, 1);

  const [gap] = (await grep(sandbox, "no space left on device")).split("\n");
  assert.match(gap, TIMED_LINE);
  const missing = Number(/Lines are missing here: .* count=(\d+) since=\S+ error=/.exec(gap)?.[1]);
  // The disk took the beginning of a line, which has an end all the same; the next one is whole.
  const whole = new Set(consoleLines(worker));
  const lines = fileLines(sandbox).map((line) => TIMED_LINE.exec(line)?.[1] ?? "");
  const found = lines.filter((line) => whole.has(line)).length;
  // On the console alone: that it failed, and that it is well again.
  assert.equal(found + missing, consoleLines(worker).length - 2);
  assert.ok(missing > 0 && lines.length - found <= 2, lines.join("\n"));
});

Deno.test("why a worker ended is in its file as well, except for a mistyped command", async () => {
  await using sandbox = new Sandbox();
  const usage = await sandbox.run(["worker"]);
  assert.equal(usage.code, 2);
  assert.throws(() => Deno.statSync(`${sandbox.dataDir}/logs`), Deno.errors.NotFound);
  const { code, stderr } = await sandbox.run([
    "worker",
    "--server=http://127.0.0.1:1",
    "--credential=nobody",
  ]);
  assert.equal(code, 78, stderr);
  const [line, ...more] = fileLines(sandbox).map(withoutTime);
  assert.match(line, /^ERR Command ended with an error command=worker exit_code=78 error=".*nobody/);
  assert.deepEqual(more, []);
});

Deno.test("the server has a log file when it is asked for one, and the worker none when it is told so", async () => {
  await using sandbox = new Sandbox();
  const plain = await sandbox.startServer();
  const worker = sandbox.start(["worker", `--server=${plain.url}`, "--once", "--no-log-file"]);
  assert.equal((await worker.end()).code, 0, worker.stderr);
  assert.throws(() => Deno.statSync(`${sandbox.dataDir}/logs`), Deno.errors.NotFound);
  await plain.program.kill("SIGTERM");

  const server = sandbox.start(["server", "--listen=127.0.0.1:0"], { env: { AIRUNNER_LOG_FILE: "true" } });
  await server.waitFor(/Listening on/);
  await server.kill("SIGTERM");
  assert.deepEqual(fileLines(sandbox, "server.log").map(withoutTime), consoleLines(server));
});

const DISK_BYTES = 6 << 20;

/** A file system of a few megabytes in memory, that can really be full. */
class SmallDisk implements AsyncDisposable {
  private constructor(readonly path: string) {}

  static async mount(path: string): Promise<SmallDisk> {
    Deno.mkdirSync(path);
    const args = ["-t", "tmpfs", "-o", `size=${DISK_BYTES}`, "airunner-test", path];
    const mount = await new Deno.Command("mount", { args }).output();
    assert.ok(mount.success, `This test mounts a tmpfs, which needs root: ${text(mount.stderr)}`);
    return new SmallDisk(path);
  }

  /** Leaves this many bytes free. */
  fill(freeBytes: number): void {
    Deno.writeFileSync(`${this.path}/ballast`, new Uint8Array(DISK_BYTES - freeBytes));
  }

  empty(): void {
    Deno.removeSync(`${this.path}/ballast`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Deno.Command("umount", { args: ["--lazy", this.path] }).output();
  }
}
