/**
 * The systemd units, and what the program does for them: it says when it is ready and when it stops.
 */
import assert from "node:assert/strict";
import { BINARY, Sandbox } from "./support/airunner.ts";
import { NotifyReceiver } from "./support/notify_receiver.ts";
import { Scraper } from "./support/scraper.ts";

const SYSTEMD_DIR = new URL("../deploy/systemd", import.meta.url).pathname;
const UNITS = ["airunner-worker.service", "airunner-server.service"];

/** Values by key, in order, of all sections. */
function readUnit(name: string): Map<string, string[]> {
  const values = new Map<string, string[]>();
  for (const line of Deno.readTextFileSync(`${SYSTEMD_DIR}/${name}`).split("\n")) {
    if (line === "" || line.startsWith("#") || /^\[\w+\]$/.test(line)) continue;
    const match = /^([A-Za-z]+)=(.*)$/.exec(line);
    assert.ok(match !== null, `${name}: ${line}`);
    values.set(match[1], [...values.get(match[1]) ?? [], match[2]]);
  }
  return values;
}

function seconds(span: string): number {
  const match = /^(\d+)(s|m|min)$/.exec(span);
  assert.ok(match !== null, span);
  return Number(match[1]) * (match[2] === "s" ? 1 : 60);
}

Deno.test("systemd accepts the units and the users, where there is a systemd", async () => {
  await using sandbox = new Sandbox();
  const paths = UNITS.map((name) => {
    const unit = Deno.readTextFileSync(`${SYSTEMD_DIR}/${name}`);
    assert.ok(unit.includes("ExecStart=/usr/local/bin/airunner "));
    // systemd looks whether the program is there.
    Deno.writeTextFileSync(
      `${sandbox.directory}/${name}`,
      unit.replace("ExecStart=/usr/local/bin/airunner ", `ExecStart=${BINARY} `),
    );
    return `${sandbox.directory}/${name}`;
  });
  await assertAccepted("systemd-analyze", ["verify", "--man=no", ...paths]);
  await assertAccepted("systemd-sysusers", ["--dry-run", `${SYSTEMD_DIR}/airunner.sysusers`]);
});

/** Without complaints, or there is no such program. */
async function assertAccepted(program: string, args: string[]): Promise<void> {
  let output: Deno.CommandOutput;
  try {
    output = await new Deno.Command(program, { args }).output();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    throw error;
  }
  const decoder = new TextDecoder();
  assert.ok(output.success, decoder.decode(output.stderr));
  assert.doesNotMatch(decoder.decode(output.stderr), /Unknown|ignoring|Failed|warning/i);
}

Deno.test("the worker's unit leaves it more time to stop than it takes, and never keeps its runtime from compiling", () => {
  const unit = readUnit("airunner-worker.service");
  const environment = new Map(
    unit.get("Environment")!.map((pair) => pair.split("=", 2) as [string, string]),
  );
  const graceSeconds = seconds(environment.get("AIRUNNER_GRACE_PERIOD")!);
  // The grace period, ten seconds for jobs that do not heed SIGTERM, and five for what is left to send.
  assert.ok(seconds(unit.get("TimeoutStopSec")![0]) > graceSeconds + 15);
  assert.deepEqual(unit.get("KillMode"), ["mixed"]);
  assert.deepEqual(unit.get("Type"), ["notify"]);
  assert.equal(environment.get("AIRUNNER_DATA_DIR"), `%S/${unit.get("StateDirectory")![0].split(" ")[0]}`);
  for (const name of UNITS) assert.ok(!readUnit(name).has("MemoryDenyWriteExecute"), name);
});

Deno.test("every setting in the units is one that the program knows", async () => {
  await using sandbox = new Sandbox();
  for (const name of UNITS) {
    const unit = readUnit(name);
    const [command] = /(?<=airunner )\w+/.exec(unit.get("ExecStart")![0])!;
    const { code, stdout } = await sandbox.run([command, "--help"]);
    assert.equal(code, 0);
    const help = new TextDecoder().decode(stdout);
    for (const pair of unit.get("Environment")!) {
      const [variable] = pair.split("=");
      if (variable !== "HOME") assert.ok(help.includes(variable), `${name}: ${variable}`);
    }
  }
});

Deno.test("the drop-in for a job user gives the worker exactly the capabilities that it asks for", async () => {
  const unit = readUnit("job-user.conf");
  await using sandbox = new Sandbox();
  const help = new TextDecoder().decode((await sandbox.run(["worker", "--help"])).stdout);
  assert.ok(help.includes(unit.get("Environment")![0].split("=")[0]));
  // Any user but root and the worker's own would do: the one who lacks the capabilities is told which they
  // are.
  const { code, stderr } = await sandbox.run(
    ["worker", "--server=http://127.0.0.1:1", "--job-user=nobody", "--metrics-listen=off"],
    Deno.uid() === 0 ? { wrapper: ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] } : {},
  );
  assert.equal(code, 78, stderr);
  const asked = /the worker lacks (.+?)\./.exec(stderr)![1].split(", ").join(" ");
  for (const key of ["AmbientCapabilities", "CapabilityBoundingSet"]) {
    assert.deepEqual(unit.get(key), [asked]);
  }
});

Deno.test("a worker says that it is ready although its server is away, and that it stops; its jobs cannot", async () => {
  await using sandbox = new Sandbox();
  const server = await sandbox.startServer();
  const script = 'echo "socket: $NOTIFY_SOCKET."';
  const submitted = await sandbox.run(["submit", `--server=${server.url}`, "--", "sh", "-c", script]);
  const jobId = new TextDecoder().decode(submitted.stdout).trim();
  await server.program.kill("SIGKILL");

  using receiver = new NotifyReceiver(`${sandbox.directory}/notify`);
  const worker = sandbox.start(["worker", `--server=${server.url}`, "--metrics-listen=127.0.0.1:0"], {
    env: { NOTIFY_SOCKET: receiver.address },
  });
  assert.equal(await receiver.receive(), "READY=1");
  await Scraper.ofWorker(worker);
  await sandbox.startServer(server.port);
  await worker.waitFor(/Job completed/);
  const logs = await sandbox.run(["logs", jobId, "--raw", `--server=${server.url}`]);
  assert.equal(new TextDecoder().decode(logs.stdout), "socket: .\n");

  worker.signal("SIGTERM");
  assert.equal(await receiver.receive(), "STOPPING=1");
  assert.equal((await worker.end()).code, 0);
});

Deno.test("a server says that it is ready once it listens, and that it stops", async () => {
  await using sandbox = new Sandbox();
  using receiver = new NotifyReceiver(`@airunner-test-${crypto.randomUUID()}`);
  const server = sandbox.start(["server", "--listen=127.0.0.1:0", `--data=${sandbox.directory}/server.db`], {
    env: { NOTIFY_SOCKET: receiver.address },
  });
  assert.equal(await receiver.receive(), "READY=1");
  const [, url] = await server.waitFor(/Listening on (http:\S+)/);
  assert.equal((await Scraper.at(url).health("/healthz")).status, 200);
  server.signal("SIGTERM");
  assert.equal(await receiver.receive(), "STOPPING=1");
  assert.equal((await server.end()).code, 0);
});

Deno.test("a service manager that does not listen keeps nobody from working", async () => {
  await using sandbox = new Sandbox();
  const server = await sandbox.startServer();
  const { code, stderr } = await sandbox.run(["worker", `--server=${server.url}`, "--once"], {
    env: { NOTIFY_SOCKET: "/nonexistent/notify", AIRUNNER_METRICS_LISTEN: "off" },
  });
  assert.equal(code, 0, stderr);
  assert.match(stderr, /Cannot tell the service manager/);
});
