/**
 * Reads a job's events until the job ends: what there is, then what comes. A server that goes away is waited
 * for.
 */
import { type BackoffSettings, nextDelayMs } from "./backoff.ts";
import type { JobEvent } from "../events/event.ts";
import type { Clock } from "../platform/clock.ts";
import type { Random } from "../platform/random.ts";
import { EventPosition } from "./event_position.ts";
import type { ServerClient } from "./server_client.ts";
import type { ServerError } from "./server_error.ts";

export interface FollowOptions {
  readonly client: Pick<ServerClient, "server" | "events" | "convert">;
  readonly jobId: string;
  readonly fromSequence: bigint;
  /**
   * Whether the server has answered before: if not, one that cannot be reached is an error and not waited
   * for.
   */
  readonly wasReached: boolean;
  readonly clock: Clock;
  readonly random: Random;
  /** Called for each event once, in order. */
  onEvent(event: JobEvent): Promise<void>;
  /** A line for the user about the connection or the job. */
  onNotice(line: string): Promise<void>;
}

/** Somebody is watching, so that tries come closer together than a worker's. */
const BACKOFF: BackoffSettings = { initialMs: 250, maxMs: 10_000, factor: 2, jitter: 0.5 };

/**
 * A connection whose other end vanished looks like one that is silent. A running job is not: workers send
 * a heartbeat every 30 s. After three of them the stream is opened again, which costs one event.
 */
const SILENCE_MS = 90_000;

/** History comes at once, so an event that was there and is not sent again by now is gone. */
const PROOF_MS = 5000;

/** Resolves to the exit code of the job's command. @throws ServerError for what waiting cannot cure. */
export async function followJob(options: FollowOptions): Promise<number> {
  const { client, clock, random, onNotice } = options;
  const position = new EventPosition(options.fromSequence);
  let reached = options.wasReached;
  let failures = 0;
  const onReached = async () => {
    if (failures > 0) {
      await onNotice(`${client.server} is back; going on after sequence ${position.resumeFrom}`);
    }
    reached = true;
    failures = 0;
  };
  for (;;) {
    try {
      const exitCode = await readStream(options, position, onReached);
      if (exitCode !== undefined) return exitCode;
    } catch (error) {
      if (!(error instanceof StreamBroken)) throw error;
      const { cause } = error;
      if (cause && (!cause.mayPass || !reached)) throw cause;
      failures++;
      if (failures === 1) {
        await onNotice(
          `${cause?.message ?? `${client.server} ended the stream`}; waiting for it, no output is lost`,
        );
      }
      await clock.sleep(nextDelayMs(failures, BACKOFF, random));
    }
  }
}

/** The stream ended before the job did; `cause` is missing when the server ended it in order. */
class StreamBroken extends Error {
  declare cause: ServerError | undefined;
  constructor(cause: ServerError | undefined) {
    super("Stream broken", { cause });
  }
}

/** Resolves to the job's exit code, or undefined when the stream has to be opened again at once. */
async function readStream(
  { client, jobId, clock, onEvent, onNotice }: FollowOptions,
  position: EventPosition,
  onReached: () => Promise<void>,
): Promise<number | undefined> {
  const over = new AbortController();
  position.opened();
  const events = responses(client, jobId, position.resumeFrom, over.signal);
  try {
    for (;;) {
      const next = await withinMs(events.next(), position.isUnproven ? PROOF_MS : SILENCE_MS, clock);
      if (next === "silent") {
        if (position.isUnproven) position.rewind();
        return undefined;
      }
      if (next.done) throw new StreamBroken(undefined);
      await onReached();
      const event = next.value;
      const placed = position.place(event);
      if (placed === "lost") return undefined;
      if (placed === "repeated") continue;
      if (placed === "new_execution") {
        await onNotice("The job was started again; its output follows from the beginning");
      }
      await onEvent(event);
      if (event.eventData.case === "processEnd") return event.eventData.value.exitCode;
    }
  } finally {
    // Leaving the loop does not end the call; its signal does.
    over.abort();
  }
}

/** The events of one stream. The errors of the call, and only these, come as StreamBroken. */
async function* responses(
  client: FollowOptions["client"],
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

/** What comes first: the promise, or silence for `durationMs`. */
async function withinMs<T>(promise: Promise<T>, durationMs: number, clock: Clock): Promise<T | "silent"> {
  const heard = new AbortController();
  // After silence the call is aborted and the promise rejects, with nobody waiting for it any more.
  promise.catch(() => {});
  try {
    return await Promise.race([promise, clock.sleep(durationMs, heard.signal).then(() => "silent" as const)]);
  } finally {
    heard.abort();
  }
}
