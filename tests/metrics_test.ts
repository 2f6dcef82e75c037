/**
 * What an operator sees of a worker and a server: metrics and health of the compiled binary, through outages, kills, full
 * disks and damage.
 */
import assert from "node:assert/strict";
import { systemFiles } from "../src/platform/system_files.ts";
import { Code, ConnectError, type ConnectRouter } from "@connectrpc/connect";
import { JobEventsService, JobService } from "../src/events/gen/job/v1/job_pb.ts";
import { type Metric, seriesOf, SERVER_METRICS, WORKER_METRICS } from "../src/metrics/table.ts";
import { createCredentials } from "../src/client/create_credentials.ts";
import { loadCredentials } from "../src/client/credentials.ts";
import { type Program, Sandbox } from "./support/airunner.ts";
import { FakeServer, type Fault } from "./support/fake_server.ts";
import { type Scrape, Scraper } from "./support/scraper.ts";
import { SmallDisk } from "./support/small_disk.ts";

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

async function submit(sandbox: Sandbox, url: string, script: string): Promise<string> {
  const { code, stdout, stderr } = await sandbox.run(["submit", `--server=${url}`, "--", "sh", "-c", script]);
  assert.equal(code, 0, stderr);
  return text(stdout).trim();
}

function startWorker(sandbox: Sandbox, url: string, ...more: string[]): Program {
  return sandbox.start([
    "worker",
    `--server=${url}`,
    "--metrics-listen=127.0.0.1:0",
    "--retry-initial-interval=50ms",
    "--retry-max-interval=200ms",
    ...more,
  ]);
}

/** What `airunner wal verify` says is pending in all logs of a directory. */
async function verifiedPending(sandbox: Sandbox, walDir: string): Promise<number> {
  const logs = [...Deno.readDirSync(walDir)].map(({ name }) => name).filter((name) =>
    /^[^.].*\.wal$/.test(name)
  );
  assert.ok(logs.length > 0);
  const { stdout } = await sandbox.run([
    "wal",
    "verify",
    "--json",
    ...logs.map((name) => `${walDir}/${name}`),
  ]);
  const lines = text(stdout).trim().split("\n");
  assert.equal(lines.length, logs.length);
  return lines.reduce((sum, line) => sum + JSON.parse(line).pending, 0);
}

/** Every metric of the table is there, with all its series, and nothing else is. */
function assertComplete(scrape: Scrape, metrics: readonly Metric[]): void {
  assert.deepEqual([...scrape.families.keys()], metrics.map(({ name }) => name));
  for (const metric of metrics) {
    const { type, samples } = scrape.families.get(metric.name)!;
    assert.equal(type, metric.type);
    if (type !== "histogram" && seriesOf(metric).length > 0) {
      assert.deepEqual(samples.map(({ labels }) => labels), seriesOf(metric), metric.name);
    }
  }
}

Deno.test("a worker's metrics begin at 0 and move with its jobs", async () => {
  await using sandbox = new Sandbox();
  const { url } = await sandbox.startServer();
  const worker = startWorker(sandbox, url, "--concurrency=2");
  const scraper = await Scraper.ofWorker(worker);
  await worker.waitFor(/Worker started/);
  const idle = await scraper.scrape();
  assertComplete(idle, WORKER_METRICS);
  for (const { name, type } of WORKER_METRICS) {
    if (type === "gauge" || name === "process_cpu_seconds_total") continue;
    for (const { value } of idle.families.get(name)!.samples) assert.equal(value, 0, name);
  }
  assert.equal(idle.value("airunner_ready"), 1);
  assert.equal(idle.value("airunner_build_info", {}), 1);
  assert.ok(
    idle.value("disk_total_bytes", { directory: "wal" }) >
      idle.value("disk_free_bytes", { directory: "wal" }),
  );
  assert.deepEqual(await scraper.health("/healthz"), { status: 200, text: "ok\n" });
  assert.deepEqual(await scraper.health("/readyz"), { status: 200, text: "ready\n" });

  const go = `${sandbox.directory}/go`;
  const jobs = [
    await submit(sandbox, url, `while [ ! -e ${go} ]; do sleep 0.05; done; seq 20000`),
    await submit(sandbox, url, "exit 3"),
  ];
  const running = await scraper.until((scrape) =>
    scrape.value("airunner_jobs_total", { result: "failed" }) === 1
  );
  assert.equal(running.value("airunner_jobs_running"), 1);
  Deno.writeTextFileSync(go, "");
  const done = await scraper.until((scrape) => scrape.value("wal_archive_files") === 2);
  assert.equal(done.value("airunner_jobs_total", { result: "succeeded" }), 1);
  assert.equal(done.value("airunner_jobs_running"), 0);
  const appends = done.value("wal_appends_total");
  assert.ok(appends >= 5, "start, output and end of one, start and end of the other");
  assert.equal(done.value("wal_append_duration_seconds_count"), appends);
  assert.equal(done.value("wal_append_duration_seconds_bucket", { le: "+Inf" }), appends);
  assert.ok(done.value("wal_fsync_duration_seconds_count") > 0);
  assert.equal(done.value("wal_events_acknowledged_total"), appends);
  assert.ok(done.value("wal_send_attempts_total", { result: "ok" }) > 0);
  assert.equal(done.value("wal_pending_events"), 0);
  assert.equal(done.value("wal_oldest_pending_timestamp_seconds"), 0);
  assert.equal(done.value("wal_directory_size_bytes", { directory: "wal" }), 0);
  const archived = jobs.map((id) => Deno.statSync(`${sandbox.dataDir}/archive/${id}.wal.zst`).size);
  assert.equal(done.value("wal_archive_size_bytes"), archived[0] + archived[1]);
  assert.equal(done.value("wal_directory_size_bytes", { directory: "archive" }), archived[0] + archived[1]);
  assert.ok(done.value("wal_archive_raw_bytes") > 108_894, "the output of seq alone has that many");
  for (const id of jobs) assert.ok(!done.text.includes(id), "no job id is in a metric");
});

Deno.test("an idle worker with metrics uses less than 90 MB", async () => {
  await using sandbox = new Sandbox();
  const { url } = await sandbox.startServer();
  const worker = startWorker(sandbox, url);
  const scraper = await Scraper.ofWorker(worker);
  await worker.waitFor(/Worker started/);
  let bytes = 0;
  for (let i = 0; i < 20; i++) bytes = (await scraper.scrape()).value("process_resident_memory_bytes");
  assert.ok(bytes < 90e6, `${bytes} bytes`);
});

Deno.test("metrics can be switched off, and a port that is taken keeps no worker from its work", async () => {
  await using sandbox = new Sandbox();
  const { url } = await sandbox.startServer();
  const go = `${sandbox.directory}/go`;
  await submit(sandbox, url, `while [ ! -e ${go} ]; do sleep 0.05; done`);
  const first = startWorker(sandbox, url);
  const scraper = await Scraper.ofWorker(first);
  await first.waitFor(/Job started/);
  const { host } = new URL(scraper.url);
  await submit(sandbox, url, "true");
  const second = await sandbox.run(["worker", `--server=${url}`, "--once", `--metrics-listen=${host}`]);
  assert.equal(second.code, 0, second.stderr);
  assert.match(second.stderr, /ERR Cannot serve metrics.*another worker, has the port/);
  assert.match(second.stderr, /Job completed/);

  await submit(sandbox, url, "true");
  const off = await sandbox.run(["worker", `--server=${url}`, "--once"], {
    env: { AIRUNNER_METRICS_LISTEN: "off" },
  });
  assert.equal(off.code, 0, off.stderr);
  assert.match(off.stderr, /Job completed/);
  assert.doesNotMatch(off.stderr, /metrics/i);
  Deno.writeTextFileSync(go, "");
  await scraper.until((scrape) => scrape.value("airunner_jobs_total", { result: "succeeded" }) === 1);
});

/** Gives out one job, then none, and stores what it is sent, but for the event with the sequence `refused`. */
function oneJob(command: string, stored: Set<bigint>, refused?: bigint): (router: ConnectRouter) => void {
  let isGiven = false;
  return (router) => {
    router.service(JobService, {
      async *dequeueJob(_request, { signal }) {
        if (!isGiven) {
          isGiven = true;
          yield {
            job: { jobId: "job-1", jobParams: { command: "sh", args: ["-c", command] } },
            taskToken: "secret-token",
          };
        }
        await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
      },
      updateJob: () => ({}),
      completeJob: () => ({}),
    });
    router.service(JobEventsService, {
      async publishJobEvents(requests) {
        let fresh = 0;
        let duplicate = 0;
        for await (const { events } of requests) {
          if (events.some(({ sequence }) => sequence === refused)) {
            throw new ConnectError("not this one", Code.InvalidArgument);
          }
          for (const { sequence } of events) {
            if (stored.has(sequence)) duplicate++;
            else fresh++;
            stored.add(sequence);
          }
        }
        return { eventsStored: BigInt(fresh), eventsDuplicate: BigInt(duplicate) };
      },
    });
  };
}

Deno.test("calls that fail are counted by result and reason, and each that is made again as a retry", async () => {
  await using sandbox = new Sandbox();
  const stored = new Set<bigint>();
  const server = new FakeServer({ routes: oneJob("echo hello", stored) });
  const faults: [Fault, result: string, reason: string][] = [
    [{ kind: "http", status: 429 }, "transient", "rate_limited"],
    [
      { kind: "connect_error", code: Code.ResourceExhausted, message: "slow down" },
      "transient",
      "rate_limited",
    ],
    [{ kind: "http", status: 503 }, "transient", "server_error"],
    [{ kind: "connect_error", code: Code.Unavailable, message: "stopping" }, "transient", "server_error"],
    [{ kind: "cut", stored: true }, "transient", "network"],
    [{ kind: "http", status: 302 }, "transient", "other"],
    [{ kind: "silence" }, "transient", "timeout"],
    [{ kind: "http", status: 401 }, "authentication", "unauthenticated"],
    [{ kind: "connect_error", code: Code.Unimplemented, message: "no" }, "refused", "other"],
    [{ kind: "connect_error", code: Code.InvalidArgument, message: "no" }, "refused", "invalid"],
  ];
  server.failNext("PublishJobEvents", ...faults.map(([fault]) => fault));
  try {
    const worker = startWorker(sandbox, server.url, "--request-timeout=1s");
    const scraper = await Scraper.ofWorker(worker);
    await worker.waitFor(/Job completed/);
    const scrape = await scraper.scrape();
    for (const [, result, reason] of faults) {
      const count = faults.filter((fault) => fault[1] === result && fault[2] === reason).length;
      assert.equal(scrape.value("wal_send_attempts_total", { result, reason }), count, `${result} ${reason}`);
    }
    assert.equal(scrape.value("wal_retries_total"), faults.length);
    assert.equal(scrape.value("wal_failures_total"), 0);
    assert.ok(
      scrape.value("wal_events_duplicate_total") > 0,
      "those that were stored when the connection was cut",
    );
    assert.equal(scrape.value("wal_events_acknowledged_total"), stored.size);
    assert.ok(!scrape.text.includes("secret-token"));
  } finally {
    await server.stop();
  }
});

Deno.test("a server that is gone is a reason of its own: the network", async () => {
  await using sandbox = new Sandbox();
  const go = `${sandbox.directory}/go`;
  const server = new FakeServer({
    routes: oneJob(`while [ ! -e ${go} ]; do sleep 0.05; done; echo hello`, new Set()),
  });
  try {
    const worker = startWorker(sandbox, server.url);
    const scraper = await Scraper.ofWorker(worker);
    await worker.waitFor(/Job started/);
    await scraper.until((scrape) => scrape.value("wal_events_acknowledged_total") > 0);
    await server.takeDown();
    Deno.writeTextFileSync(go, "");
    const network = { result: "transient", reason: "network" };
    const away = await scraper.until((scrape) => scrape.value("wal_send_attempts_total", network) >= 2);
    assert.ok(away.value("wal_pending_events") > 0);
    server.bringUp();
    await worker.waitFor(/Job completed/);
    const back = await scraper.scrape();
    const failed = ["timeout", "rate_limited", "server_error", "other"].map((reason) =>
      back.value("wal_send_attempts_total", { result: "transient", reason })
    );
    assert.deepEqual(failed, [0, 0, 0, 0]);
    assert.equal(back.value("wal_pending_events"), 0);
  } finally {
    await server.stop();
  }
});

Deno.test("an event that the server refuses for good is a failure, and the others are sent", async () => {
  await using sandbox = new Sandbox();
  const stored = new Set<bigint>();
  const server = new FakeServer({ routes: oneJob("echo hello", stored, 2n) });
  try {
    const worker = startWorker(sandbox, server.url, "--retry-attempts=2");
    const scraper = await Scraper.ofWorker(worker);
    await worker.waitFor(/Job completed/);
    const scrape = await scraper.scrape();
    assert.equal(scrape.value("wal_failures_total"), 1);
    assert.equal(scrape.value("wal_pending_events"), 0);
    assert.equal(scrape.value("wal_events_acknowledged_total"), scrape.value("wal_appends_total") - 1);
    assert.ok(scrape.value("wal_send_attempts_total", { result: "refused", reason: "invalid" }) >= 2);
  } finally {
    await server.stop();
  }
});

Deno.test("after kill -9 a new worker tells what is pending as `wal verify` does, and counts it down", async () => {
  await using sandbox = new Sandbox();
  const first = await sandbox.startServer();
  const go = `${sandbox.directory}/go`;
  const jobId = await submit(
    sandbox,
    first.url,
    `while [ ! -e ${go} ]; do sleep 0.05; done; seq 1000; sleep 60`,
  );
  const killed = startWorker(sandbox, first.url, "--flush-interval=50ms");
  await killed.waitFor(/Job started/);
  const before = await Scraper.ofWorker(killed);
  await before.until((scrape) => scrape.value("wal_events_acknowledged_total") === 1);
  await first.program.kill("SIGKILL");
  Deno.writeTextFileSync(go, "");
  await before.until((scrape) => scrape.value("wal_pending_events") >= 1);
  await killed.kill("SIGKILL");

  // Eight are taken up at a time; the others wait on disk.
  const walDir = `${sandbox.dataDir}/wal`;
  for (let copy = 2; copy <= 12; copy++) {
    Deno.copyFileSync(`${walDir}/${jobId}.wal`, `${walDir}/${jobId}.${copy}.wal`);
  }
  const expected = await verifiedPending(sandbox, walDir);
  assert.ok(expected >= 12);
  const worker = startWorker(sandbox, first.url);
  const scraper = await Scraper.ofWorker(worker);
  const start = await scraper.until((scrape) => scrape.value("wal_logs", { state: "active" }) === 8);
  assert.equal(start.value("wal_pending_events"), expected);
  assert.equal(await verifiedPending(sandbox, walDir), expected);
  assert.equal(start.value("wal_logs", { state: "orphaned" }), 4);
  assert.ok(start.value("wal_pending_bytes") >= expected * 32);
  const oldest = start.value("wal_oldest_pending_timestamp_seconds");
  assert.ok(oldest > Date.now() / 1000 - 600 && oldest <= Date.now() / 1000);

  await sandbox.startServer(first.port);
  const end = await scraper.until((scrape) =>
    scrape.value("wal_pending_events") === 0 && scrape.value("wal_logs", { state: "orphaned" }) === 0
  );
  assert.equal(end.value("wal_pending_bytes"), 0);
  assert.equal(end.value("wal_oldest_pending_timestamp_seconds"), 0);
  assert.ok(
    end.value("wal_events_duplicate_total") >= expected * 10 / 12,
    "eleven logs held the same events",
  );
});

Deno.test("a damaged log is counted as corrupt and quarantined, until it was moved away", async () => {
  await using sandbox = new Sandbox();
  const first = await sandbox.startServer();
  const jobId = await submit(sandbox, first.url, "seq 2000; sleep 60");
  const killed = startWorker(sandbox, first.url, "--flush-interval=50ms");
  await (await Scraper.ofWorker(killed)).until((scrape) => scrape.value("wal_appends_total") >= 2);
  await killed.kill("SIGKILL");
  const path = `${sandbox.dataDir}/wal/${jobId}.wal`;
  const file = Deno.openSync(path, { read: true, write: true });
  const { size } = file.statSync();
  file.seekSync(size - 40, Deno.SeekMode.Start);
  file.writeSync(new Uint8Array([0xff, 0xff, 0xff]));
  file.close();

  const worker = startWorker(sandbox, first.url);
  const scraper = await Scraper.ofWorker(worker);
  const scrape = await scraper.until((scrape) => scrape.value("wal_logs", { state: "quarantined" }) === 1);
  assert.equal(scrape.value("wal_corrupt_records_total"), 1);
  Deno.removeSync(`${path}.corrupt`);
  await scraper.until((scrape) => scrape.value("wal_logs", { state: "quarantined" }) === 0);
});

Deno.test("a worker is not ready while its oldest unsent event is too old, and ready once that was sent", async () => {
  await using sandbox = new Sandbox();
  const first = await sandbox.startServer();
  const go = `${sandbox.directory}/go`;
  const jobId = await submit(sandbox, first.url, `while [ ! -e ${go} ]; do sleep 0.05; done; echo hello`);
  const worker = startWorker(sandbox, first.url, "--ready-max-unsent-age=500ms");
  const scraper = await Scraper.ofWorker(worker);
  await scraper.until((scrape) => scrape.value("wal_events_acknowledged_total") > 0);
  assert.equal((await scraper.health("/readyz")).status, 200);
  await first.program.kill("SIGKILL");
  Deno.writeTextFileSync(go, "");
  const reasons = await scraper.untilReadiness(503);
  assert.match(reasons, /^the oldest unsent event is \S+ old, and 500ms is the limit: /);
  assert.ok(reasons.endsWith(`${jobId}.wal\n`));
  assert.equal((await scraper.scrape()).value("airunner_ready"), 0);
  assert.equal((await scraper.health("/healthz")).status, 200);
  await sandbox.startServer(first.port);
  assert.equal(await scraper.untilReadiness(200), "ready\n");
  assert.equal((await scraper.scrape()).value("airunner_ready"), 1);
});

Deno.test("a full disk is a reason not to be ready: the space that is kept free, then failed appends", async () => {
  await using sandbox = new Sandbox();
  const { url } = await sandbox.startServer();
  await using disk = await SmallDisk.mount("8m");
  const go = `${sandbox.directory}/go`;
  const script = `while [ ! -e ${go} ]; do sleep 0.05; done; head -c 3000000 /dev/zero | tr '\\0' 'y'`;
  await submit(sandbox, url, script);
  const data = `--data-dir=${disk.path}/data`;
  const worker = startWorker(sandbox, url, data, "--min-free-space=200kB");
  const scraper = await Scraper.ofWorker(worker);
  await worker.waitFor(/Job started/);
  await scraper.untilReadiness(200);
  disk.fill(100_000);
  const budget = await scraper.untilReadiness(503);
  assert.match(budget, /^the disk budget is reached: no space left on device/);
  const full = await scraper.scrape();
  assert.ok(full.value("disk_free_bytes", { directory: "wal" }) < 200_000);
  assert.equal(full.value("disk_total_bytes", { directory: "archive" }), 8 * 1024 * 1024);
  disk.clear();
  await scraper.untilReadiness(200);
  Deno.writeTextFileSync(go, "");
  await worker.waitFor(/Job completed/);
  await worker.kill("SIGTERM");

  await submit(sandbox, url, "head -c 3000000 /dev/zero | tr '\\0' 'y'");
  disk.fill(1_000_000);
  const unreserved = startWorker(sandbox, url, data, "--min-free-space=0");
  const next = await Scraper.ofWorker(unreserved);
  assert.match(await next.untilReadiness(503), /^appends fail: no space left on device/);
  assert.ok((await next.scrape()).value("wal_append_errors_total", { reason: "no_space" }) > 0);
  disk.clear();
  await unreserved.waitFor(/Job completed/);
  await next.untilReadiness(200);
  await unreserved.kill("SIGTERM");
});

Deno.test("output that the server does not take fills the disk budget, which is a reason not to be ready", async () => {
  await using sandbox = new Sandbox();
  const first = await sandbox.startServer();
  const go = `${sandbox.directory}/go`;
  const script = `while [ ! -e ${go} ]; do sleep 0.05; done; head -c 30000000 /dev/zero | tr '\\0' 'y'`;
  await submit(sandbox, first.url, script);
  const worker = startWorker(sandbox, first.url, "--wal-max-bytes=16MB");
  const scraper = await Scraper.ofWorker(worker);
  await scraper.until((scrape) => scrape.value("wal_events_acknowledged_total") > 0);
  await first.program.kill("SIGKILL");
  Deno.writeTextFileSync(go, "");
  assert.match(
    await scraper.untilReadiness(503),
    /^the disk budget is reached: \d+ bytes wait for the server, which is the most that may\n$/,
  );
  const paused = await scraper.scrape();
  assert.ok(paused.value("wal_pending_bytes") >= 16e6);
  await sandbox.startServer(first.port);
  await worker.waitFor(/Job completed/);
  await scraper.untilReadiness(200);
});

Deno.test("a worker that is stopping says so while its job ends", async () => {
  await using sandbox = new Sandbox();
  const { url } = await sandbox.startServer();
  const go = `${sandbox.directory}/go`;
  await submit(sandbox, url, `while [ ! -e ${go} ]; do sleep 0.05; done`);
  const worker = startWorker(sandbox, url);
  const scraper = await Scraper.ofWorker(worker);
  await worker.waitFor(/Job started/);
  worker.signal("SIGTERM");
  assert.match(await scraper.untilReadiness(503), /^the worker is stopping/);
  Deno.writeTextFileSync(go, "");
  assert.equal((await worker.end()).code, 0);
});

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
  const jobId = await submit(sandbox, url, `while [ ! -e ${go} ]; do sleep 0.05; done; echo hello; exit 3`);
  assert.equal((await scraper.scrape()).value("airunner_server_jobs", { state: "scheduled" }), 1);
  const reader = sandbox.start(["logs", jobId, `--server=${url}`]);
  await scraper.until((scrape) => scrape.value("airunner_server_streams") === 1);
  const worker = startWorker(sandbox, url);
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
