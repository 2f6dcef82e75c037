/**
 * A log in memory, behind the seam through which delivery drives the real one, and a clock that never waits.
 */
import type { PendingEvent, PendingSource } from "../../src/delivery/pending_source.ts";
import type { Clock } from "../../src/platform/clock.ts";

export type LogRecord =
  | { kind: "acknowledged"; sequence: bigint }
  | { kind: "failed"; sequence: bigint; code: string; attempts: number };

export class FakeLog implements PendingSource {
  /** What was recorded, in order. */
  readonly records: LogRecord[] = [];
  readonly #pending: PendingEvent[] = [];
  readonly #waiting = new Set<() => void>();
  #offset = 16;
  #closed = false;
  sealed: Error | undefined;
  /** Called before each record; throws for a write that fails. */
  onWrite: () => void = () => {};
  /** Called with the limits of each read. */
  onRead: (limit: { events: number; bytes: number }) => void = () => {};

  append(sequence: bigint, payload: Uint8Array = new Uint8Array(10)): PendingEvent {
    const length = payload.length + 32;
    const event = { sequence, timestampMs: 0n, payload, offset: this.#offset, length };
    this.#offset += length;
    this.#pending.push(event);
    this.#wake();
    return event;
  }

  close(): void {
    this.#closed = true;
    this.#wake();
  }

  get head(): PendingEvent | undefined {
    return this.#pending[0];
  }

  get pendingSequences(): bigint[] {
    return this.#pending.map(({ sequence }) => sequence);
  }

  get acknowledged(): bigint[] {
    return this.records.filter(({ kind }) => kind === "acknowledged").map(({ sequence }) => sequence);
  }

  get failed(): bigint[] {
    return this.records.filter(({ kind }) => kind === "failed").map(({ sequence }) => sequence);
  }

  pending(limit: { events: number; bytes: number }): Promise<PendingEvent[]> {
    this.onRead(limit);
    let bytes = 0;
    const fits = ({ payload }: PendingEvent, index: number) =>
      index < limit.events && ((bytes += payload.length) <= limit.bytes || index === 0);
    const end = this.#pending.findIndex((event, index) => !fits(event, index));
    return Promise.resolve(end === -1 ? [...this.#pending] : this.#pending.slice(0, end));
  }

  async waitForPending(signal?: AbortSignal): Promise<void> {
    while (this.#pending.length === 0 && !this.#closed && !signal?.aborted) {
      await new Promise<void>((resolve) => {
        this.#waiting.add(resolve);
        signal?.addEventListener("abort", () => resolve(), { once: true });
      });
    }
  }

  acknowledge(events: readonly PendingEvent[]): Promise<void> {
    return this.#write(() => {
      for (const event of events) {
        this.#takeHead(event);
        this.records.push({ kind: "acknowledged", sequence: event.sequence });
      }
    });
  }

  fail(event: PendingEvent, reason: { code: string; message: string; attempts: number }): Promise<void> {
    return this.#write(() => {
      this.#takeHead(event);
      const { code, attempts } = reason;
      this.records.push({ kind: "failed", sequence: event.sequence, code, attempts });
    });
  }

  // deno-lint-ignore require-await -- what it throws is the promise's
  async #write(record: () => void): Promise<void> {
    this.onWrite();
    record();
  }

  #takeHead(event: PendingEvent): void {
    const head = this.#pending.shift();
    if (head?.offset === event.offset) return;
    throw new Error(`Event ${event.sequence} is recorded before ${head?.sequence}, which is older`);
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }
}

/** Time passes when somebody sleeps, and only then. */
export class FakeClock implements Clock {
  timeMs = 0;
  readonly delaysMs: number[] = [];

  nowMs(): number {
    return this.timeMs;
  }

  elapsedMs(): number {
    return this.timeMs;
  }

  sleep(durationMs: number): Promise<void> {
    this.delaysMs.push(durationMs);
    this.timeMs += durationMs;
    return Promise.resolve();
  }
}
