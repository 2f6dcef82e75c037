import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { Code, ConnectError } from "@connectrpc/connect";
import { createLogger } from "../platform/logging/text_logger.ts";
import { spawnServer } from "../../tests/support/server_child.ts";
import { TestServer } from "../../tests/support/running_server.ts";
import { collect, connect, outputEvent, publishRequests } from "../../tests/support/server_client.ts";
import { type ServerOptions, ServerStartError, startServer } from "./server.ts";
import { Database } from "./store/sqlite/database.ts";
import { systemHost } from "../platform/system_host.ts";
import { SERVER_DEFAULTS } from "../../tests/support/server_defaults.ts";

async function codeOf(call: Promise<unknown>): Promise<string> {
  const error = await call.then(() => undefined, (error) => error);
  assert.ok(error instanceof ConnectError, `Expected an error, got ${error}`);
  return Code[error.code];
}

async function inDirectory(test: (directory: string) => Promise<void>): Promise<void> {
  const directory = Deno.makeTempDirSync();
  try {
    await test(directory);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

Deno.test("server says that it is healthy, and that there is nothing elsewhere", async () => {
  await using server = await TestServer.start();
  const get = async (path: string) => {
    const response = await fetch(server.url + path);
    return [response.status, await response.text()];
  };
  assert.deepEqual(await get("/healthz"), [200, "ok\n"]);
  assert.deepEqual(await get("/health"), [200, "ok\n"]);
  assert.deepEqual(await get("/"), [404, "There is nothing at this path\n"]);
  assert.deepEqual(await get("/job.v1.JobService/Nothing"), [404, "There is nothing at this path\n"]);
});

Deno.test("a web page from elsewhere cannot use its visitor's browser to enqueue jobs", async () => {
  await using server = await TestServer.start();
  const enqueue = async (origin?: string) => {
    const headers = { "Content-Type": "application/json", ...origin && { Origin: origin } };
    const body = JSON.stringify({ jobParams: { command: "true" } });
    const response = await fetch(`${server.url}/job.v1.JobService/EnqueueJob`, {
      method: "POST",
      headers,
      body,
    });
    await response.body?.cancel();
    return response.status;
  };
  assert.equal(await enqueue(), 200);
  assert.equal(await enqueue("http://localhost:3000"), 200);
  for (const origin of ["http://rebound.example:8080", "null", "http://127.0.0.1.example"]) {
    assert.equal(await enqueue(origin), 403, origin);
  }
});

Deno.test("a server that cannot start says why and what to do", async () => {
  await inDirectory(async (directory) => {
    const dataFile = join(directory, "server.db");
    const listen = { hostname: "127.0.0.1", port: 0 };
    const refuse = async (options: Partial<ServerOptions>, reason: RegExp) => {
      await assert.rejects(
        startServer({ ...SERVER_DEFAULTS, host: systemHost, listen, dataFile, ...options }),
        (error) => {
          assert.ok(error instanceof ServerStartError, String(error));
          assert.match(error.message, reason);
          return true;
        },
      );
    };
    await refuse(
      { listen: { hostname: "0.0.0.0", port: 0 } },
      /Refusing to listen on 0\.0\.0\.0 without authentication/,
    );
    await refuse(
      { listen: { hostname: "192.0.2.1", port: 0 }, allowUnauthenticated: true },
      /does not have that address/,
    );
    await refuse({ authorizedKeysDir: join(directory, "none") }, /Cannot read the authorized keys in .*none/);
    const everywhere = { hostname: "0.0.0.0", port: 0 };
    await refuse({ listen: everywhere, authorizedKeysDir: directory }, /Give the server's public URL too/);
    await refuse({ dataFile: join(directory, "server.db", "below") }, /Cannot open .*below/);
    const other = Deno.listen(listen);
    await refuse(
      { listen: { ...listen, port: other.addr.port } },
      /the port is taken\. Stop the program that has it/,
    );
    other.close();
    // Nothing that failed holds the database.
    await (await startServer({ ...SERVER_DEFAULTS, host: systemHost, listen, dataFile })).stop();
  });
});

Deno.test("with authorized keys a call without a token is refused, whatever it is", async () => {
  await inDirectory(async (directory) => {
    await using server = await TestServer.start({ authorizedKeysDir: directory });
    assert.equal(await codeOf(server.jobs.listJobs({})), "Unauthenticated");
    assert.equal(await codeOf(collect(server.jobs.dequeueJob({}))), "Unauthenticated");
    assert.equal(await codeOf(collect(server.events.streamJobEvents({ jobId: "x" }))), "Unauthenticated");
    assert.equal(await codeOf(server.events.publishJobEvents(publishRequests("x", [[]]))), "Unauthenticated");
    const health = await fetch(`${server.url}/healthz`);
    assert.equal(await health.text(), "ok\n");
  });
});

Deno.test("a server that stops sends readers and waiting workers away, and takes up where it left", async () => {
  await using server = await TestServer.start();
  const jobId = await server.enqueue();
  const { taskToken } = await server.claim();
  await server.events.publishJobEvents(publishRequests(taskToken, [[outputEvent(1)]]));
  const waiting = codeOf(server.claim());
  const received = Promise.withResolvers<void>();
  const reading = codeOf((async () => {
    for await (const { event } of server.events.streamJobEvents({ jobId })) if (event) received.resolve();
  })());
  await received.promise;
  await server.stop();
  assert.equal(await waiting, "Unavailable");
  assert.equal(await reading, "Unavailable");

  await server.start();
  const again = await server.events.publishJobEvents(
    publishRequests(taskToken, [[outputEvent(1), outputEvent(2)]]),
  );
  assert.deepEqual([again.eventsStored, again.eventsDuplicate], [1n, 1n]);
  await server.jobs.completeJob({ taskToken, jobResult: { success: true } });
});

Deno.test("a publisher that has begun may finish while the server stops", async () => {
  await using server = await TestServer.start();
  const jobId = await server.enqueue();
  const { taskToken } = await server.claim();
  const stopping = Promise.withResolvers<void>();
  const published = server.events.publishJobEvents((async function* () {
    yield { taskToken, events: [outputEvent(1)] };
    await stopping.promise;
    yield { taskToken, events: [outputEvent(2)] };
  })());
  // Once a reader has the first event the call has begun.
  const seen = new AbortController();
  const reading = (async () => {
    for await (const { event } of server.events.streamJobEvents({ jobId }, { signal: seen.signal })) {
      if (event) seen.abort();
    }
  })();
  assert.equal(await codeOf(reading), "Canceled");
  const stopped = server.stop();
  stopping.resolve();
  assert.equal((await published).eventsStored, 2n);
  await stopped;
});

Deno.test("a database that fails is `unavailable`: nothing is acknowledged, and nothing secret is logged", async () => {
  const lines: string[] = [];
  await using server = await TestServer.start({ logger: createLogger("debug", (line) => lines.push(line)) });
  const jobParams = { command: "true", environment: { PASSWORD: "hunter2" } };
  await server.jobs.enqueueJob({ jobParams });
  const { taskToken } = await server.claim();
  const write = Database.prototype.write;
  Database.prototype.write = function <T>(work: () => T): T {
    return write.call(this, () => {
      work();
      // A foreign key fails, as a disk would: an error of SQLite's, after everything was written.
      return this.prepare("INSERT INTO job_texts VALUES (999, '')").run();
    }) as T;
  };
  try {
    const call = server.events.publishJobEvents(publishRequests(taskToken, [[outputEvent(1)]]));
    assert.equal(await codeOf(call), "Unavailable");
  } finally {
    Database.prototype.write = write;
  }
  const again = await server.events.publishJobEvents(publishRequests(taskToken, [[outputEvent(1)]]));
  assert.equal(again.eventsStored, 1n);
  const log = lines.join("\n");
  assert.match(log, /ERR A call failed because of the database method=PublishJobEvents/);
  assert.doesNotMatch(log, /hunter2/);
  assert.ok(!log.includes(taskToken.slice(-20)));
});

Deno.test("a server that is killed in the middle of publishing has every event that it acknowledged", async () => {
  await inDirectory(async (directory) => {
    const dataFile = join(directory, "server.db");
    let jobId = "";
    let taskToken = "";
    let acknowledged = 0;
    for (let round = 0; round < 3; round++) {
      const server = await spawnServer(dataFile);
      const client = connect(server.url);
      if (round === 0) {
        ({ jobId } = await client.jobs.enqueueJob({ jobParams: { command: "true" } }));
        [{ taskToken }] = await collect(client.jobs.dequeueJob({}));
      }
      const killAt = acknowledged + 40 + 13 * round;
      let killed: Promise<void> | undefined;
      try {
        for (;;) {
          const next = acknowledged + 1;
          const call = client.events.publishJobEvents(
            publishRequests(taskToken, [[outputEvent(next, 2_000)]]),
          );
          // The kill races with the call under way.
          if (acknowledged === killAt) killed ??= server.kill();
          await call;
          acknowledged = next;
        }
      } catch (error) {
        if (!killed) throw error;
      }
      await killed;
      await client[Symbol.asyncDispose]();
    }
    assertEverySequence(dataFile, jobId, acknowledged);
  });
});

function assertEverySequence(dataFile: string, jobId: string, acknowledged: number): void {
  const raw = new DatabaseSync(dataFile);
  const rows = raw.prepare(
    `SELECT sequence FROM events JOIN executions ON executions.id = execution JOIN jobs ON jobs.id = job
     WHERE job_id = ? ORDER BY sequence`,
  ).all(jobId);
  const integrity = raw.prepare("PRAGMA integrity_check").get();
  raw.close();
  assert.deepEqual({ ...integrity }, { integrity_check: "ok" });
  const sequences = rows.map((row) => Number(row.sequence));
  assert.ok(acknowledged > 100);
  assert.deepEqual(
    sequences.slice(0, acknowledged),
    Array.from({ length: acknowledged }, (_, index) => index + 1),
  );
  // The call that the last kill cut off may have been stored; more cannot.
  assert.ok(sequences.length <= acknowledged + 1);
}
