/**
 * One request under way: its body, read under a deadline, and what became of its answer.
 */
import type { Clock } from "../clock.ts";
import { bodyExpiry, type Deadlines, type Expiry } from "./deadlines.ts";

/** The client was too slow with its request. */
export class SlowBodyError extends Error {
  override name = "SlowBodyError";
  constructor(readonly expiry: Expiry, readonly waitedMs: number) {
    super(`The client sent nothing more of its request within ${Math.round(waitedMs / 1000)} s`);
  }
}

/** The client went away before it had sent its whole request. */
export class ClientGoneError extends Error {
  override name = "ClientGoneError";
  constructor(options?: ErrorOptions) {
    super("The client went away before it had sent its whole request", options);
  }
}

/**
 * Into buffers of our own: one that the runtime makes has 64 KiB, and stays with the request after its end,
 * for as long as the answer takes. A request of a few bytes may be answered for hours.
 */
const SMALL_BYTES = 4 * 1024;
/** More at a time is not faster: it is what the kernel hands over at once. */
const LARGE_BYTES = 64 * 1024;

export type HttpHandler = (request: Request, exchange: Exchange) => Response | Promise<Response>;

export class Exchange {
  readonly #request: Request;
  readonly #clock: Clock;
  readonly #sent: () => Promise<boolean>;
  #bytes = 0;
  #waitedMs = 0;
  #wait: { sinceMs: number; fail(error: Error): void } | undefined;
  #isStream = false;
  #wasSent: Promise<boolean> | undefined;

  /** `sent` resolves when the transport is done with the response. */
  constructor(request: Request, clock: Clock, sent: () => Promise<boolean>) {
    this.#request = request;
    this.#clock = clock;
    this.#sent = sent;
  }

  /**
   * Resolves when the answer was handed to the kernel, all of it: true; or when the connection broke first:
   * false. More is not known before the client speaks again. Looked at once, when the answer ends: whoever
   * asks later must not find a connection that was closed since, as all are when the server stops.
   */
  sent(): Promise<boolean> {
    return this.#wasSent ??= this.#sent();
  }

  /**
   * From now on the client may be silent between the parts of its body: it has shown that it may make this
   * call.
   */
  allowSilence(): void {
    this.#isStream = true;
  }

  /** The request's body, to be read once. @throws {SlowBodyError}, {ClientGoneError} */
  async *body(): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    const reader = this.#request.body?.getReader({ mode: "byob" });
    if (reader === undefined) return;
    try {
      for (let length = SMALL_BYTES;;) {
        const { done, value } = await this.#next(reader, new Uint8Array(length));
        if (done) return;
        this.#bytes += value.length;
        length = value.length === length ? LARGE_BYTES : SMALL_BYTES;
        yield value;
      }
    } finally {
      // What is left of it is wanted by nobody. That it can no longer be had is no news either.
      reader.cancel().catch(() => {});
    }
  }

  async #next(reader: ReadableStreamBYOBReader, into: Uint8Array<ArrayBuffer>) {
    const sinceMs = this.#clock.elapsedMs();
    const tooSlow = Promise.withResolvers<never>();
    this.#wait = { sinceMs, fail: tooSlow.reject };
    try {
      const next = reader.read(into).catch((cause) => {
        throw new ClientGoneError({ cause });
      });
      return await Promise.race([next, tooSlow.promise]);
    } finally {
      this.#wait = undefined;
      this.#waitedMs += this.#clock.elapsedMs() - sinceMs;
    }
  }

  /** Gives the request up when its client has been too slow, and says why. */
  expire(deadlines: Deadlines, nowMs: number): Expiry | undefined {
    if (this.#wait === undefined) return undefined;
    const { sinceMs, fail } = this.#wait;
    const wait = { sinceMs, waitedMs: this.#waitedMs, bytes: this.#bytes, isStream: this.#isStream };
    const expiry = bodyExpiry(wait, deadlines, nowMs);
    if (expiry !== undefined) fail(new SlowBodyError(expiry, nowMs - sinceMs));
    return expiry;
  }
}
