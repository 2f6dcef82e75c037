import assert from "node:assert/strict";
import { installCertificate, testCertificate } from "../../tests/support/certificates.ts";
import { TestServer } from "../../tests/support/running_server.ts";
import { collect, outputEvent, publishRequests } from "../../tests/support/server_client.ts";
import { within } from "../../tests/support/within.ts";
import { startServer } from "./server.ts";
import { systemHost } from "../platform/system_host.ts";
import { SERVER_DEFAULTS } from "../../tests/support/server_defaults.ts";

const pair = await testCertificate();

async function withTls(test: (server: TestServer, directory: string) => Promise<void>): Promise<void> {
  const directory = Deno.makeTempDirSync({ prefix: "airunner-tls-" });
  installCertificate(pair, directory);
  try {
    const tls = { certFile: `${directory}/cert.pem`, keyFile: `${directory}/key.pem` };
    await using server = await TestServer.start({ tls });
    await test(server, directory);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

for (const http2 of [false, true]) {
  const protocol = http2 ? "HTTP/2" : "HTTP/1.1";
  Deno.test(`a job is submitted, run, published in many messages, and read over TLS and ${protocol}`, () =>
    withTls(async (server) => {
      assert.match(server.url, /^https:\/\/127\.0\.0\.1:\d+$/);
      const { jobs, events } = server.client({ caCerts: [pair.cert], http2 });
      // A worker that waits before there is a job.
      const dequeued = collect(jobs.dequeueJob({}));
      const { jobId } = await jobs.enqueueJob({ jobParams: { command: "true" } });
      const [{ job, taskToken }] = await within(dequeued, () => "no job came");
      assert.equal(job?.jobId, jobId);
      const sent = Array.from({ length: 30 }, (_, index) => outputEvent(index + 1, 50_000));
      const reading = (async () => {
        const read = [];
        for await (const { event } of events.streamJobEvents({ jobId })) {
          read.push(event);
          if (read.length === sent.length) return read;
        }
        return read;
      })();
      const batches = sent.map((event) => [event]);
      const answer = await within(
        events.publishJobEvents(publishRequests(taskToken, batches)),
        () => "the events were not stored",
      );
      assert.equal(answer.eventsStored, 30n);
      const read = await within(reading, () => "the events were not read");
      const bytesOf = (event: (typeof read)[0]) =>
        event?.eventData.case === "outputBatch" ? event.eventData.value.outputs[0].output : undefined;
      assert.deepEqual(read.map(bytesOf), sent.map(bytesOf));
      await jobs.completeJob({ taskToken, jobResult: { jobId, success: true } });
    }));
}

Deno.test("a server that stops ends its readers with a reason over TLS too", () =>
  withTls(async (server) => {
    const { jobs, events } = server.client({ caCerts: [pair.cert] });
    const { jobId } = await jobs.enqueueJob({ jobParams: { command: "true" } });
    const ended = collect(events.streamJobEvents({ jobId })).catch((error) => error);
    // It was let in once a later call on another connection is answered.
    await jobs.listJobs({});
    const stopping = server.stop();
    assert.match(String(await within(ended, () => "the reader goes on")), /unavailable.*is stopping/);
    await stopping;
  }));

Deno.test("listening beyond this machine takes keys with TLS as well, and an https URL for an audience", async () => {
  const directory = Deno.makeTempDirSync({ prefix: "airunner-tls-" });
  installCertificate(pair, directory);
  const tls = { certFile: `${directory}/cert.pem`, keyFile: `${directory}/key.pem` };
  const start = (options: object) =>
    startServer({
      ...SERVER_DEFAULTS,
      host: systemHost,
      listen: { hostname: "0.0.0.0", port: 0 },
      dataFile: `${directory}/server.db`,
      tls,
      ...options,
    });
  try {
    await assert.rejects(start({}), /Refusing to listen on 0\.0\.0\.0 without authentication/);
    Deno.mkdirSync(`${directory}/keys`);
    const authorizedKeysDir = `${directory}/keys`;
    await assert.rejects(start({ authorizedKeysDir }), /Give the server's public URL too/);
    const server = await start({ authorizedKeysDir, publicUrls: ["https://ci.example.com"] });
    await server.stop();
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});

Deno.test("pages of other origins may not call over TLS, and the server's own may", () =>
  withTls(async (server) => {
    using client = Deno.createHttpClient({ caCerts: [pair.cert], http2: true });
    const call = async (origin: string) => {
      const response = await fetch(`${server.url}/job.v1.JobService/ListJobs`, {
        client,
        method: "POST",
        headers: { "Content-Type": "application/json", Origin: origin },
        body: "{}",
      });
      await response.body?.cancel();
      return response.status;
    };
    assert.equal(await call("https://evil.example"), 403);
    assert.equal(await call(server.url), 200);
  }));
