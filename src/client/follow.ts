/**
 * Reads a job's events until the job ends: what there is, then what comes. A server that goes away is waited
 * for, and what it did not send is asked for again.
 *
 *     PROCESS_END                        the job has ended; what is missing before it is asked for once more
 *     silence, and the job has ended     (GetJob) the rest is read, and the job ended without PROCESS_END
 *     silence, and it has not            waited for: also for the next execution of one that was interrupted
 *     a gap in the sequences             the stream is opened again from before the gap, `GAP_WAITS_MS` apart
 */
import { type BackoffSettings, nextDelayMs } from "./backoff.ts";
import type { JobEvent } from "../events/event.ts";
import type { Clock } from "../platform/clock.ts";
import type { Random } from "../platform/random.ts";
import type { SequenceRange } from "../events/sequence_gaps.ts";
import { EventPosition } from "./event_position.ts";
import { EventStream, StreamBroken, type StreamClient } from "./event_stream.ts";
import { type AskForFacts, hasEnded, type JobFacts } from "./job_facts.ts";

export interface FollowOptions {
  readonly client: StreamClient;
  readonly jobId: string;
  readonly fromSequence: bigint;
  /**
   * Whether the server has answered before: if not, one that cannot be reached is an error and not waited
   * for.
   */
  readonly wasReached: boolean;
  readonly clock: Clock;
  readonly random: Random;
  readonly facts: AskForFacts;
  /** Called for each event once, in order but for those that came too late for that. */
  onEvent(event: JobEvent): Promise<void>;
  /** A line for the user about the connection or the job. */
  onNotice(line: string): Promise<void>;
}

export interface Followed {
  /** Of the job's command, by its PROCESS_END. Undefined: the job has ended without one. */
  readonly exitCode: number | undefined;
  /** What the server says of the job; asked for only where the events alone do not say it all. */
  readonly facts: JobFacts | undefined;
  /** Sequences that the server did not send, of all executions that were read. */
  readonly missing: readonly SequenceRange[];
  /** Events that the server says it has and did not send, where the job ended without PROCESS_END. */
  readonly notSent: number;
  /** Some events came after those that follow them, and were shown so. */
  readonly isOutOfOrder: boolean;
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

/**
 * After so much silence on a stream the server is asked whether the job has ended, and then after twice as
 * much each time: few jobs end without saying so, and thousands of readers may be waiting.
 */
const ASK_AFTER_MS = 1000;
const ASK_AFTER_MS_MAX = 15_000;

/**
 * How long to wait before each try for what is missing. What a server dropped for a slow reader is there at
 * once. What a worker sends later than what follows it, because the server refused it for a while, is there
 * after some of the worker's own tries, which begin a second apart; what is not there after 8 s is not waited
 * for with everything that follows. Each new event begins the tries anew.
 */
const GAP_WAITS_MS = [0, 250, 500, 1000, 2000, 4000];
/** For jobs that have ended, so that nothing more will come, and after gaps that stayed. */
const GAP_WAITS_SHORT_MS = [0, 250];
/** So many gaps get the long wait. */
const LONG_WAITS_MAX = 3;
/** Before each last try for what is still missing when the job has ended. */
const LAST_WAITS_MS = [0, 1000, 3000];

type StreamEnd = "process_end" | "over" | "again" | "gap" | "skipped";

/** @throws ServerError for what waiting cannot cure */
export async function followJob(options: FollowOptions): Promise<Followed> {
  return await new Following(options).run();
}

class Following {
  readonly #options: FollowOptions;
  readonly #position: EventPosition;
  #reached: boolean;
  #failures = 0;
  #restarts = 0;
  #gapTries = 0;
  #gapsLeft = 0;
  #exitCode: number | undefined;
  #isOutOfOrder = false;
  /** Set once the server has said that the job has ended. */
  #ended: JobFacts | undefined;

  constructor(options: FollowOptions) {
    this.#options = options;
    this.#position = new EventPosition(options.fromSequence);
    this.#reached = options.wasReached;
  }

  async run(): Promise<Followed> {
    for (;;) {
      const end = await this.#readUnlessBroken();
      if (end === "gap" || end === "skipped") await this.#waitForMissing(end);
      else if (end !== "again") break;
    }
    if (this.#position.missing.length > 0) await this.#askForMissing();
    const missing = this.#position.missingOfAll;
    if (missing.length > 0) this.#ended ??= await this.#options.facts();
    return {
      exitCode: this.#exitCode,
      facts: this.#ended,
      missing,
      notSent: this.#exitCode === undefined ? this.#notSent() : 0,
      isOutOfOrder: this.#isOutOfOrder,
    };
  }

  /** Who begins in the middle cannot tell what lies before it from what was not sent. */
  #notSent(): number {
    if (this.#options.fromSequence > 1n || this.#ended === undefined) return 0;
    // What was taken may be another execution's, and nothing of the one that counts.
    const taken = this.#position.isUnproven ? 0 : this.#position.count;
    return Math.max(0, this.#ended.eventCount - taken);
  }

  async #readUnlessBroken(): Promise<StreamEnd> {
    const { client, clock, random, onNotice } = this.#options;
    try {
      return await this.#readStream();
    } catch (error) {
      if (!(error instanceof StreamBroken)) throw error;
      const { cause } = error;
      if (cause && (!cause.mayPass || !this.#reached)) throw cause;
      this.#failures++;
      if (this.#failures === 1) {
        await onNotice(
          `${cause?.message ?? `${client.server} ended the stream`}; waiting for it, no output is lost`,
        );
      }
      await clock.sleep(nextDelayMs(this.#failures, BACKOFF, random));
      return "again";
    }
  }

  async #onReached(): Promise<void> {
    if (this.#failures > 0) {
      const after = this.#position.resumeFrom;
      await this.#options.onNotice(
        `${this.#options.client.server} is back; going on after sequence ${after}`,
      );
    }
    this.#reached = true;
    this.#failures = 0;
  }

  async #readStream(): Promise<StreamEnd> {
    const { client, jobId, clock } = this.#options;
    const position = this.#position;
    // What the server says of the job later may be newer than what this stream has given by then.
    const hadEnded = this.#ended !== undefined;
    position.opened();
    using stream = new EventStream(client, jobId, position.resumeFrom, clock);
    let silentMs = 0;
    for (let waitMs = ASK_AFTER_MS;;) {
      const event = await stream.read(position.isUnproven ? PROOF_MS : waitMs);
      if (event === "ended") throw new StreamBroken(undefined);
      if (event !== "silent") {
        silentMs = 0;
        await this.#onReached();
        const end = await this.#take(event);
        if (end !== undefined) return end;
        continue;
      }
      if (position.isUnproven) {
        if (position.rewind()) return "again";
        // Another execution, of which there is nothing yet, and of one that has ended never will be.
        if (hadEnded) return await this.#overUnlessMoreMayCome();
        await this.#hasEnded();
        return "again";
      }
      if (hadEnded) return await this.#overUnlessMoreMayCome();
      if (await this.#hasEnded()) return "again";
      silentMs += waitMs;
      if (silentMs >= SILENCE_MS) return "again";
      waitMs = Math.min(2 * waitMs, ASK_AFTER_MS_MAX, SILENCE_MS - silentMs);
    }
  }

  /** The end of what a stream gave need not be the end of what the server has. */
  async #overUnlessMoreMayCome(): Promise<"over" | "again"> {
    if (this.#notSent() === 0 || this.#gapTries === GAP_WAITS_MS.length) return "over";
    await this.#options.clock.sleep(GAP_WAITS_MS[this.#gapTries++]);
    return "again";
  }

  async #hasEnded(): Promise<boolean> {
    const facts = await this.#options.facts();
    if (facts === undefined || !hasEnded(facts)) return false;
    this.#ended = facts;
    return true;
  }

  /** What the event means for its stream; undefined to read on. */
  async #take(event: JobEvent): Promise<StreamEnd | undefined> {
    const { onEvent, onNotice } = this.#options;
    const placed = this.#position.place(event);
    if (this.#position.restarts > this.#restarts) {
      this.#restarts = this.#position.restarts;
      this.#gapTries = 0;
      await onNotice("The job was started again; its output follows from the beginning");
    }
    if (placed === "gap" || placed === "skipped") return placed;
    if (placed === "lost") return "again";
    if (placed === "repeated") return undefined;
    this.#gapTries = 0;
    if (placed === "late") this.#isOutOfOrder = true;
    await onEvent(event);
    if (event.eventData.case !== "processEnd") return undefined;
    this.#exitCode = event.eventData.value.exitCode;
    return "process_end";
  }

  /** Waits before the next try for what is missing, or lets reading go on without it. */
  async #waitForMissing(end: "gap" | "skipped"): Promise<void> {
    const { clock } = this.#options;
    // Whether the execution is the one we know shows at its beginning as well, at once.
    if (end === "skipped" && this.#position.rewind()) return;
    const isShort = end === "gap" && (this.#ended !== undefined || this.#gapsLeft >= LONG_WAITS_MAX);
    const waits = isShort ? GAP_WAITS_SHORT_MS : GAP_WAITS_MS;
    if (this.#gapTries < waits.length) {
      await clock.sleep(waits[this.#gapTries++]);
      // Asked only now, because what was dropped for a slow reader is there at the first try.
      if (this.#gapTries > 1) await this.#hasEnded();
      return;
    }
    this.#gapTries = 0;
    this.#gapsLeft++;
    this.#position.goOn(end);
  }

  /** The job has ended, and what came late may have come by now. */
  async #askForMissing(): Promise<void> {
    for (const waitMs of LAST_WAITS_MS) {
      await this.#options.clock.sleep(waitMs);
      try {
        await this.#readMissing();
      } catch (error) {
        // That the server does not answer now is as good as that it does not have them: they are missing.
        if (!(error instanceof StreamBroken)) throw error;
      }
      if (this.#position.missing.length === 0) return;
    }
  }

  async #readMissing(): Promise<void> {
    const { client, jobId, clock, onEvent } = this.#options;
    // Sequences of two executions must not be mixed, and only the latest can be read.
    if (!await this.#isLatestExecution()) return;
    const [lowest] = this.#position.missing;
    using stream = new EventStream(client, jobId, lowest.first, clock);
    while (this.#position.missing.length > 0) {
      const event = await stream.read(PROOF_MS);
      if (event === "silent" || event === "ended") return;
      if (this.#position.isLast(event)) return;
      if (!this.#position.fill(event)) continue;
      this.#isOutOfOrder = true;
      await onEvent(event);
    }
  }

  async #isLatestExecution(): Promise<boolean> {
    const { client, jobId, clock } = this.#options;
    using stream = new EventStream(client, jobId, this.#position.resumeFrom, clock);
    const event = await stream.read(PROOF_MS);
    return event !== "silent" && event !== "ended" && this.#position.isLast(event);
  }
}
