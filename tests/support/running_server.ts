/**
 * A server with a database of its own, and clients to it, for as long as a test lasts.
 */
import { join } from "node:path";
import { type RunningServer, type ServerOptions, startServer } from "../../src/server/server.ts";
import { collect, connect, type ServerClient, type ServerClientOptions } from "./server_client.ts";
import { systemHost } from "../../src/platform/system_host.ts";
import { SERVER_DEFAULTS } from "./server_defaults.ts";

export class TestServer implements AsyncDisposable {
  readonly directory = Deno.makeTempDirSync({ prefix: "airunner-server-" });
  readonly dataFile = join(this.directory, "server.db");
  readonly #clients: ServerClient[] = [];
  #server!: RunningServer;
  #client!: ServerClient;

  static async start(options: Partial<ServerOptions> = {}): Promise<TestServer> {
    const test = new TestServer();
    await test.start(options);
    return test;
  }

  /** Starts again, on the same database, after `stop`. */
  async start(options: Partial<ServerOptions> = {}): Promise<void> {
    const listen = { hostname: "127.0.0.1", port: 0 };
    this.#server = await startServer({
      ...SERVER_DEFAULTS,
      host: systemHost,
      listen,
      dataFile: this.dataFile,
      ...options,
    });
    this.#client = this.client();
  }

  get url(): string {
    return this.#server.url;
  }

  get jobs(): ServerClient["jobs"] {
    return this.#client.jobs;
  }

  get events(): ServerClient["events"] {
    return this.#client.events;
  }

  get control(): ServerClient["control"] {
    return this.#client.control;
  }

  get workers(): ServerClient["workers"] {
    return this.#client.workers;
  }

  client(options: ServerClientOptions = {}): ServerClient {
    const client = connect(this.url, options);
    this.#clients.push(client);
    return client;
  }

  async enqueue(command = "true"): Promise<string> {
    return (await this.jobs.enqueueJob({ jobParams: { command } })).jobId;
  }

  /** The queue's first job, with its token. */
  async claim(visibilityTimeoutSeconds = 0): Promise<{ jobId: string; taskToken: string }> {
    const [response] = await collect(this.jobs.dequeueJob({ visibilityTimeoutSeconds }));
    return { jobId: response.job!.jobId, taskToken: response.taskToken };
  }

  async stop(): Promise<void> {
    await this.#server.stop();
    for (const client of this.#clients.splice(0)) await client[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    Deno.removeSync(this.directory, { recursive: true });
  }
}
