/**
 * Measures what stores events while the database is looked after: a year of jobs being pruned, and a backup
 * being made. The server runs in a process of its own, on a database of a million events; what is measured is
 * how long a PublishJobEvents call of fifty events of 2 KB waits for its acknowledgement.
 *
 *     scripts/deno run -A scripts/bench_upkeep.ts [JOBS]      of 200 events each; default 5,000
 */
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { JobState } from "../src/events/gen/job/v1/job_pb.ts";
import { DAY_MS } from "../src/platform/time_units.ts";
import { systemHost } from "../src/platform/system_host.ts";
import { startServer } from "../src/server/server.ts";
import { Database } from "../src/server/store/sqlite/database.ts";
import { backUp } from "../src/server/store/sqlite/upkeep/backup.ts";
import { addJob } from "../tests/support/database_rows.ts";
import { collect, connect, outputEvent, publishRequests } from "../tests/support/server_client.ts";
import { SERVER_DEFAULTS } from "../tests/support/server_defaults.ts";

const EVENTS_PER_JOB = 200;
const EVENT_BYTES = 2_000;
const BATCH = 50;
/** A job that writes a lot: five megabytes a second. */
const EVERY_MS = 20;

function fill(path: string, jobs: number): void {
  new Database(path).close();
  const database = new DatabaseSync(path);
  database.exec("PRAGMA synchronous = OFF; PRAGMA journal_mode = WAL");
  const yearMs = 365 * DAY_MS;
  for (let job = 0; job < jobs; job++) {
    if (job % 100 === 0) database.exec("BEGIN");
    const endedAtMs = Date.now() - yearMs + Math.floor(job / jobs * yearMs);
    const rows = { queue: `queue-${job % 5}`, state: JobState.COMPLETED, endedAtMs, events: EVENTS_PER_JOB };
    addJob(database, `00000000-0000-7000-8000-${String(job).padStart(12, "0")}`, {
      ...rows,
      outputBytes: EVENT_BYTES,
    });
    if (job % 100 === 99 || job === jobs - 1) database.exec("COMMIT");
  }
  database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  database.close();
}

/** Latencies of appends, one after another, until `until` resolves; at least for a second. */
async function appendWhile(url: string, until: Promise<unknown>): Promise<number[]> {
  await using client = connect(url);
  await client.jobs.enqueueJob({ jobParams: { command: "true" } });
  const [response] = await collect(client.jobs.dequeueJob({}));
  let isOver = false;
  until.then(() => isOver = true, () => isOver = true);
  const latencies: number[] = [];
  const begun = performance.now();
  for (let sequence = 1; !isOver || performance.now() - begun < 1_000; sequence += BATCH) {
    const events = Array.from({ length: BATCH }, (_, index) => outputEvent(sequence + index, EVENT_BYTES));
    const start = performance.now();
    await client.events.publishJobEvents(publishRequests(response!.taskToken, [events]));
    const elapsed = performance.now() - start;
    latencies.push(elapsed);
    if (elapsed < EVERY_MS) await new Promise((resolve) => setTimeout(resolve, EVERY_MS - elapsed));
  }
  return latencies.sort((a, b) => a - b);
}

function tell(name: string, latencies: number[], seconds: number): void {
  const at = (share: number) =>
    latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))]!.toFixed(1);
  console.log(
    `${name}: ${latencies.length} appends in ${seconds.toFixed(0)} s; ` +
      `p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, p99.9 ${at(0.999)} ms, slowest ${at(1)} ms`,
  );
}

const megabytes = (path: string) => (Deno.statSync(path).size / 1e6).toFixed(0);

async function main(jobs: number): Promise<void> {
  const directory = Deno.makeTempDirSync({ prefix: "airunner-bench-" });
  const path = join(directory, "server.db");
  try {
    fill(path, jobs);
    console.log(`${jobs * EVENTS_PER_JOB} events, ${megabytes(path)} MB`);
    {
      await using server = await spawnServer(path, "keep");
      tell(
        "nothing else",
        await appendWhile(server.url, new Promise((done) => setTimeout(done, 10_000))),
        10,
      );
      for (const rate of [32e6, Infinity]) {
        const target = join(directory, `backup-${rate}.db`);
        const begun = performance.now();
        const backup = runApart(path, target, rate);
        tell(
          `backup, ${rate / 1e6} MB/s`,
          await appendWhile(server.url, backup),
          (performance.now() - begun) / 1000,
        );
        console.log(`  ${megabytes(target)} MB; journal ${megabytes(`${path}-wal`)} MB`);
      }
    }
    {
      await using server = await spawnServer(path, "prune");
      const begun = performance.now();
      tell("prune", await appendWhile(server.url, server.pruned), (performance.now() - begun) / 1000);
      console.log(`  ${megabytes(path)} MB left`);
    }
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

function childArgs(...args: string[]): string[] {
  return ["run", "--quiet", "-A", import.meta.filename!, ...args];
}

async function runApart(path: string, target: string, rate: number): Promise<void> {
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: childArgs("--backup", path, target, String(rate)),
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
}

interface SpawnedServer extends AsyncDisposable {
  url: string;
  pruned: Promise<void>;
}

async function spawnServer(path: string, mode: "keep" | "prune"): Promise<SpawnedServer> {
  const child = new Deno.Command(Deno.execPath(), {
    args: childArgs("--serve", path, mode),
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const lines = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const first = await lines.read();
  return {
    url: first.value!.trim(),
    pruned: lines.read().then(() => {}),
    async [Symbol.asyncDispose]() {
      await child.stdin.close();
      await lines.cancel();
      await child.status;
    },
  };
}

async function serve(path: string, mode: string): Promise<void> {
  const server = await startServer({
    ...SERVER_DEFAULTS,
    host: systemHost,
    listen: { hostname: "127.0.0.1", port: 0 },
    dataFile: path,
    retention: { ageMs: mode === "prune" ? DAY_MS : undefined, queueAgesMs: new Map(), bytesMax: undefined },
    logger: loggerThatTells(() => console.log("pruned")),
  });
  console.log(server.url);
  for await (const _ of Deno.stdin.readable) { /* Nothing is expected but the end. */ }
  await server.stop();
}

function loggerThatTells(tellPruned: () => void) {
  const logger = {
    debug() {},
    info: (message: string) => message.startsWith("Space given back") && tellPruned(),
    warn() {},
    error: (message: string, fields?: unknown) => console.error(message, fields),
    with: () => logger,
  };
  return logger;
}

if (Deno.args[0] === "--serve") await serve(Deno.args[1]!, Deno.args[2]!);
else if (Deno.args[0] === "--backup") {
  await backUp(Deno.args[1]!, Deno.args[2]!, { host: systemHost, rateBytes: Number(Deno.args[3]) });
} else await main(Number(Deno.args[0] ?? 5_000));
