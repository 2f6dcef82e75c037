/**
 * What an operator sees of a server: the metrics of the compiled binary, and who may read them.
 */
import assert from "node:assert/strict";
import { createCredentials } from "../src/client/create_credentials.ts";
import { loadCredentials } from "../src/client/credentials.ts";
import { SERVER_METRICS } from "../src/metrics/table.ts";
import { systemFiles } from "../src/platform/system_files.ts";
import { type Program, Sandbox } from "./support/airunner.ts";
import { assertComplete } from "./support/complete_metrics.ts";
import { startScrapedWorker } from "./support/scraped_worker.ts";
import { Scraper } from "./support/scraper.ts";
import { submitScript } from "./support/submit.ts";

Deno.test("the server's metrics begin at 0 and move with what it stores", async () => {
  await using sandbox = new Sandbox();
  const { url } = await sandbox.startServer();
  const scraper = Scraper.at(url);
  const idle = await scraper.scrape();
  assertComplete(idle, SERVER_METRICS);
  for (const { name, type } of SERVER_METRICS) {
    if (type === "gauge" || name === "process_cpu_seconds_total") continue;
    for (const { value } of idle.families.get(name)!.samples) assert.equal(value, 0, name);
  }
  const go = `${sandbox.directory}/go`;
  const jobId = await submitScript(
    sandbox,
    url,
    `while [ ! -e ${go} ]; do sleep 0.05; done; echo hello; exit 3`,
  );
  assert.equal((await scraper.scrape()).value("airunner_server_jobs", { state: "scheduled" }), 1);
  const reader = sandbox.start(["logs", jobId, `--server=${url}`]);
  await scraper.until((scrape) => scrape.value("airunner_server_streams") === 1);
  const worker = startScrapedWorker(sandbox, url);
  await worker.waitFor(/Job started/);
  assert.equal((await scraper.scrape()).value("airunner_server_jobs", { state: "running" }), 1);
  Deno.writeTextFileSync(go, "");
  assert.equal((await reader.end()).code, 3);
  await worker.waitFor(/Job completed/);
  const done = await scraper.until((scrape) => scrape.value("airunner_server_streams") === 0);
  const worked = await (await Scraper.ofWorker(worker)).scrape();
  assert.equal(
    done.value("airunner_server_events_stored_total"),
    worked.value("wal_events_acknowledged_total"),
  );
  assert.equal(done.value("airunner_server_events_duplicate_total"), 0);
  assert.ok(done.value("airunner_server_publish_duration_seconds_count") > 0);
  assert.equal(done.value("airunner_server_jobs", { state: "failed" }), 1);
  assert.equal(done.value("airunner_server_jobs", { state: "running" }), 0);
  const requests = (method: string, code: string) =>
    done.value("airunner_server_requests_total", { method, code });
  assert.equal(requests("EnqueueJob", "ok"), 1);
  assert.equal(requests("CompleteJob", "ok"), 1);
  assert.equal(
    requests("PublishJobEvents", "ok"),
    worked.value("wal_send_attempts_total", { result: "ok", reason: "none" }),
  );
  const missing = await sandbox.run(["logs", "no-such-job", `--server=${url}`]);
  assert.equal(missing.code, 1);
  assert.equal(
    (await scraper.scrape()).value("airunner_server_requests_total", {
      method: "StreamJobEvents",
      code: "not_found",
    }),
    1,
  );
  const refused = await fetch(`${url}/metrics`, { method: "POST" });
  assert.deepEqual([refused.status, refused.headers.get("allow")], [405, "GET, HEAD"]);
  await refused.body?.cancel();
});

Deno.test("a server with keys counts whom it turns away, and shows its metrics to who has the token or a key", async () => {
  await using sandbox = new Sandbox();
  const keys = `${sandbox.directory}/keys`;
  const tokenFile = `${sandbox.directory}/token`;
  Deno.mkdirSync(keys);
  Deno.writeTextFileSync(tokenFile, "first-token\n");
  const { publicKeyPath } = await createCredentials(
    systemFiles,
    `${sandbox.directory}/scraper`,
    "scraper",
    { org: "o", principal: "p" },
    0,
  );
  Deno.copyFileSync(publicKeyPath, `${keys}/scraper.pub`);
  const [program, url] = await startServerWithKeys(sandbox, keys, `--metrics-token-file=${tokenFile}`);
  for (const args of [["list"], ["logs", "job-1"]]) {
    assert.equal((await sandbox.run([...args, `--server=${url}`])).code, 4);
  }
  const asked = async (authorization?: string, more: Record<string, string> = {}) => {
    const headers = { ...more, ...authorization && { Authorization: authorization } };
    const response = await fetch(`${url}/metrics`, { headers });
    return [response.status, await response.text()] as const;
  };
  // From this machine, and without a proxy that says that it is one: that proves nothing.
  for (const wrong of [undefined, "Bearer other-token", "Bearer ", "Basic Zmlyc3QtdG9rZW4=", "first-token"]) {
    const [status, text] = await asked(wrong);
    assert.equal(status, 401, wrong);
    assert.doesNotMatch(text, /airunner_/);
  }
  const [status, metrics] = await asked("Bearer first-token", { "X-Forwarded-For": "203.0.113.7" });
  assert.equal(status, 200);
  assert.match(metrics, /^airunner_server_connections \d/m);
  Deno.writeTextFileSync(tokenFile, "second-token\n");
  assert.equal((await asked("Bearer first-token"))[0], 401);
  assert.equal((await asked("Bearer second-token"))[0], 200);
  Deno.writeTextFileSync(tokenFile, "");
  assert.equal((await asked("Bearer "))[0], 401);
  const credentials = (await loadCredentials(systemFiles, `${sandbox.directory}/scraper`, "scraper"))!;
  assert.equal((await asked(`Bearer ${await credentials.token(url, Date.now())}`))[0], 200);
  assert.equal(await (await fetch(`${url}/healthz`)).text(), "ok\n", "health is open to everybody");
  assert.doesNotMatch((await program.kill("SIGTERM")).stderr, /token\b.*(first|second)-token/);

  const [, open] = await startServerWithKeys(sandbox, keys, "--metrics-open");
  assert.ok((await Scraper.at(open).scrape()).value("airunner_server_connections") > 0);
  const empty = await sandbox.run(["server", `--metrics-token-file=${tokenFile}`]);
  assert.equal(empty.code, 78);
  assert.match(empty.stderr, /The token for metrics is empty.*\n.*head -c 32/);
});

async function startServerWithKeys(
  sandbox: Sandbox,
  keys: string,
  ...more: string[]
): Promise<[Program, url: string]> {
  const program = sandbox.start([
    "server",
    "--listen=127.0.0.1:0",
    `--data=${sandbox.directory}/server.db`,
    `--authorized-keys=${keys}`,
    ...more,
  ]);
  const [, url] = await program.waitFor(/Listening on (http:\S+)/);
  return [program, url];
}
