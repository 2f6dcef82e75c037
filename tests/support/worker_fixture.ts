/**
 * A worker and a server in one process, over real sockets, processes and files, in a directory of their own.
 */
import "./loaded_zstd.ts";
import { DEFAULT_SETTINGS } from "./worker_settings.ts";
import { systemNetwork } from "../../src/platform/system_network.ts";
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { createServerTransport } from "../../src/client/transport.ts";
import { type JobEvent, outputOf } from "../../src/events/event.ts";
import { type Job, type JobParamsSchema, JobState } from "../../src/events/gen/job/v1/job_pb.ts";
import { runWorker } from "../../src/job/worker.ts";
import type { WorkerOptions, WorkerResult, WorkerSettings } from "../../src/job/worker_options.ts";
import { systemClock } from "../../src/platform/system_clock.ts";
import { FileLock } from "../../src/platform/file_lock.ts";
import { createLogger } from "../../src/platform/logging/text_logger.ts";
import { type RunningServer, startServer } from "../../src/server/server.ts";
import { connect, type ServerClient } from "./server_client.ts";
import { within } from "./within.ts";
import { systemProcesses } from "../../src/platform/system_processes.ts";
import { systemFiles } from "../../src/platform/system_files.ts";
import { systemHost } from "../../src/platform/system_host.ts";
import { SERVER_DEFAULTS } from "./server_defaults.ts";

/**
 * The library with which files are locked stays loaded, so it is loaded before a test begins and not as a
 * leak in one.
 */
function loadFileLock(): void {
  const path = Deno.makeTempFileSync();
  FileLock.acquire(path, { create: false }).release();
  Deno.removeSync(path);
}
loadFileLock();

export type Params = Omit<MessageInitShape<typeof JobParamsSchema>, "$typeName" | "$unknown">;

/** What a test asks for; everything else is as if the user had set nothing, but quicker. */
export type FixtureOptions = Partial<Omit<WorkerOptions, "settings">> & {
  settings?: Partial<WorkerSettings>;
};

/** Everything that waits for a person's sake waits for milliseconds here. */
const QUICK: Partial<WorkerSettings> = {
  backoff: { initialMs: 10, maxMs: 100, factor: 2, jitter: 0 },
  onceWaitMs: 300,
  killGraceMs: 1000,
  pipeGraceMs: 500,
  deliveryGraceMs: 300,
};

export class WorkerFixture implements AsyncDisposable {
  readonly directory = Deno.makeTempDirSync({ prefix: "airunner-worker-" });
  readonly walDir = `${this.directory}/wal`;
  readonly archiveDir = `${this.directory}/archive`;
  #server: RunningServer | undefined;
  #port = 0;
  #client: ServerClient | undefined;
  readonly #workers: StartedWorker[] = [];

  static async start(): Promise<WorkerFixture> {
    const fixture = new WorkerFixture();
    await fixture.bringUp();
    return fixture;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  async bringUp(): Promise<void> {
    const listen = { hostname: "127.0.0.1", port: this.#port };
    this.#server = await startServer({
      ...SERVER_DEFAULTS,
      host: systemHost,
      listen,
      dataFile: `${this.directory}/server.db`,
    });
    this.#port = this.#server.port;
    this.#client = connect(this.url);
  }

  async takeDown(): Promise<void> {
    await this.#client?.[Symbol.asyncDispose]();
    this.#client = undefined;
    await this.#server?.stop();
    this.#server = undefined;
  }

  get client(): ServerClient {
    return this.#client!;
  }

  async submit(jobParams: Params): Promise<string> {
    const { jobId } = await this.client.jobs.enqueueJob({
      requestId: crypto.randomUUID(),
      queue: "default",
      jobParams,
    });
    return jobId;
  }

  submitScript(script: string, more: Params = {}): Promise<string> {
    return this.submit({ command: "sh", args: ["-c", script], ...more });
  }

  startWorker(options: FixtureOptions = {}): StartedWorker {
    const worker = new StartedWorker(this, options);
    this.#workers.push(worker);
    return worker;
  }

  /** Runs a worker until the queue is empty. */
  async runQueue(options: FixtureOptions = {}): Promise<StartedWorker> {
    const worker = this.startWorker({ once: true, ...options });
    const { end } = await worker.ended();
    assert.equal(end, "idle", worker.lines.join("\n"));
    return worker;
  }

  workerOptions(
    more: FixtureOptions,
  ): Omit<WorkerOptions, "logger" | "drain" | "stop" | "transport"> {
    return {
      processes: systemProcesses,
      serverUrl: this.url,
      queue: "default",
      concurrency: 2,
      once: false,
      workerName: "test",
      workerId: crypto.randomUUID(),
      version: "0.0.0",
      walDir: this.walDir,
      archiveDir: this.archiveDir,
      environment: { PATH: Deno.env.get("PATH") ?? "/usr/bin:/bin" },
      files: systemFiles,
      clock: systemClock,
      random: () => 0.5,
      ...more,
      settings: { ...DEFAULT_SETTINGS, ...QUICK, ...more.settings },
    };
  }

  async job(jobId: string): Promise<Job> {
    const { jobs } = await this.client.jobs.listJobs({ queue: "default", pageSize: 100 });
    const job = jobs.find((candidate) => candidate.jobId === jobId);
    assert.ok(job, `The server has no job ${jobId}`);
    return job;
  }

  async state(jobId: string): Promise<string> {
    return JobState[(await this.job(jobId)).state];
  }

  /** The events of the job's history, which has ended: up to its PROCESS_END, or `last`. */
  async events(jobId: string, last: JobEvent["eventData"]["case"] = "processEnd"): Promise<JobEvent[]> {
    const events: JobEvent[] = [];
    const over = new AbortController();
    const reading = this.#readEvents(jobId, last, events, over.signal);
    try {
      await within(reading, () => `${last} of job ${jobId}, of which the server has ${events.length} events`);
    } finally {
      over.abort();
      // Its call is over before the test is.
      await reading.catch(() => {});
    }
    return events;
  }

  async #readEvents(
    jobId: string,
    last: JobEvent["eventData"]["case"],
    events: JobEvent[],
    signal: AbortSignal,
  ): Promise<void> {
    for await (const { event } of this.client.events.streamJobEvents({ jobId }, { signal })) {
      if (event !== undefined) events.push(event);
      if (event?.eventData.case === last) break;
    }
  }

  files(directory: string): string[] {
    return [...Deno.readDirSync(directory)].map((entry) => entry.name).sort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const worker of this.#workers) await worker.end();
    await this.takeDown();
    Deno.removeSync(this.directory, { recursive: true });
  }
}

/** The bytes of an event list's output on all streams, in order. */
export function outputBytes(events: readonly JobEvent[]): Uint8Array {
  return Buffer.concat(events.flatMap((event) => [...outputOf(event)]).map((piece) => piece.bytes));
}

export function outputText(events: readonly JobEvent[]): string {
  return new TextDecoder().decode(outputBytes(events));
}

export function errorsOf(events: readonly JobEvent[]): string[] {
  return events.flatMap(({ eventData }) =>
    eventData.case === "processError" ? [eventData.value.errorMessage] : []
  );
}

export { timestampMs };

export class StartedWorker {
  readonly lines: string[] = [];
  readonly drain = new AbortController();
  readonly stop = new AbortController();
  readonly result: Promise<WorkerResult>;
  #watchers: (() => void)[] = [];
  #mayFail = false;

  constructor(fixture: WorkerFixture, options: FixtureOptions) {
    const own = createServerTransport({ network: systemNetwork, server: fixture.url, clock: systemClock });
    this.result = runWorker({
      transport: own,
      ...fixture.workerOptions(options),
      logger: createLogger("debug", (line) => this.#add(line)),
      drain: this.drain.signal,
      stop: this.stop.signal,
    }).finally(() => {
      own.close();
      this.#add("(the worker has ended)");
    });
    // Met again by whoever waits for it.
    this.result.catch(() => {});
  }

  /** How it ended; fails when it does not. */
  ended(): Promise<WorkerResult> {
    return within(this.result, () => `the worker's end; it has said:\n${this.lines.join("\n")}`);
  }

  /**
   * Resolves with the first line that matches; fails when the worker ends, or much time passes, without one.
   */
  waitFor(pattern: RegExp): Promise<string> {
    return within(this.#waitFor(pattern), () => `a line that matches ${pattern}:\n${this.lines.join("\n")}`);
  }

  async #waitFor(pattern: RegExp): Promise<string> {
    for (;;) {
      const found = this.lines.find((line) => pattern.test(line));
      if (found !== undefined) return found;
      assert.ok(
        !this.lines.at(-1)?.startsWith("(the"),
        `No line matches ${pattern}:\n${this.lines.join("\n")}`,
      );
      await new Promise<void>((resolve) => this.#watchers.push(resolve));
    }
  }

  /** The error that it ends with. */
  async failure(): Promise<unknown> {
    this.#mayFail = true;
    try {
      await this.result;
    } catch (error) {
      return error;
    }
    assert.fail("The worker has not failed");
  }

  /** Ends it at once, if it still runs. Fails when it has failed and nobody has asked for that. */
  async end(): Promise<void> {
    this.stop.abort();
    try {
      await this.result;
    } catch (error) {
      if (!this.#mayFail) throw error;
    }
  }

  #add(line: string): void {
    this.lines.push(line);
    for (const watcher of this.#watchers.splice(0)) watcher();
  }
}
