/**
 * `airunner doctor` on the compiled binary, whose permissions are not those of a test: on a machine where
 * nothing is, beside a running worker, and against a server that asks who calls.
 */
import assert from "node:assert/strict";
import { systemFiles } from "../src/platform/system_files.ts";
import { createCredentials } from "../src/client/create_credentials.ts";
import { Sandbox } from "./support/airunner.ts";

interface Report {
  ok: boolean;
  checks: { id: string; status: string; found: string; measured: Record<string, unknown> }[];
}

async function doctor(
  sandbox: Sandbox,
  ...args: string[]
): Promise<{ code: number } & Record<string, Report["checks"][0]>> {
  const { code, stdout, stderr } = await sandbox.run(["doctor", "--json", ...args]);
  assert.equal(stderr, "");
  const report: Report = JSON.parse(new TextDecoder().decode(stdout));
  return { ...Object.fromEntries(report.checks.map((check) => [check.id, check])), code } as never;
}

const namesIn = (directory: string) => [...Deno.readDirSync(directory)].map(({ name }) => name);

Deno.test("on a fresh machine doctor finds nothing wrong and makes nothing", async () => {
  await using sandbox = new Sandbox();
  const { code, worker, wal_directory, file_system } = await doctor(sandbox, "--metrics-listen=off");
  assert.equal(code, 0);
  assert.match(worker.found, /none has run here yet/);
  assert.match(wal_directory.found, /not there yet/);
  assert.doesNotMatch(file_system.found, /^0x/, "the file system of this machine has a name");
  assert.deepEqual(namesIn(sandbox.directory), []);
});

Deno.test("beside a worker that runs a job doctor sees both, and leaves nothing behind", async () => {
  await using sandbox = new Sandbox();
  const { url } = await sandbox.startServer();
  const go = `${sandbox.directory}/go`;
  const script = `echo begun; while [ ! -e ${go} ]; do sleep 0.05; done`;
  await sandbox.run(["submit", `--server=${url}`, "--", "sh", "-c", script]);
  const worker = sandbox.start([
    "worker",
    `--server=${url}`,
    "--log-level=debug",
    "--metrics-listen=127.0.0.1:0",
  ]);
  await worker.waitFor(/Successfully sent records/);
  const [, address] = await worker.waitFor(/Serving metrics url=http:\/\/(\S+)/);

  const seen = await doctor(sandbox, `--server=${url}`, `--metrics-listen=${address}`);
  assert.equal(seen.code, 0);
  assert.match(seen.worker.found, /is ready; 1 log in use/);
  assert.deepEqual([seen.server.status, seen.credentials.status, seen.clock.status], ["ok", "ok", "ok"]);
  assert.equal(seen.damage.status, "ok");
  assert.ok(Number(seen.sync_time.measured.samples) > 0);
  assert.ok(namesIn(`${sandbox.dataDir}/wal`).every((name) => !name.includes("doctor")));
  Deno.writeTextFileSync(go, "");
  await worker.waitFor(/Job completed/);
});

Deno.test("a server that asks who calls is told apart from one that does not let us in", async () => {
  await using sandbox = new Sandbox();
  const keys = `${sandbox.directory}/keys`;
  Deno.mkdirSync(keys);
  const identity = { org: "org", principal: "worker" };
  const { publicKeyPath } = await createCredentials(
    systemFiles,
    `${sandbox.dataDir}/credentials`,
    "ci",
    identity,
    Date.now(),
  );
  Deno.copyFileSync(publicKeyPath, `${keys}/ci.pub`);
  const server = sandbox.start([
    "server",
    "--listen=127.0.0.1:0",
    `--data=${sandbox.directory}/server.db`,
    `--authorized-keys=${keys}`,
  ]);
  const [, url] = await server.waitFor(/Listening on (http:\/\/127\.0\.0\.1:\d+)/);
  const known = await doctor(sandbox, `--server=${url}`, "--metrics-listen=off");
  assert.deepEqual([known.credentials.status, known.credentials.measured.signed], ["ok", true]);

  Deno.removeSync(`${sandbox.dataDir}/credentials`, { recursive: true });
  await createCredentials(systemFiles, `${sandbox.dataDir}/credentials`, "ci", identity, Date.now());
  const unknown = await doctor(sandbox, `--server=${url}`, "--metrics-listen=off");
  assert.deepEqual([unknown.code, unknown.server.status, unknown.credentials.status], [3, "ok", "problem"]);
});
