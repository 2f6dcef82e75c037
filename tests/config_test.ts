/**
 * The configuration of the compiled binary: which source wins, what is refused, and what a signal changes
 * while jobs run.
 */
import assert from "node:assert/strict";
import { type Setting, SETTING_NAMES, SETTINGS } from "../src/config/settings.ts";
import { BINARY, type Program, Sandbox } from "./support/airunner.ts";
import { submitScript } from "./support/submit.ts";

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

/** Three values for each setting that are not its default: for the file, the environment and the flag. */
const VALUES: Record<keyof typeof SETTINGS, [file: string, variable: string, flag: string]> = {
  dataDir: ["/tmp/file", "/tmp/variable", "/tmp/flag"],
  logLevel: ["debug", "warn", "error"],
  logFormat: ["json", "text", "json"],
  logFile: ["true", "false", "true"],
  logFileMaxBytes: ["11MB", "12MB", "13MB"],
  logFileCount: ["6", "7", "8"],
  server: ["http://file:1", "http://variable:2", "https://flag"],
  credential: ["file", "variable", "flag"],
  caFile: ["/tmp/file", "/tmp/variable", "/tmp/flag"],
  queue: ["file", "variable", "flag"],
  requestTimeout: ["1s", "2s", "3s"],
  concurrency: ["2", "3", "4"],
  workerName: ["file", "variable", "flag"],
  jobUser: ["file", "variable", "flag"],
  workDir: ["/tmp/file", "/tmp/variable", "/tmp/flag"],
  gracePeriod: ["1s", "2s", "3s"],
  visibilityTimeout: ["1m", "2m", "3m"],
  walDir: ["/tmp/file", "/tmp/variable", "/tmp/flag"],
  archiveDir: ["/tmp/file", "/tmp/variable", "/tmp/flag"],
  flushInterval: ["100ms", "200ms", "300ms"],
  sync: ["interval", "always", "interval"],
  walMaxBytes: ["1GB", "2GB", "3GB"],
  minFreeSpace: ["1MB", "2MB", "3MB"],
  retryInitialInterval: ["2s", "3s", "4s"],
  retryMaxInterval: ["2m", "3m", "4m"],
  retryMultiplier: ["1.5", "3", "4"],
  retryAttempts: ["1", "2", "3"],
  archiveOnComplete: ["false", "true", "false"],
  compressionLevel: ["1", "2", "9"],
  retentionDays: ["7", "8", "9"],
  metricsListen: ["127.0.0.1:1", "127.0.0.1:2", "off"],
  readyMaxUnsentAge: ["1m", "2m", "3m"],
  listen: ["127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"],
  tlsCert: ["/tmp/file", "/tmp/variable", "/tmp/flag"],
  tlsKey: ["/tmp/file", "/tmp/variable", "/tmp/flag"],
  authorizedKeys: ["/tmp/file", "/tmp/variable", "/tmp/flag"],
  publicUrl: ["http://file", "http://variable", "http://flag"],
  allowUnauthenticated: ["true", "false", "true"],
  maxConnections: ["10", "20", "30"],
  maxConnectionsPerAddress: ["1", "2", "3"],
  trustedProxies: ["127.0.0.1", "10.0.0.0/8,fd00::/8", "192.0.2.7"],
  headerTimeout: ["1s", "2s", "3s"],
  idleTimeout: ["1s", "2s", "3s"],
  bodyTimeout: ["1s", "2s", "3s"],
  streamTimeout: ["1m", "2m", "3m"],
  metricsOpen: ["true", "false", "true"],
  metricsTokenFile: ["/tmp/file", "/tmp/variable", "/tmp/flag"],
  data: ["/tmp/file", "/tmp/variable", "/tmp/flag"],
};

interface Shown {
  key: string;
  value: unknown;
  origin: string;
}

async function show(
  sandbox: Sandbox,
  args: string[],
  env: Record<string, string>,
): Promise<Map<string, Shown>> {
  // A variable of the sandbox would win over the file.
  const { code, stdout, stderr } = await sandbox.run(["config", "show", "--json", ...args], {
    env: { AIRUNNER_DATA_DIR: "", ...env },
  });
  assert.equal(code, 0, stderr);
  return new Map(JSON.parse(text(stdout)).settings.map((setting: Shown) => [setting.key, setting]));
}

function fileOf(values: Record<string, string>): string {
  let source = "";
  let group = "";
  for (const [key, value] of Object.entries(values)) {
    const [first, second] = key.split(".");
    if (second !== undefined && group !== first) source += `${first}:\n`;
    group = second === undefined ? "" : first;
    source += second === undefined ? `${first}: ${value}\n` : `  ${second}: ${value}\n`;
  }
  return source;
}

Deno.test("of every setting a flag wins over the environment, that over the file, and that over the default", async () => {
  await using sandbox = new Sandbox();
  const config = `${sandbox.directory}/config.yaml`;
  Deno.writeTextFileSync(
    config,
    fileOf(Object.fromEntries(SETTING_NAMES.map((name) => [SETTINGS[name].key, VALUES[name][0]]))),
  );
  const variables = Object.fromEntries(
    SETTING_NAMES.map((name) => [SETTINGS[name].variable, VALUES[name][1]]),
  );
  const flags = SETTING_NAMES.map((name) => `${SETTINGS[name].flag}=${VALUES[name][2]}`);
  const ways: [origin: string, at: number, args: string[], env: Record<string, string>][] = [
    ["file", 0, [`--config=${config}`], {}],
    ["environment", 1, [`--config=${config}`], variables],
    ["flag", 2, [`--config=${config}`, ...flags], variables],
  ];
  for (const [origin, at, args, env] of ways) {
    const shown = await show(sandbox, args, env);
    for (const name of SETTING_NAMES) {
      const { key } = SETTINGS[name];
      assert.deepEqual(
        [shown.get(key)?.origin, String(shown.get(key)?.value)],
        [origin, VALUES[name][at]],
        key,
      );
    }
  }
  const defaults = await show(sandbox, [], {});
  for (const { key, type, ...setting } of Object.values<Setting>(SETTINGS)) {
    assert.equal(defaults.get(key)?.origin, "default", key);
    if (setting.default !== undefined) {
      assert.equal(String(defaults.get(key)?.value), type.format(setting.default));
    }
  }
});

Deno.test("the file is found in the data directory, at home and where XDG says, in this order", async () => {
  await using sandbox = new Sandbox();
  const places = [
    `${sandbox.directory}/own.yaml`,
    `${sandbox.dataDir}/config.yaml`,
    `${sandbox.directory}/.airunner/config.yaml`,
    `${sandbox.directory}/xdg/airunner/config.yaml`,
  ];
  for (const [at, place] of places.entries()) {
    Deno.mkdirSync(place.slice(0, place.lastIndexOf("/")), { recursive: true });
    Deno.writeTextFileSync(place, `Queue: place${at}\n`);
  }
  const env = {
    AIRUNNER_CONFIG: places[0],
    AIRUNNER_DATA_DIR: sandbox.dataDir,
    XDG_CONFIG_HOME: `${sandbox.directory}/xdg`,
  };
  assert.equal((await show(sandbox, [], env)).get("Queue")?.value, "place0");
  for (const [at, place] of places.entries()) {
    const found = await show(sandbox, [], { ...env, AIRUNNER_CONFIG: at === 0 ? place : "" });
    assert.equal(found.get("Queue")?.value, `place${at}`);
    Deno.removeSync(place);
  }
  assert.equal((await show(sandbox, [], { ...env, AIRUNNER_CONFIG: "" })).get("Queue")?.origin, "default");
});

Deno.test("files that cannot be used end with 78 and the reason, and nothing is made or sent", async () => {
  await using sandbox = new Sandbox();
  const path = (name: string) => `${sandbox.directory}/${name}`;
  Deno.mkdirSync(path("directory"));
  Deno.writeTextFileSync(path("empty"), "");
  Deno.writeTextFileSync(path("wrong"), "Sync: never\n");
  Deno.writeFileSync(path("nul"), new Uint8Array([0x51, 0, 0x0a]));
  Deno.writeTextFileSync(path("large"), "");
  Deno.truncateSync(path("large"), 100_000_000);
  const cases: [name: string, code: number, stderr: RegExp][] = [
    ["directory", 78, /it is a directory/],
    ["missing", 78, /no such file \(named by --config\)/],
    [
      "wrong",
      78,
      /wrong, line 1, column 7: Cannot read "Sync": found "never", expected one of always, interval/,
    ],
    ["nul", 78, /it is no text: line 1 has a NUL byte/],
    ["large", 78, /it is longer than 1 MiB/],
    ["empty", 2, /No server is given/],
  ];
  for (const [name, expected, pattern] of cases) {
    const { code, stderr } = await sandbox.run(["worker", `--config=${path(name)}`]);
    assert.equal(code, expected, `${name}: ${stderr}`);
    assert.match(stderr, pattern, name);
  }
  assert.throws(() => Deno.statSync(`${sandbox.dataDir}/wal`), Deno.errors.NotFound);
});

Deno.test("a file that this user may not read is refused, not passed over", async () => {
  await using sandbox = new Sandbox();
  Deno.mkdirSync(`${sandbox.directory}/.airunner`, { mode: 0o000 });
  Deno.chmodSync(sandbox.directory, 0o755);
  const isRoot = Deno.uid() === 0;
  // Root may read everything, so it becomes nobody for this.
  const [command, args] = isRoot
    ? ["setpriv", ["--reuid=65534", "--regid=65534", "--clear-groups", BINARY]]
    : [BINARY, []];
  const { code, stderr } = await new Deno.Command(command, {
    args: [...args, "config", "show"],
    clearEnv: true,
    env: { HOME: sandbox.directory, PATH: "/usr/sbin:/usr/bin:/sbin:/bin" },
    cwd: "/",
  }).output();
  assert.match(
    text(stderr),
    /^Cannot use the configuration file .*\/\.airunner\/config\.yaml: it may not be read by this user\n/,
  );
  assert.equal(code, 78);
  Deno.chmodSync(`${sandbox.directory}/.airunner`, 0o700);
});

Deno.test("version, help and completion work without a home directory and whatever is configured", async () => {
  await using sandbox = new Sandbox();
  const env = { HOME: "", AIRUNNER_DATA_DIR: "", AIRUNNER_SYNC: "never", AIRUNNER_CONFIG: "/nonexistent" };
  for (const args of [["version"], ["--version"], ["help", "environment"], ["completion", "zsh"]]) {
    const { code, stderr } = await sandbox.run(args, { env });
    assert.deepEqual([code, stderr], [0, ""], args.join(" "));
  }
});

/** Rewrites the file as an editor does, signals the worker and waits for its answer. */
async function reload(worker: Program, config: string, source: string, answer: RegExp): Promise<string> {
  Deno.writeTextFileSync(`${config}.new`, source);
  Deno.renameSync(`${config}.new`, config);
  const from = worker.stderr.length;
  worker.signal("SIGHUP");
  return (await worker.waitFor(answer, from))[0];
}

Deno.test("SIGHUP during a job takes over what can change, and the job and its output go on", async () => {
  await using sandbox = new Sandbox();
  const { url } = await sandbox.startServer();
  const config = `${sandbox.dataDir}/config.yaml`;
  Deno.mkdirSync(sandbox.dataDir);
  const base = `Server: ${url}\nMetricsListen: off\n`;
  Deno.writeTextFileSync(config, base);
  const go = `${sandbox.directory}/go`;
  const first = await submitScript(
    sandbox,
    url,
    `echo before; while [ ! -e ${go} ]; do sleep 0.05; done; echo after; exit 3`,
  );
  const worker = sandbox.start(["worker"]);
  await worker.waitFor(/Job started/);
  const second = await submitScript(sandbox, url, "echo second");

  const wrong = await reload(worker, config, `${base}RetentonDays: 7\nSync: never\n`, /column=7.*\n/);
  assert.match(wrong, /Sync/);
  assert.match(
    worker.stderr,
    /ERR Configuration was not reloaded: it is wrong\. .*line=3 column=1 .*RetentionDays/,
  );

  await reload(
    worker,
    config,
    `${base}Concurrency: 2\nLogLevel: debug\nWALDir: /elsewhere\n`,
    /setting=WALDir.*\n/,
  );
  assert.match(
    worker.stderr,
    /INF Configuration reloaded .*changed="LogLevel info -> debug, Concurrency 1 -> 2"|INF Configuration reloaded .*Concurrency 1 -> 2/,
  );
  // With two slots the second job no longer waits for the first, and lines of the new level come.
  await worker.waitFor(new RegExp(`Job completed.*${second}`));
  await worker.waitFor(/DBG /);
  assert.ok([...Deno.readDirSync(`${sandbox.dataDir}/wal`)].length >= 1);

  Deno.writeTextFileSync(go, "");
  await worker.waitFor(new RegExp(`Job completed.*${first}`));
  assert.equal((await worker.kill("SIGTERM")).code, 0);
  const { code, stdout } = await sandbox.run(["logs", first, "--raw", `--server=${url}`]);
  assert.deepEqual([code, text(stdout)], [3, "before\nafter\n"]);
});

Deno.test("SIGHUP while the server is away loses nothing, and retries follow the new intervals", async () => {
  await using sandbox = new Sandbox();
  const server = await sandbox.startServer();
  const config = `${sandbox.dataDir}/config.yaml`;
  Deno.mkdirSync(sandbox.dataDir);
  const base = `Server: ${server.url}\nMetricsListen: off\nFlushInterval: 50ms\n`;
  Deno.writeTextFileSync(config, `${base}RetryBackoff: {InitialInterval: 10ms, MaxInterval: 10ms}\n`);
  const go = `${sandbox.directory}/go`;
  const job = await submitScript(
    sandbox,
    server.url,
    `echo one; while [ ! -e ${go} ]; do sleep 0.05; done; echo two`,
  );
  const worker = sandbox.start(["worker"]);
  await worker.waitFor(/Job started/);
  await server.program.kill("SIGKILL");
  Deno.writeTextFileSync(go, "");
  await worker.waitFor(/Failed to send events - retrying/);
  await reload(
    worker,
    config,
    `${base}RetryBackoff: {InitialInterval: 20ms, MaxInterval: 100ms}\n`,
    /MaxInterval 10ms -> 100ms/,
  );
  await sandbox.startServer(server.port);
  await worker.waitFor(new RegExp(`Job completed.*${job}`));
  assert.equal((await worker.kill("SIGTERM")).code, 0);
  const { stdout } = await sandbox.run(["logs", job, "--raw", `--server=${server.url}`]);
  assert.equal(text(stdout), "one\ntwo\n");
});

Deno.test("Sync: interval warns at the start that it can lose output, and delivers like always", async () => {
  await using sandbox = new Sandbox();
  const { url } = await sandbox.startServer();
  const config = `${sandbox.directory}/interval.yaml`;
  Deno.writeTextFileSync(config, `sync: interval\nserver: ${url}\nmetrics_listen: off\n`);
  const job = await submitScript(sandbox, url, "echo hello");
  const { code, stderr } = await sandbox.start(["worker", "--once", `--config=${config}`]).end();
  assert.equal(code, 0, stderr);
  assert.match(stderr, /WRN Sync is interval: a power failure can lose the last output\..* interval_ms=100/);
  // Looked at first: reading the output of a job whose end the server does not know would wait for it.
  assert.equal(JSON.parse(text((await sandbox.run(["wal", "inspect", job, "--json"])).stdout)).pending, 0);
  const { stdout } = await sandbox.run(["logs", job, "--raw", `--server=${url}`]);
  assert.equal(text(stdout), "hello\n");
});

Deno.test("symbolic links in the place of the directories work for the worker and for the tools", async () => {
  await using sandbox = new Sandbox();
  const server = await sandbox.startServer();
  const ssd = `${sandbox.directory}/ssd`;
  Deno.mkdirSync(sandbox.dataDir);
  for (const name of ["wal", "archive"]) {
    Deno.mkdirSync(`${ssd}/${name}`, { recursive: true });
    Deno.symlinkSync(`${ssd}/${name}`, `${sandbox.dataDir}/${name}`);
  }
  const go = `${sandbox.directory}/go`;
  const job = await submitScript(
    sandbox,
    server.url,
    `echo one; while [ ! -e ${go} ]; do sleep 0.05; done; echo two`,
  );
  const options = [`--server=${server.url}`, "--metrics-listen=off", "--retry-max-interval=50ms"];
  const worker = sandbox.start(["worker", ...options]);
  await worker.waitFor(/Job started/);
  await server.program.kill("SIGKILL");
  Deno.writeTextFileSync(go, "");
  await worker.waitFor(/Job ended/);
  await worker.kill("SIGKILL");
  assert.deepEqual([...Deno.readDirSync(`${ssd}/wal`)].map(({ name }) => name), [`${job}.wal`]);
  const inspected = JSON.parse(text((await sandbox.run(["wal", "inspect", job, "--json"])).stdout));
  assert.ok(inspected.pending > 0);
  assert.match(text((await sandbox.run(["wal", "ls"])).stdout), new RegExp(job.slice(0, 8)));

  // The next worker takes the log up through the link, delivers and archives it.
  await sandbox.startServer(server.port);
  const { code, stderr } = await sandbox.start(["worker", "--once", ...options]).end();
  assert.equal(code, 0, stderr);
  assert.deepEqual([...Deno.readDirSync(`${ssd}/wal`)], []);
  assert.deepEqual([...Deno.readDirSync(`${ssd}/archive`)].map(({ name }) => name), [`${job}.wal.zst`]);
  assert.ok(
    Deno.lstatSync(`${sandbox.dataDir}/wal`).isSymlink &&
      Deno.lstatSync(`${sandbox.dataDir}/archive`).isSymlink,
  );
  assert.equal(text((await sandbox.run(["wal", "dump", job, "--raw"])).stdout), "one\ntwo\n");
});

Deno.test("WALDir and ArchiveDir of the file hold for the worker and the tools alike", async () => {
  await using sandbox = new Sandbox();
  const { url } = await sandbox.startServer();
  const config = `${sandbox.directory}/config.yaml`;
  Deno.writeTextFileSync(
    config,
    `WALDir: my/wal\nArchiveDir: my/archive\nMetricsListen: off\nServer: ${url}\n`,
  );
  const env = { AIRUNNER_CONFIG: config };
  const job = await submitScript(sandbox, url, "echo hello");
  assert.equal((await sandbox.start(["worker", "--once"], { env }).end()).code, 0);
  assert.deepEqual([...Deno.readDirSync(`${sandbox.directory}/my/archive`)].map(({ name }) => name), [
    `${job}.wal.zst`,
  ]);
  assert.equal(text((await sandbox.run(["wal", "dump", job, "--raw"], { env })).stdout), "hello\n");
  assert.match(text((await sandbox.run(["wal", "ls"], { env })).stdout), new RegExp(job.slice(0, 8)));
  const cleanup = await sandbox.run(["wal", "cleanup", "--older-than=0", "--yes", "--json"], { env });
  assert.equal(cleanup.code, 0, cleanup.stderr);
  assert.deepEqual([...Deno.readDirSync(`${sandbox.directory}/my/archive`)], []);
});
