/**
 * What an operator sees of a worker: the metrics of the compiled binary, through outages, kills and damage.
 */
import assert from "node:assert/strict";
import { Code, ConnectError, type ConnectRouter } from "@connectrpc/connect";
import { JobEventsService, JobService } from "../src/events/gen/job/v1/job_pb.ts";
import { WORKER_METRICS } from "../src/metrics/table.ts";
import { Sandbox } from "./support/airunner.ts";
import { assertComplete } from "./support/complete_metrics.ts";
import { FakeServer, type Fault } from "./support/fake_server.ts";
import { startScrapedWorker } from "./support/scraped_worker.ts";
import { Scraper } from "./support/scraper.ts";
import { submitScript } from "./support/submit.ts";

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

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

Deno.test("a worker's metrics begin at 0 and move with its jobs", async () => {
  await using sandbox = new Sandbox();
  const { url } = await sandbox.startServer();
  const worker = startScrapedWorker(sandbox, url, "--concurrency=2");
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
    await submitScript(sandbox, url, `while [ ! -e ${go} ]; do sleep 0.05; done; seq 20000`),
    await submitScript(sandbox, url, "exit 3"),
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
  const worker = startScrapedWorker(sandbox, url);
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
  await submitScript(sandbox, url, `while [ ! -e ${go} ]; do sleep 0.05; done`);
  const first = startScrapedWorker(sandbox, url);
  const scraper = await Scraper.ofWorker(first);
  await first.waitFor(/Job started/);
  const { host } = new URL(scraper.url);
  await submitScript(sandbox, url, "true");
  const second = await sandbox.run(["worker", `--server=${url}`, "--once", `--metrics-listen=${host}`]);
  assert.equal(second.code, 0, second.stderr);
  assert.match(second.stderr, /ERR Cannot serve metrics.*another worker, has the port/);
  assert.match(second.stderr, /Job completed/);

  await submitScript(sandbox, url, "true");
  const off = await sandbox.run(["worker", `--server=${url}`, "--once"], {
    env: { AIRUNNER_METRICS_LISTEN: "off" },
  });
  assert.equal(off.code, 0, off.stderr);
  assert.match(off.stderr, /Job completed/);
  assert.doesNotMatch(off.stderr, /metrics/i);
  Deno.writeTextFileSync(go, "");
  await scraper.until((scrape) => scrape.value("airunner_jobs_total", { result: "succeeded" }) === 1);
});

/**
 * Gives out one job, then none, and stores what it is sent, but for the event with the sequence `refused`.
 */
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
    const worker = startScrapedWorker(sandbox, server.url, "--request-timeout=1s");
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
    const worker = startScrapedWorker(sandbox, server.url);
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
    const worker = startScrapedWorker(sandbox, server.url, "--retry-attempts=2");
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
  const jobId = await submitScript(
    sandbox,
    first.url,
    `while [ ! -e ${go} ]; do sleep 0.05; done; seq 1000; sleep 60`,
  );
  const killed = startScrapedWorker(sandbox, first.url, "--flush-interval=50ms");
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
  const worker = startScrapedWorker(sandbox, first.url);
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
  const jobId = await submitScript(sandbox, first.url, "seq 2000; sleep 60");
  const killed = startScrapedWorker(sandbox, first.url, "--flush-interval=50ms");
  await (await Scraper.ofWorker(killed)).until((scrape) => scrape.value("wal_appends_total") >= 2);
  await killed.kill("SIGKILL");
  const path = `${sandbox.dataDir}/wal/${jobId}.wal`;
  const file = Deno.openSync(path, { read: true, write: true });
  const { size } = file.statSync();
  file.seekSync(size - 40, Deno.SeekMode.Start);
  file.writeSync(new Uint8Array([0xff, 0xff, 0xff]));
  file.close();

  const worker = startScrapedWorker(sandbox, first.url);
  const scraper = await Scraper.ofWorker(worker);
  const scrape = await scraper.until((scrape) => scrape.value("wal_logs", { state: "quarantined" }) === 1);
  assert.equal(scrape.value("wal_corrupt_records_total"), 1);
  Deno.removeSync(`${path}.corrupt`);
  await scraper.until((scrape) => scrape.value("wal_logs", { state: "quarantined" }) === 0);
});
