/**
 * A server and a worker among clients that connect and say nothing, say it slowly, or go away in the middle:
 * the compiled binary, with real sockets and few descriptors.
 */
import assert from "node:assert/strict";
import { type Program, Sandbox } from "./support/airunner.ts";
import { Scraper } from "./support/scraper.ts";
import { collect, connect, outputEvent, publishRequests } from "./support/server_client.ts";
import { RawClient } from "./support/tcp.ts";
import { within } from "./support/within.ts";

/** Starts `airunner server` with that many descriptors, no more. */
async function startLimited(
  sandbox: Sandbox,
  descriptors: number,
  ...args: string[]
): Promise<{ program: Program; url: string }> {
  const program = sandbox.start(["server", "--listen=127.0.0.1:0", ...args], { descriptors });
  const [, url] = await program.waitFor(/Listening on (http:\S+)/);
  return { program, url };
}

async function connectMany(url: string, count: number): Promise<RawClient[]> {
  return await Promise.all(Array.from({ length: count }, () => RawClient.connect(url)));
}

async function health(url: string): Promise<string> {
  const response = await fetch(`${url}/healthz`, { headers: { Connection: "close" } });
  return await response.text();
}

const count = (text: string, pattern: RegExp) => text.match(pattern)?.length ?? 0;

Deno.test("a server with more idle connections than descriptors lives, says so once, and serves who comes next", async () => {
  await using sandbox = new Sandbox();
  const { program, url } = await startLimited(sandbox, 160);
  const idle = await connectMany(url, 400);
  try {
    // Those that say nothing make room after a moment for who says something.
    const served = (async () => {
      while (await health(url).catch(() => "") !== "ok\n");
    })();
    await within(served, () => `no answer among idle connections\n${program.stderr}`);
  } finally {
    for (const client of idle) client[Symbol.dispose]();
  }
  assert.equal(await health(url), "ok\n");
  const metrics = await Scraper.at(url).scrape();
  assert.ok(metrics.value("airunner_server_connections_refused_total", { reason: "connections" }) > 0);
  assert.ok(metrics.value("airunner_server_connections_closed_total", { reason: "room" }) > 0);
  assert.ok(metrics.value("airunner_server_connections") >= 1);
  const { code, stderr } = await program.kill("SIGTERM");
  assert.equal(code, 0, stderr);
  assert.equal(count(stderr, /as many connections as it may have/g), 1, stderr);
});

Deno.test("a server whose descriptors are taken away while it runs waits for some, says so once, and goes on", async () => {
  await using sandbox = new Sandbox();
  const { program, url } = await sandbox.startServer();
  assert.equal(await health(url), "ok\n");
  // Fewer than it has open by now: the next connection cannot be accepted.
  await prlimit(program.pid, 10);
  using waiting = await RawClient.connect(url);
  await within(
    program.waitFor(/ERR Out of descriptors: .*Next: raise the limit of open files/),
    () => program.stderr,
  );
  await prlimit(program.pid, 1_000);
  await waiting.send("GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  assert.match(await waiting.readToEnd(), /200 OK.*ok\n$/s);
  const { code, stderr } = await program.kill("SIGTERM");
  assert.equal(code, 0, stderr);
  assert.equal(count(stderr, /Out of descriptors/g), 1, stderr);
});

async function prlimit(pid: number, descriptors: number): Promise<void> {
  const { success, stderr } = await new Deno.Command("prlimit", {
    args: [`--pid=${pid}`, `--nofile=${descriptors}:`],
  }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
}

Deno.test("a worker's metrics outlive more connections than it has descriptors", async () => {
  await using sandbox = new Sandbox();
  const { url } = await sandbox.startServer();
  const worker = sandbox.start(["worker", `--server=${url}`, "--metrics-listen=127.0.0.1:0"]);
  const [, metrics] = await worker.waitFor(/Serving metrics url=(\S+)/);
  await worker.waitFor(/Worker started/);
  await prlimit(worker.pid, 10);
  const idle = await connectMany(metrics, 3);
  await within(worker.waitFor(/ERR Out of descriptors/), () => worker.stderr);
  await prlimit(worker.pid, 1_000);
  for (const client of idle) client[Symbol.dispose]();
  assert.equal(await health(metrics), "ok\n");
  assert.equal((await worker.kill("SIGTERM")).code, 0);
});

Deno.test("slow headers, slow bodies and idle connections are closed; who waits for a job or an event is not", async () => {
  await using sandbox = new Sandbox();
  const { program, url } = await startLimited(
    sandbox,
    1_000,
    "--header-timeout=300ms",
    "--idle-timeout=300ms",
    "--body-timeout=300ms",
    "--log-level=debug",
  );
  await using client = connect(url);
  const { jobId } = await client.jobs.enqueueJob({ queue: "reading", jobParams: { command: "true" } });
  const [{ taskToken }] = await collect(client.jobs.dequeueJob({ queue: "reading" }));
  const waitingForJob = collect(client.jobs.dequeueJob({ queue: "waiting" }));
  const quiet = Promise.withResolvers<void>();
  const published = client.events.publishJobEvents((async function* () {
    yield { taskToken, events: [outputEvent(1)] };
    await quiet.promise;
    yield { taskToken, events: [outputEvent(2)] };
  })());
  const read = Promise.withResolvers<void>();
  const reading = (async () => {
    const seen: bigint[] = [];
    for await (const { event } of client.events.streamJobEvents({ jobId })) {
      seen.push(event!.sequence);
      read.resolve();
      if (seen.length === 2) return seen;
    }
  })();
  await read.promise;

  using silent = await RawClient.connect(url);
  assert.equal(await silent.readToEnd(), "");
  using slowHeader = await RawClient.connect(url);
  await slowHeader.send("POST /job.v1.JobService/ListJobs HTTP/1.1\r\nHost: x\r\nX-Slow: ");
  assert.equal(await slowHeader.readToEnd(), "");
  using slowBody = await RawClient.connect(url);
  await slowBody.send(
    "POST /job.v1.JobService/ListJobs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" +
      'Content-Length: 100\r\n\r\n{"queue": "',
  );
  assert.match(await slowBody.readToEnd(), /^HTTP\/1\.1 504 .*deadline_exceeded.*sent nothing more/s);
  using idle = await RawClient.connect(url);
  await idle.send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
  assert.match(await idle.readToEnd(), /200 OK.*ok\n$/s);

  // All of that took longer than any deadline, and those who had asked for something are still there.
  quiet.resolve();
  assert.equal((await published).eventsStored, 2n);
  assert.deepEqual(await reading, [1n, 2n]);
  await client.jobs.enqueueJob({ queue: "waiting", jobParams: { command: "true" } });
  assert.equal((await waitingForJob).length, 1);
  for (const what of ["header", "body", "idle"]) {
    assert.match(program.stderr, new RegExp(`Gave up waiting for a client .*waited_for=${what}`));
  }
  const metrics = await Scraper.at(url).scrape();
  for (const reason of ["header", "body", "idle"]) {
    assert.ok(metrics.value("airunner_server_connections_closed_total", { reason }) > 0, reason);
  }
});

Deno.test("clients that die in the middle of a call are no bug, and no line says that they are", async () => {
  await using sandbox = new Sandbox();
  const { program, url } = await startLimited(sandbox, 1_000, "--log-level=debug");
  await using client = connect(url);
  const { jobId } = await client.jobs.enqueueJob({ jobParams: { command: "true" } });
  const [{ taskToken }] = await collect(client.jobs.dequeueJob({}));
  await client.events.publishJobEvents(
    publishRequests(taskToken, [Array.from({ length: 200 }, (_, index) => outputEvent(index + 1, 20_000))]),
  );
  const head = (path: string, type: string, length: string) =>
    `POST /job.v1.${path} HTTP/1.1\r\nHost: x\r\nContent-Type: ${type}\r\n${length}\r\n\r\n`;
  const chunk = (bytes: string) => `${bytes.length.toString(16)}\r\n${bytes}\r\n`;
  const envelope = (body: string) => String.fromCharCode(0, 0, 0, body.length >> 8, body.length & 255) + body;
  const connectJson = "application/connect+json";
  const calls = [
    // A publisher within a message, and one between two.
    head("JobEventsService/PublishJobEvents", "application/connect+proto", "Transfer-Encoding: chunked") +
    chunk("\0\0\0\0\x50half"),
    head("JobEventsService/PublishJobEvents", connectJson, "Transfer-Encoding: chunked") +
    chunk(envelope(JSON.stringify({ taskToken }))),
    // A unary call within its body.
    head("JobService/ListJobs", "application/json", "Content-Length: 50") + "{",
    // A reader who takes no more of a history of 4 MB, and a waiting worker.
    head("JobEventsService/StreamJobEvents", connectJson, "Transfer-Encoding: chunked") +
    chunk(envelope(JSON.stringify({ jobId }))) + "0\r\n\r\n",
    head("JobService/DequeueJob", connectJson, "Transfer-Encoding: chunked") +
    chunk(envelope("{}")) + "0\r\n\r\n",
  ];
  for (const call of [...calls, ...calls, ...calls]) {
    using dying = await RawClient.connect(url);
    await dying.send(call);
    await health(url);
  }
  // Each of them has been seen off once nothing but this scrape is open.
  const alone = Scraper.at(url).until((scrape) =>
    scrape.value("airunner_server_streams") === 0 && scrape.value("airunner_server_connections") <= 2
  );
  await within(alone, () => program.stderr);
  const { code, stderr } = await program.kill("SIGTERM");
  assert.equal(code, 0, stderr);
  assert.match(stderr, /DBG A client went away before its call had ended path=\S+\/PublishJobEvents/);
  assert.doesNotMatch(stderr, /bug|ERR|WRN|\n\s+at /, stderr);
});

Deno.test("an invalid Host is the client's mistake: 400, and no line in the log", async () => {
  await using sandbox = new Sandbox();
  const { program, url } = await sandbox.startServer();
  for (const host of ["a b", "x:99999", "/healthz", "a@b", "[::1"]) {
    using client = await RawClient.connect(url);
    await client.send(`GET /healthz HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
    assert.match(await client.readToEnd(), /^HTTP\/1\.1 400 /, host);
  }
  assert.doesNotMatch((await program.kill("SIGTERM")).stderr, /ERR|\n\s+at /);
});

Deno.test("jobs with megabytes of parameters are listed, in pages that fit", async () => {
  await using sandbox = new Sandbox();
  const { url } = await sandbox.startServer();
  await using client = connect(url);
  const ids: string[] = [];
  // 70 MB together: more than a client takes at once.
  for (let index = 0; index < 42; index++) {
    const environment = Object.fromEntries(
      Array.from({ length: 16 }, (_, part) => [`PART_${part}`, "x".repeat(index < 40 ? 105_000 : 10)]),
    );
    ids.push((await client.jobs.enqueueJob({ jobParams: { command: `job-${index}`, environment } })).jobId);
  }
  const { code, stdout, stderr } = await sandbox.run(["list", `--server=${url}`, "--limit=100", "--json"]);
  assert.equal(code, 0, stderr);
  const { jobs } = JSON.parse(new TextDecoder().decode(stdout));
  assert.deepEqual(jobs.map((job: { job_id: string }) => job.job_id), ids.toReversed());
  const whole = await client.jobs.listJobs({ pageSize: 100 }).catch((error) => error);
  assert.match(String(whole), /resource_exhausted.*message larger than 33554432 bytes.*smaller page_size/);
  assert.equal((await client.jobs.listJobs({ pageSize: 2 })).jobs.length, 2);
});
