/**
 * A worker that watches for cancellations, one message at a time and none of them waited for without a bound.
 */
import type { WatchResponse } from "../../src/events/gen/airunner/v1/airunner_pb.ts";
import type { ServerClient } from "./server_client.ts";
import { within } from "./within.ts";

export interface WatcherOptions {
  id?: string;
  name?: string;
  queue?: string;
  taskTokens?: string[];
}

export class Watcher implements AsyncDisposable {
  readonly #leaving = new AbortController();
  readonly #messages: AsyncIterator<WatchResponse>;

  constructor(client: Pick<ServerClient, "workers">, options: WatcherOptions = {}) {
    const { id = "w-1", name = "host-1", queue = "", taskTokens = [] } = options;
    const worker = { id, name, version: "1.0", queue, concurrency: 4 };
    const { signal } = this.#leaving;
    this.#messages = client.workers.watch({ worker, taskTokens }, { signal })[Symbol.asyncIterator]();
  }

  /** Opens a watch and takes its first message, which says that it is alive. */
  static async open(client: Pick<ServerClient, "workers">, options?: WatcherOptions): Promise<Watcher> {
    const watcher = new Watcher(client, options);
    const first = await watcher.next();
    if (first !== "alive") throw new Error(`The first message is ${first}`);
    return watcher;
  }

  /** `alive`, or a cancellation as `JOB/EXECUTION REASON`. Rejects with the stream's error. */
  async next(): Promise<string> {
    const { done, value } = await within(this.#messages.next(), () => "no message came");
    if (done) return "end";
    const { event } = value;
    if (event.case !== "cancellation") return event.case ?? "nothing";
    return `${event.value.jobId}/${event.value.execution} ${event.value.reason}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#leaving.abort();
    // What is left of the stream ends with the call.
    await this.#messages.next().catch(() => {});
  }
}
