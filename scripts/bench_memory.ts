/**
 * Measures what a job's output costs in memory: 1 GiB through one worker whose server is slow, so that nearly
 * all of it waits somewhere. It has to wait on disk. The worker runs in a process of its own, as it does in
 * use.
 *
 *     scripts/deno run -A scripts/bench_memory.ts
 */
import { DEFAULT_SETTINGS } from "../tests/support/worker_settings.ts";
import { systemNetwork } from "../src/platform/system_network.ts";
import { createConnectRouter } from "@connectrpc/connect";
import {
  universalServerRequestFromFetch,
  universalServerResponseToFetch,
} from "@connectrpc/connect/protocol";
import { createServerTransport } from "../src/client/transport.ts";
import { JobEventsService, JobService } from "../src/events/gen/job/v1/job_pb.ts";
import { runWorker } from "../src/job/worker.ts";
import { systemClock } from "../src/platform/system_clock.ts";
import { createLogger } from "../src/platform/logging/text_logger.ts";
import { formatRows, type Row } from "./bench_table.ts";
import { systemFiles } from "../src/platform/system_files.ts";
import { systemProcesses } from "../src/platform/system_processes.ts";

const OUTPUT_BYTES = 1024 ** 3;
const GROWTH_TARGET_MIB = 64;
/** What the first job writes: enough for everything that is loaded or compiled once to be there. */
const WARM_UP_BYTES = 16 * 1024 ** 2;
/** For each call of up to 1 MiB: the output comes many times faster. */
const ANSWER_DELAY_MS = 15;
const SAMPLE_MS = 20;
const MIB = 1024 ** 2;

export async function benchMemory(): Promise<Row[]> {
  const directory = Deno.makeTempDirSync({ prefix: "airunner-bench-" });
  const server = new SlowServer([WARM_UP_BYTES, OUTPUT_BYTES]);
  const worker = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", new URL(import.meta.url).pathname, "worker", server.url, directory],
    stdin: "null",
    stdout: "null",
  }).spawn();
  try {
    await Promise.race([server.completed(1), failed(worker)]);
    const before = residentBytes(worker.pid);
    let peak = before;
    const timer = setInterval(() => peak = Math.max(peak, residentBytes(worker.pid)), SAMPLE_MS);
    const startMs = performance.now();
    let seconds = 0;
    const done = server.completed(2).then(() => {
      seconds = (performance.now() - startMs) / 1000;
      return archived(`${directory}/wal`);
    });
    await Promise.race([done, failed(worker)]).finally(() => clearInterval(timer));
    if (server.outputBytes < OUTPUT_BYTES) throw new Error(`Only ${server.outputBytes} bytes arrived`);
    return [
      { name: "resident before the job", value: before / MIB, unit: "MiB" },
      {
        name: "growth, 1 GiB of output, a slow server, archived",
        value: (peak - before) / MIB,
        unit: "MiB",
        target: GROWTH_TARGET_MIB,
        lowerIsBetter: true,
      },
      { name: "output, at the server's pace", value: OUTPUT_BYTES / MIB / seconds, unit: "MiB/s" },
    ];
  } finally {
    worker.kill("SIGTERM");
    await worker.status;
    await server.stop();
    Deno.removeSync(directory, { recursive: true });
  }
}

/** The log is removed when its archive is on stable storage, which is part of what a job costs. */
async function archived(walDir: string): Promise<void> {
  while ([...Deno.readDirSync(walDir)].length > 0) await systemClock.sleep(SAMPLE_MS);
}

async function failed(worker: Deno.ChildProcess): Promise<never> {
  const { code } = await worker.status;
  throw new Error(`The worker ended with exit code ${code}`);
}

function residentBytes(pid: number): number {
  const pages = Deno.readTextFileSync(`/proc/${pid}/statm`).split(" ")[1];
  return Number(pages) * 4096;
}

/** Gives out one job after another, each so many bytes of output, and takes its time with every batch. */
class SlowServer {
  readonly #http: Deno.HttpServer<Deno.NetAddr>;
  readonly #jobs: number[];
  #completed = 0;
  #waiting: (() => void)[] = [];
  #given = 0;
  outputBytes = 0;

  constructor(jobs: number[]) {
    this.#jobs = jobs;
    const handlers = new Map(this.#router().handlers.map((handler) => [handler.requestPath, handler]));
    this.#http = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
      const handler = handlers.get(new URL(request.url).pathname);
      if (handler === undefined) return new Response("", { status: 404 });
      return universalServerResponseToFetch(await handler(universalServerRequestFromFetch(request, {})));
    });
  }

  get url(): string {
    return `http://127.0.0.1:${this.#http.addr.port}`;
  }

  async completed(count: number): Promise<void> {
    while (this.#completed < count) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  async stop(): Promise<void> {
    await this.#http.shutdown();
  }

  #router() {
    // deno-lint-ignore no-this-alias -- the generator below has a `this` of its own
    const server = this;
    return createConnectRouter({ readMaxBytes: 16 * MIB })
      .service(JobService, {
        async *dequeueJob() {
          const bytes = server.#jobs.shift();
          if (bytes === undefined) return;
          const jobId = `job-${++server.#given}`;
          await Promise.resolve();
          yield {
            job: { jobId, jobParams: { command: "head", args: ["-c", `${bytes}`, "/dev/zero"] } },
            taskToken: jobId,
          };
        },
        updateJob: () => ({}),
        completeJob() {
          server.#completed++;
          for (const wake of server.#waiting.splice(0)) wake();
          return {};
        },
      })
      .service(JobEventsService, {
        async publishJobEvents(requests) {
          for await (const { events } of requests) {
            for (const { eventData } of events) {
              if (eventData.case !== "outputBatch") continue;
              for (const { output } of eventData.value.outputs) server.outputBytes += output.length;
            }
          }
          await systemClock.sleep(ANSWER_DELAY_MS);
          return {};
        },
      });
  }
}

/** The process that is measured. */
async function work(url: string, directory: string): Promise<void> {
  const stop = new AbortController();
  Deno.addSignalListener("SIGTERM", () => stop.abort());
  await runWorker({
    processes: systemProcesses,
    transport: createServerTransport({ network: systemNetwork, server: url, clock: systemClock }),
    serverUrl: url,
    queue: "default",
    concurrency: 1,
    once: false,
    workerName: "bench",
    workerId: crypto.randomUUID(),
    version: "0.0.0",
    walDir: `${directory}/wal`,
    archiveDir: `${directory}/archive`,
    settings: DEFAULT_SETTINGS,
    environment: { PATH: Deno.env.get("PATH") ?? "/usr/bin:/bin" },
    files: systemFiles,
    clock: systemClock,
    random: Math.random,
    logger: createLogger("warn", console.error),
    drain: stop.signal,
    stop: stop.signal,
  });
  Deno.exit(0);
}

if (import.meta.main) {
  if (Deno.args[0] === "worker") await work(Deno.args[1], Deno.args[2]);
  else console.log(formatRows("Memory", await benchMemory()));
}
