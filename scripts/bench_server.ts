/**
 * Measures the server: events of 2 KB through real sockets into SQLite, acknowledged only after their sync.
 * The server runs in a process of its own, as it does in use.
 *
 *     scripts/deno run -A scripts/bench_server.ts
 */
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { startServer } from "../src/server/server.ts";
import { formatRows, type Row } from "./bench_table.ts";
import {
  collect,
  connect,
  outputEvent,
  publishRequests,
  type ServerClient,
} from "../tests/support/server_client.ts";
import { systemHost } from "../src/platform/system_host.ts";

const EVENT_BYTES = 2_000;
const EVENTS = 60_000;
const INGEST_TARGET = 20_000;

export async function benchServer(): Promise<Row[]> {
  const directory = Deno.makeTempDirSync({ prefix: "airunner-bench-" });
  try {
    const bare = bareInserts(join(directory, "bare.db"));
    const rows: Row[] = [{ name: "bare SQLite loop, 100 a transaction", value: bare, unit: "events/s" }];
    await using server = await spawnServer(join(directory, "server.db"));
    await using client = connect(server.url);
    for (const [streams, batch] of [[1, 100], [2, 50], [4, 100], [8, 256]] as const) {
      const value = await ingest(client, streams, batch);
      const name = `ingest, ${streams} streams, ${batch} events a request`;
      rows.push({ name, value, unit: "events/s", target: INGEST_TARGET });
    }
    rows.push({
      name: "enqueue, dequeue, complete, one after another",
      value: await cycles(client),
      unit: "jobs/s",
    });
    return rows;
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

/** What SQLite takes in a loop that does nothing else: the same table, synced as often. */
function bareInserts(path: string): number {
  const database = new DatabaseSync(path);
  database.exec(`
    PRAGMA page_size = 8192; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 4096;
    CREATE TABLE events (id INTEGER PRIMARY KEY, execution INTEGER, sequence INTEGER, payload BLOB, UNIQUE (execution, sequence));
  `);
  const insert = database.prepare("INSERT INTO events (execution, sequence, payload) VALUES (1, ?, ?)");
  const payload = crypto.getRandomValues(new Uint8Array(EVENT_BYTES));
  const start = performance.now();
  for (let sequence = 0; sequence < EVENTS;) {
    database.exec("BEGIN");
    for (const end = sequence + 100; sequence < end; sequence++) insert.run(sequence, payload);
    database.exec("COMMIT");
  }
  const seconds = (performance.now() - start) / 1000;
  database.close();
  return EVENTS / seconds;
}

async function ingest(client: ServerClient, streams: number, batch: number): Promise<number> {
  const perStream = Math.floor(EVENTS / streams / batch) * batch;
  const events = Array.from({ length: perStream }, (_, index) => outputEvent(index + 1, EVENT_BYTES));
  const batches = Array.from(
    { length: perStream / batch },
    (_, index) => events.slice(index * batch, (index + 1) * batch),
  );
  const tokens: string[] = [];
  for (let stream = 0; stream < streams; stream++) tokens.push(await claimJob(client));
  const start = performance.now();
  const responses = await Promise.all(
    tokens.map((token) => client.events.publishJobEvents(publishRequests(token, batches))),
  );
  const seconds = (performance.now() - start) / 1000;
  const stored = responses.reduce((sum, response) => sum + Number(response.eventsStored), 0);
  if (stored !== perStream * streams) {
    throw new Error(`Only ${stored} of ${perStream * streams} events were stored`);
  }
  return stored / seconds;
}

async function claimJob(client: ServerClient): Promise<string> {
  await client.jobs.enqueueJob({ jobParams: { command: "true" } });
  const [response] = await collect(client.jobs.dequeueJob({}));
  return response!.taskToken;
}

async function cycles(client: ServerClient): Promise<number> {
  const count = 200;
  const start = performance.now();
  for (let index = 0; index < count; index++) {
    await client.jobs.completeJob({ taskToken: await claimJob(client), jobResult: { success: true } });
  }
  return count / ((performance.now() - start) / 1000);
}

interface SpawnedServer extends AsyncDisposable {
  url: string;
}

async function spawnServer(dataFile: string): Promise<SpawnedServer> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "-A", import.meta.filename!, "--serve", dataFile],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const { value } = await reader.read();
  if (!value?.startsWith("http")) throw new Error("The server to measure did not start");
  return {
    url: value.trim(),
    async [Symbol.asyncDispose]() {
      // The child serves until its standard input ends, so that it cannot outlive a bench that was killed.
      await child.stdin.close();
      await reader.cancel();
      await child.status;
    },
  };
}

async function serveUntilInputEnds(dataFile: string): Promise<void> {
  const server = await startServer({
    host: systemHost,
    listen: { hostname: "127.0.0.1", port: 0 },
    dataFile,
  });
  console.log(server.url);
  for await (const _ of Deno.stdin.readable) { /* Nothing is expected but the end. */ }
  await server.stop();
}

if (import.meta.main) {
  if (Deno.args[0] === "--serve") await serveUntilInputEnds(Deno.args[1]!);
  else console.log(formatRows("server", await benchServer()));
}
