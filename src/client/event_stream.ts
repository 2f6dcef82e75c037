/**
 * One stream of a job's events, read with a bound on every wait: a connection whose other end vanished looks
 * like one that is silent.
 */
import type { JobEvent } from "../events/event.ts";
import type { Clock } from "../platform/clock.ts";
import type { ServerClient } from "./server_client.ts";
import type { ServerError } from "./server_error.ts";

/** The stream ended before the job did; `cause` is missing when the server ended it in order. */
export class StreamBroken extends Error {
  declare cause: ServerError | undefined;
  constructor(cause: ServerError | undefined) {
    super("Stream broken", { cause });
  }
}

export type StreamClient = Pick<ServerClient, "server" | "events" | "convert">;

export class EventStream implements Disposable {
  readonly #clock: Clock;
  readonly #over = new AbortController();
  readonly #events: AsyncGenerator<JobEvent>;
  /** Asked for, and not come yet: silence does not end the asking. */
  #next: Promise<IteratorResult<JobEvent>> | undefined;

  constructor(client: StreamClient, jobId: string, fromSequence: bigint, clock: Clock) {
    this.#clock = clock;
    this.#events = responses(client, jobId, fromSequence, this.#over.signal);
  }

  /** The next event, or what comes instead of one within `waitMs`. @throws StreamBroken */
  async read(waitMs: number): Promise<JobEvent | "silent" | "ended"> {
    const heard = new AbortController();
    const next = this.#next ??= this.#events.next();
    // After silence the stream may be left, and the promise rejects with nobody waiting for it any more.
    next.catch(() => {});
    try {
      const silent = this.#clock.sleep(waitMs, heard.signal).then(() => "silent" as const);
      const result = await Promise.race([next, silent]);
      if (result === "silent") return result;
      this.#next = undefined;
      return result.done ? "ended" : result.value;
    } finally {
      heard.abort();
    }
  }

  /** Leaving a loop does not end the call; its signal does. */
  [Symbol.dispose](): void {
    this.#over.abort();
  }
}

/** The errors of the call, and only these, come as StreamBroken. */
async function* responses(
  client: StreamClient,
  jobId: string,
  fromSequence: bigint,
  signal: AbortSignal,
): AsyncGenerator<JobEvent> {
  try {
    for await (const { event } of client.events().streamJobEvents({ jobId, fromSequence }, { signal })) {
      if (event) yield event;
    }
  } catch (error) {
    throw new StreamBroken(client.convert(error));
  }
}
