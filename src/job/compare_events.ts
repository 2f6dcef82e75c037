/**
 * Asks the server whether it has stored the very events that it acknowledged, before the log is given up for
 * delivered: an acknowledgement says that it did, and this that it has them.
 *
 *     the checksums of all ranges are equal                 -> equal
 *     a range differs: divided until its pieces are small
 *         all of the log is there, and more in its gaps     -> equal
 *         something is not                                  -> these pieces are sent again and compared
 *         equal now                                         -> equal
 *         still not                                         -> differs; each such event is named
 *     the server does not know the call, or refuses it      -> unknown
 */
import type { PendingEvent, PendingSource } from "../delivery/sender.ts";
import { type BackoffSettings, nextDelayMs } from "../client/backoff.ts";
import { CallError } from "../client/call_error.ts";
import { type EventsRange, isUnsupported, type WorkerClient } from "../client/worker_client.ts";
import type { Clock } from "../platform/clock.ts";
import type { Files } from "../platform/files.ts";
import type { Logger } from "../platform/logging/logger.ts";
import type { Random } from "../platform/random.ts";
import { StoredEvents } from "../wal/checksum_log.ts";
import type { Log } from "../wal/log.ts";
import { readLogFile } from "../wal/reader.ts";
import { FileEvents } from "./file_events.ts";

export interface CompareOptions {
  server: Pick<WorkerClient, "compare">;
  taskToken: string;
  log: Pick<Log, "path" | "checksummedRanges">;
  files: Files;
  /** Resolves when the server has acknowledged all of these, with whether it has. */
  send(events: PendingSource, signal: AbortSignal): Promise<boolean>;
  /** Told of every refusal. */
  onRefused?(error: CallError): void;
  backoff: BackoffSettings;
  clock: Clock;
  random: Random;
  logger: Logger;
}

export type Comparison = "equal" | "differs" | "unknown" | "aborted";

/** So many at a time a range is divided into. */
const PIECES = 64;
/** What is sent again at once: about a request. */
const SENT_EVENTS_MAX = 64;
/** Of events that stay different, so many are named. */
const NAMED_MAX = 20;

/** A call that was aborted, or refused. */
class GivenUp extends Error {
  constructor(readonly why: "aborted" | "unknown") {
    super(why);
  }
}

export async function compareEvents(options: CompareOptions, signal: AbortSignal): Promise<Comparison> {
  try {
    return await new EventsComparison(options, signal).run();
  } catch (error) {
    if (error instanceof GivenUp) return error.why;
    throw error;
  }
}

/** A range in which the server has other events, and how many. */
interface Difference extends EventsRange {
  readonly theirs: number;
}

class EventsComparison {
  readonly #options: CompareOptions;
  readonly #signal: AbortSignal;
  readonly #stored: StoredEvents;

  constructor(options: CompareOptions, signal: AbortSignal) {
    this.#options = options;
    this.#signal = signal;
    this.#stored = new StoredEvents(() => readLogFile(options.files, options.log.path));
  }

  async run(): Promise<Comparison> {
    const { log, logger } = this.#options;
    // One that was just written knows them; reading another is not worth it for a server without the call.
    let ranges: readonly EventsRange[] | undefined = log.checksummedRanges;
    if (ranges === undefined) {
      await this.#probe();
      ranges = await this.#stored.checksums();
    }
    if (ranges === undefined) return "unknown";
    const differing = await this.#differing(ranges);
    if (differing.length === 0) return "equal";
    const lacking = await this.#withoutMore(await this.#narrowed(differing, SENT_EVENTS_MAX));
    if (lacking.length === 0) return "equal";
    logger.error("The server does not have the events that it acknowledged - sending them again", {
      ...extentOf(lacking),
      path: log.path,
    });
    await this.#send(lacking);
    const events = await this.#withoutMore(await this.#narrowed(await this.#differing(differing), 1));
    if (events.length === 0) {
      logger.warn("The server has all events now, by their checksum", { path: log.path });
      return "equal";
    }
    logger.error(
      "The server has other events than the log, and sending them again does not change it. " +
        "The log stays where it is; compare with: airunner wal inspect",
      {
        path: log.path,
        events: events.length,
        sequences: events.slice(0, NAMED_MAX).map(({ to }) => String(to)).join(" "),
      },
    );
    return "differs";
  }

  /** Asks about nothing, to see whether the server knows the call. */
  async #probe(): Promise<void> {
    await this.#compare({ from: 1n, to: 1n, count: 0, checksum: 0n });
  }

  async #differing(ranges: readonly EventsRange[]): Promise<Difference[]> {
    const differing: Difference[] = [];
    for (const range of ranges) {
      const { isEqual, count } = await this.#compare(range);
      if (!isEqual) differing.push({ ...range, theirs: count });
    }
    return differing;
  }

  /** The pieces of `ranges` that differ, each of at most `eventsMax` events or with none on the server. */
  async #narrowed(ranges: readonly Difference[], eventsMax: number): Promise<Difference[]> {
    const done: Difference[] = [];
    let left = ranges;
    for (;;) {
      const isSmall = ({ count, theirs }: Difference) =>
        count <= eventsMax || (theirs === 0 && eventsMax > 1);
      done.push(...left.filter(isSmall));
      left = left.filter((range) => !isSmall(range));
      if (left.length === 0) return done.sort((a, b) => a.from < b.from ? -1 : 1);
      const most = Math.max(...left.map(({ count }) => count));
      const pieces = await this.#stored.divided(left, Math.max(eventsMax, Math.ceil(most / PIECES)));
      const before = left;
      left = await this.#differing(pieces);
      // The server has something where the log has nothing: there is no piece to blame.
      done.push(
        ...before.filter((whole) => !left.some(({ from, to }) => from >= whole.from && to <= whole.to)),
      );
    }
  }

  /**
   * Without those in which the server has what the log has, and more in its gaps: events that damage took
   * from the log after they had been sent.
   */
  async #withoutMore(ranges: readonly Difference[]): Promise<Difference[]> {
    const more = await this.#narrowed(ranges.filter(({ count, theirs }) => theirs > count), 1);
    // A piece begins behind the event before its own, and so with the gap.
    const alone = more.map((piece) => piece.count === 1 ? { ...piece, from: piece.to } : piece);
    const differing = [
      ...ranges.filter(({ count, theirs }) => theirs <= count),
      ...await this.#differing(alone),
    ];
    return differing.sort((a, b) => a.from < b.from ? -1 : 1);
  }

  async #send(ranges: readonly EventsRange[]): Promise<void> {
    const events = new FileEvents(copies(this.#stored, ranges));
    try {
      if (!await this.#options.send(events, this.#signal)) throw new GivenUp("aborted");
    } finally {
      await events.close();
    }
  }

  async #compare(range: EventsRange): Promise<{ isEqual: boolean; count: number }> {
    const { server, taskToken, backoff, clock, random, logger, onRefused } = this.#options;
    for (let failures = 1; !this.#signal.aborted; failures++) {
      try {
        return await server.compare(taskToken, range, this.#signal);
      } catch (error) {
        if (this.#signal.aborted) break;
        if (!(error instanceof CallError)) throw error;
        if (error.kind === "refused") {
          onRefused?.(error);
          if (!isUnsupported(error)) {
            logger.debug("The server does not compare its events with the log", { error: error.message });
          }
          throw new GivenUp("unknown");
        }
        const delayMs = nextDelayMs(failures, backoff, random, error.retryAfterMs);
        const fields = { error: error.message, code: error.code, delay_ms: delayMs };
        logger.warn("Failed to compare the server's events with the log - retrying", fields);
        await clock.sleep(delayMs, this.#signal);
      }
    }
    throw new GivenUp("aborted");
  }
}

async function* copies(stored: StoredEvents, ranges: readonly EventsRange[]): AsyncGenerator<PendingEvent> {
  for await (const { sequence, timestampMs, payload, offset, length } of stored.events(ranges)) {
    yield { sequence, timestampMs, payload: payload.slice(), offset, length };
  }
}

function extentOf(ranges: readonly Difference[]) {
  return {
    events: ranges.reduce((sum, { count }) => sum + count, 0),
    first_sequence: String(ranges[0].from),
    last_sequence: String(ranges[ranges.length - 1].to),
  };
}
