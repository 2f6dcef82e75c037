/**
 * Reads pending events back from the log's file, from the oldest on. Only places are remembered, so it makes
 * no difference to memory whether a kilobyte or a gigabyte is waiting to be sent.
 */
import type { LockedFile } from "../platform/files.ts";
import type { Backlog } from "./backlog.ts";
import { LogReadError } from "./errors.ts";
import { RECORD_OVERHEAD_BYTES, Status, type WalRecord } from "./format.ts";
import { Scanner } from "./scanner.ts";

/** An event that the server lacks. Its payload is the reader's to keep. */
export interface PendingEvent {
  sequence: bigint;
  timestampMs: bigint;
  payload: Uint8Array;
  offset: number;
  length: number;
}

/** How much is given out at a time; `bytes` counts payloads. */
export interface PendingLimit {
  events: number;
  bytes: number;
}

/** A record that was just written, without its payload. */
export interface WrittenRecord {
  offset: number;
  sequence: bigint;
  status: number;
  timestampMs: bigint;
  payloadBytes: number;
}

const BLOCK_BYTES_MIN = 64 * 1024;
const BLOCK_BYTES_MAX = 1024 * 1024;
/**
 * With something to give out, this much more is looked through for the rest: the pending events may lie far
 * apart.
 */
const LOOK_AHEAD_BYTES_MAX = 16 * 1024 * 1024;
/**
 * While fewer places than this are remembered, new events are added to them and need not be looked for later.
 */
const REMEMBERED_MAX = 1024;

export class PendingReader {
  /** Written but not yet synced, while it is little. What does not fit here is found again by reading. */
  #unsynced: WrittenRecord[] = [];

  constructor(
    readonly path: string,
    readonly file: LockedFile,
    readonly backlog: Backlog,
    readonly durableBytes: () => number,
  ) {}

  /**
   * When the oldest pending event happened. Exact as long as `findOldest` is called after events were
   * settled.
   */
  get oldestTimestampMs(): number | undefined {
    const oldest = this.backlog.oldest ?? this.#unsynced.find((record) => record.status === Status.PENDING);
    return oldest === undefined ? undefined : Number(oldest.timestampMs);
  }

  wrote({ offset, sequence, status, timestampMs, payloadBytes }: WrittenRecord): void {
    if (this.#unsynced.length < REMEMBERED_MAX) {
      this.#unsynced.push({ offset, sequence, status, timestampMs, payloadBytes });
    }
  }

  /** Everything written is durable now. */
  synced(): void {
    for (const record of this.#unsynced) {
      if (record.offset !== this.backlog.soughtBytes || this.backlog.windowLength >= REMEMBERED_MAX) break;
      this.backlog.seek({ ...record, length: RECORD_OVERHEAD_BYTES + record.payloadBytes });
    }
    this.#unsynced = [];
  }

  /** Makes sure that the backlog knows the oldest of the pending events, of which there are `count`. */
  async findOldest(count: number): Promise<void> {
    if (count === 0 || this.backlog.oldest !== undefined) return;
    await this.#visitPending(BLOCK_BYTES_MIN, () => false);
  }

  async read(limit: PendingLimit): Promise<PendingEvent[]> {
    const events: PendingEvent[] = [];
    let bytes = 0;
    const blockBytes = Math.min(BLOCK_BYTES_MAX, Math.max(BLOCK_BYTES_MIN, limit.bytes));
    await this.#visitPending(blockBytes, ({ sequence, timestampMs, payload, offset, length }) => {
      // The first event that is too many is visited as well: so the oldest is still known when those before
      // it are settled.
      if (events.length > 0 && (events.length >= limit.events || bytes + payload.length > limit.bytes)) {
        return false;
      }
      events.push({ sequence, timestampMs, payload: payload.slice(), offset, length });
      bytes += payload.length;
      return true;
    });
    return events;
  }

  /**
   * Tells `visit` of pending durable events, oldest first, until it returns false or it is enough for one
   * time.
   */
  async #visitPending(blockBytes: number, visit: (record: WalRecord) => boolean): Promise<void> {
    const { backlog } = this;
    let offset = backlog.oldest?.offset ?? backlog.soughtBytes;
    if (offset >= this.durableBytes()) return;
    const scanner = new Scanner(offset);
    const block = new Uint8Array(blockBytes);
    let firstFound: number | undefined;
    for (let durable; offset < (durable = this.durableBytes());) {
      const count = await this.#readBlock(
        block.subarray(0, Math.min(block.length, durable - offset)),
        offset,
      );
      offset += count;
      for (const record of scanner.push(block.subarray(0, count))) {
        const pending = record.offset < backlog.soughtBytes
          ? backlog.isPending(record.offset)
          : backlog.seek({ ...record, payloadBytes: record.payload.length });
        if (!pending) continue;
        firstFound ??= record.offset;
        if (!visit(record)) return;
      }
      if (scanner.damage !== undefined) {
        throw new LogReadError(
          this.path,
          scanner.damage.offset,
          `${scanner.damage.problem}, although it was written and synced`,
        );
      }
      if (firstFound !== undefined && offset - firstFound > LOOK_AHEAD_BYTES_MAX) return;
    }
  }

  async #readBlock(into: Uint8Array, offset: number): Promise<number> {
    let count;
    try {
      count = await this.file.read(into, offset);
    } catch (cause) {
      throw new LogReadError(this.path, offset, "the disk reports an error", { cause });
    }
    if (count === 0) throw new LogReadError(this.path, offset, "the file was made shorter behind our back");
    return count;
  }
}
