/**
 * What a sealed log still has to give. It takes no acknowledgement any more, so what was delivered is only
 * known here, for as long as this run lasts; a later run may deliver it again, which a server takes for what
 * it is.
 */
import type { PendingEvent, PendingSource } from "../delivery/sender.ts";
import type { Files } from "../platform/files.ts";
import { Status } from "../wal/format.ts";
import { readLogFile } from "../wal/reader.ts";
import { Scanner } from "../wal/scanner.ts";

export interface SealedEventsOptions {
  files: Files;
  path: string;
  /** Events that begin before this are settled. */
  fromOffset: number;
  /** What was reported durable; what follows it in the file may never have reached the disk. */
  lastSequence: bigint;
}

/** Reads forward through the file once; it holds no more than what was asked for and one block. */
export class SealedEvents implements PendingSource {
  readonly #events: AsyncGenerator<PendingEvent>;
  #ahead: PendingEvent[] = [];
  #isAtEnd = false;

  constructor(options: SealedEventsOptions) {
    this.#events = durableEvents(options);
  }

  async pending(limit: { events: number; bytes: number }): Promise<PendingEvent[]> {
    let bytes = 0;
    for (let count = 0; count < limit.events; count++) {
      if (count === this.#ahead.length && !await this.#readOne()) return this.#ahead.slice();
      bytes += this.#ahead[count].length;
      if (bytes > limit.bytes) return this.#ahead.slice(0, Math.max(1, count));
    }
    return this.#ahead.slice(0, limit.events);
  }

  /** Nothing is added to a sealed log, so only the signal ends this. */
  waitForPending(signal?: AbortSignal): Promise<void> {
    if (this.#ahead.length > 0 || signal?.aborted) return Promise.resolve();
    return new Promise((resolve) => signal?.addEventListener("abort", () => resolve(), { once: true }));
  }

  // deno-lint-ignore require-await -- as asynchronous as that of a log
  async acknowledge(events: readonly PendingEvent[]): Promise<void> {
    this.#ahead.splice(0, events.length);
  }

  // deno-lint-ignore require-await -- as asynchronous as that of a log
  async fail(event: PendingEvent): Promise<void> {
    this.#ahead = this.#ahead.filter(({ offset }) => offset !== event.offset);
  }

  /** Lets go of the file. */
  async close(): Promise<void> {
    await this.#events.return(undefined);
  }

  async #readOne(): Promise<boolean> {
    if (this.#isAtEnd) return false;
    const next = await this.#events.next();
    if (next.done) this.#isAtEnd = true;
    else this.#ahead.push(next.value);
    return !next.done;
  }
}

async function* durableEvents(
  { files, path, fromOffset, lastSequence }: SealedEventsOptions,
): AsyncGenerator<PendingEvent> {
  const scanner = new Scanner();
  for await (const block of readLogFile(files, path)) {
    for (const record of scanner.push(block)) {
      if (record.sequence > lastSequence) return;
      if (record.offset < fromOffset || record.status !== Status.PENDING) continue;
      const { sequence, timestampMs, offset, length } = record;
      // The scanner's bytes are only valid until its next block.
      yield { sequence, timestampMs, offset, length, payload: record.payload.slice() };
    }
  }
}
