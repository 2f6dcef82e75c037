/**
 * Measures the server: events of 2 KB through real sockets into SQLite, acknowledged only after their sync,
 * beside a bare loop that puts the same events into the same table, with as many syncs. The server runs in a
 * process of its own, as it does in use.
 *
 *     scripts/deno run -A scripts/bench_server.ts
 */
import { join } from "node:path";
import { systemHost } from "../src/platform/system_host.ts";
import { startServer } from "../src/server/server.ts";
import { Database } from "../src/server/store/sqlite/database.ts";
import { collect, connect, outputEvent, type ServerClient } from "../tests/support/server_client.ts";
import { formatRows, type Row } from "./bench_table.ts";
import { encodeCall, type EncodedCall, publish } from "./bench_publisher.ts";
import { SERVER_DEFAULTS } from "../tests/support/server_defaults.ts";

const EVENT_BYTES = 2_000;
const EVENTS = 48_000;
/** Of a request, as workers send them when there is much to send. */
const BATCH = 100;
/** Beside the bare loop, by how many streams. */
const TARGETS = [[1, 0.6], [4, 0.8], [8, 0.8]] as const;
/** Published before anything is measured: a server that has run for a while is compiled. */
const WARM_UP_EVENTS = 12_000;
/** The better of so many, since machines do other things beside. */
const ROUNDS = 3;

export async function benchServer(): Promise<Row[]> {
  const directory = Deno.makeTempDirSync({ prefix: "airunner-bench-" });
  try {
    const rows: Row[] = [];
    for (const [streams, target] of TARGETS) rows.push(...await benchIngest(directory, streams, target));
    await using server = await spawnServer(join(directory, "jobs.db"));
    await using client = connect(server.url);
    const value = await cycles(client);
    rows.push({ name: "enqueue, dequeue, complete, one after another", value, unit: "jobs/s" });
    return rows;
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

async function benchIngest(directory: string, streams: number, target: number): Promise<Row[]> {
  let best: { served: number; bare: number; commits: number } | undefined;
  let bareBatches = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const { value: served, commits } = await ingest(
      join(directory, `server-${streams}-${round}.db`),
      streams,
    );
    const bare = bareInserts(join(directory, `bare-${streams}-${round}.db`), streams, commits);
    const batches = EVENTS / BATCH;
    bareBatches = Math.max(
      bareBatches,
      bareInserts(join(directory, `batches-${streams}-${round}.db`), streams, batches),
    );
    if (best === undefined || served / bare > best.served / best.bare) best = { served, bare, commits };
  }
  const { served, bare, commits } = best!;
  const perCommit = Math.round(EVENTS / commits);
  return [
    {
      name: `bare SQLite loop, ${perCommit} events a transaction, as the server had`,
      value: bare,
      unit: "events/s",
    },
    { name: `ingest, ${streams} streams`, value: served, unit: "events/s", ratio: served / bare, target },
    {
      name: `  beside the bare loop with a transaction for each of their requests, ${BATCH} events`,
      value: bareBatches,
      unit: "events/s",
      ratio: served / bareBatches,
    },
  ];
}

/**
 * What SQLite takes in a loop that does nothing else: the same events, in the same tables, synced as often.
 */
function bareInserts(path: string, streams: number, commits: number): number {
  const database = new Database(path);
  database.write(() => {
    database.prepare("INSERT INTO jobs VALUES (1, 'a', NULL, 'q', 1, 0, 0, x'', NULL, NULL, '', 0)").run();
    const add = database.prepare(
      "INSERT INTO executions (job, number, started_at_ms, visibility_ms, last_seen_at_ms) VALUES (1, ?, 0, 0, 0)",
    );
    for (let stream = 1; stream <= streams; stream++) add.run(stream);
  });
  const insert = database.prepare(
    "INSERT INTO events (execution, sequence, timestamp_ms, type, payload) VALUES (?, ?, ?, 7, ?)",
  );
  const payload = crypto.getRandomValues(new Uint8Array(EVENT_BYTES));
  const start = performance.now();
  let stored = 0;
  for (let commit = 1; commit <= commits; commit++) {
    const end = Math.round(EVENTS * commit / commits);
    database.write(() => {
      for (; stored < end; stored++) {
        // Batch by batch, each of another stream, as they come.
        const batch = Math.floor(stored / BATCH);
        const sequence = Math.floor(batch / streams) * BATCH + stored % BATCH + 1;
        insert.run(batch % streams + 1, sequence, 1_700_000_000_000 + stored, payload);
      }
    });
  }
  const seconds = (performance.now() - start) / 1000;
  database.close();
  return EVENTS / seconds;
}

async function ingest(path: string, streams: number): Promise<{ value: number; commits: number }> {
  await using server = await spawnServer(path);
  await using client = connect(server.url);
  const perStream = Math.floor(EVENTS / streams / BATCH) * BATCH;
  const calls: EncodedCall[] = [];
  for (let stream = 0; stream < streams; stream++) calls.push(await makeCall(client, perStream));
  await publish(server.url, await makeCall(client, WARM_UP_EVENTS));
  const before = await server.commits();
  const start = performance.now();
  const stored = await Promise.all(calls.map((call) => publish(server.url, call)));
  const seconds = (performance.now() - start) / 1000;
  const total = stored.reduce((sum, events) => sum + events, 0);
  if (total !== perStream * streams) {
    throw new Error(`Only ${total} of ${perStream * streams} events were stored`);
  }
  return { value: total / seconds, commits: await server.commits() - before };
}

/** All that there is to publish of a job of its own. */
async function makeCall(client: ServerClient, events: number): Promise<EncodedCall> {
  const token = await claimJob(client);
  return encodeCall(
    token,
    Array.from({ length: events }, (_, index) => outputEvent(index + 1, EVENT_BYTES)),
    BATCH,
  );
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
  /** How often its database has committed. */
  commits(): Promise<number>;
}

async function spawnServer(dataFile: string): Promise<SpawnedServer> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "-A", import.meta.filename!, "--serve", dataFile],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const writer = child.stdin.getWriter();
  const { value } = await reader.read();
  if (!value?.startsWith("http")) throw new Error("The server to measure did not start");
  return {
    url: value.trim(),
    async commits() {
      await writer.write(new TextEncoder().encode("?"));
      return Number((await reader.read()).value);
    },
    async [Symbol.asyncDispose]() {
      // The child serves until its standard input ends, so that it cannot outlive a bench that was killed.
      await writer.close();
      await reader.cancel();
      await child.status;
    },
  };
}

async function serveUntilInputEnds(dataFile: string): Promise<void> {
  let commits = 0;
  const { write } = Database.prototype;
  Database.prototype.write = function (work) {
    commits++;
    return write.call(this, work) as ReturnType<typeof work>;
  };
  const server = await startServer({
    ...SERVER_DEFAULTS,
    host: systemHost,
    listen: { hostname: "127.0.0.1", port: 0 },
    dataFile,
  });
  console.log(server.url);
  // Whatever is said is the question how often.
  for await (const _ of Deno.stdin.readable) console.log(commits);
  await server.stop();
}

if (import.meta.main) {
  if (Deno.args[0] === "--serve") await serveUntilInputEnds(Deno.args[1]!);
  else console.log(formatRows("server", await benchServer()));
}
