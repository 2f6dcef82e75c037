/**
 * When a worker of the compiled binary says that it is not ready, and why: through outages and full disks.
 */
import assert from "node:assert/strict";
import { Sandbox } from "./support/airunner.ts";
import { startScrapedWorker } from "./support/scraped_worker.ts";
import { Scraper } from "./support/scraper.ts";
import { SmallDisk } from "./support/small_disk.ts";
import { submitScript } from "./support/submit.ts";

Deno.test("a worker is not ready while its oldest unsent event is too old, and ready once that was sent", async () => {
  await using sandbox = new Sandbox();
  const first = await sandbox.startServer();
  const go = `${sandbox.directory}/go`;
  const jobId = await submitScript(
    sandbox,
    first.url,
    `while [ ! -e ${go} ]; do sleep 0.05; done; echo hello`,
  );
  const worker = startScrapedWorker(sandbox, first.url, "--ready-max-unsent-age=500ms");
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
  await submitScript(sandbox, url, script);
  const data = `--data-dir=${disk.path}/data`;
  const worker = startScrapedWorker(sandbox, url, data, "--min-free-space=200kB");
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

  await submitScript(sandbox, url, "head -c 3000000 /dev/zero | tr '\\0' 'y'");
  disk.fill(1_000_000);
  const unreserved = startScrapedWorker(sandbox, url, data, "--min-free-space=0");
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
  await submitScript(sandbox, first.url, script);
  const worker = startScrapedWorker(sandbox, first.url, "--wal-max-bytes=16MB");
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
  await submitScript(sandbox, url, `while [ ! -e ${go} ]; do sleep 0.05; done`);
  const worker = startScrapedWorker(sandbox, url);
  const scraper = await Scraper.ofWorker(worker);
  await worker.waitFor(/Job started/);
  worker.signal("SIGTERM");
  assert.match(await scraper.untilReadiness(503), /^the worker is stopping/);
  Deno.writeTextFileSync(go, "");
  assert.equal((await worker.end()).code, 0);
});
