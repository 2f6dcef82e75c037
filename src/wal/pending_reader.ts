/**
 * Gives out pending events, from the oldest on: out of memory while what was just written is there, else from
 * the log's file, in one read where their places are known, and by looking through the file where they are
 * not. Beside what `group_memory.ts` keeps, only places are remembered, so it makes no difference to memory
 * whether a kilobyte or a gigabyte is waiting to be sent.
 */
import type { LockedFile } from "../platform/files.ts";
import type { Backlog, Position } from "./backlog.ts";
import { LogReadError } from "./errors.ts";
import { isRecordOf, payloadOf, RECORD_OVERHEAD_BYTES, Status, type WalRecord } from "./format.ts";
import type { GroupMemory } from "./group_memory.ts";
import { Scanner } from "./scanner.ts";

/** An event that the server lacks. Its payload is there until the event is settled, and not longer. */
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
/** Between two events that are read at once there may be others that are settled, of at most this length. */
const GAP_BYTES_MAX = 4096;

export class PendingReader {
  /** Written but not yet synced, while it is little. What does not fit here is found again by reading. */
  #unsynced: WrittenRecord[] = [];

  constructor(
    readonly path: string,
    readonly file: LockedFile,
    readonly backlog: Backlog,
    readonly memory: Pick<GroupMemory, "bytesAt" | "settled">,
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

  /** Some of the events that were given out are settled: nobody looks at their payloads any more. */
  settled(): void {
    this.memory.settled(this.backlog.oldest?.offset ?? this.backlog.soughtBytes);
  }

  async read(limit: PendingLimit): Promise<PendingEvent[]> {
    const places = this.#knownPlaces(limit);
    const events = this.#fromMemory(places);
    if (events.length === places.length && events.length > 0) return events;
    const others = places.length === 0 ? undefined : await this.#fromDisk(places.slice(events.length));
    return others === undefined ? await this.#bySearch(limit) : [...events, ...others];
  }

  /** The oldest events, as many as the limit allows; none where only searching can tell which those are. */
  #knownPlaces(limit: PendingLimit): Readonly<Position>[] {
    const places = this.backlog.oldestOnes(limit.events);
    let bytes = 0;
    for (let count = 0; count < places.length; count++) {
      const { offset, length } = places[count];
      const before = places[count - 1];
      bytes += length - RECORD_OVERHEAD_BYTES;
      if (count > 0 && bytes > limit.bytes) return places.slice(0, count);
      if (before !== undefined && offset - before.offset - before.length > GAP_BYTES_MAX) return [];
    }
    const isWhole = places.length === limit.events || this.backlog.soughtBytes >= this.durableBytes();
    return isWhole ? places : [];
  }

  /** The first of these events, as far as they are in memory. */
  #fromMemory(places: readonly Readonly<Position>[]): PendingEvent[] {
    const events: PendingEvent[] = [];
    for (const { offset, length, sequence, timestampMs } of places) {
      const record = this.memory.bytesAt(offset, length);
      if (record === undefined) break;
      events.push({ sequence, timestampMs, payload: payloadOf(record, 0, length), offset, length });
    }
    return events;
  }

  /** All of these, by one read. Undefined when one of them is not as it was written: searching tells why. */
  async #fromDisk(places: readonly Readonly<Position>[]): Promise<PendingEvent[] | undefined> {
    const start = places[0].offset;
    const last = places[places.length - 1];
    const bytes = new Uint8Array(last.offset + last.length - start);
    for (let done = 0; done < bytes.length;) {
      done += await this.#readBlock(bytes.subarray(done), start + done);
    }
    const events: PendingEvent[] = [];
    for (const { offset, length, sequence, timestampMs } of places) {
      if (!isRecordOf(bytes, offset - start, length, sequence)) return undefined;
      events.push({
        sequence,
        timestampMs,
        payload: payloadOf(bytes, offset - start, length),
        offset,
        length,
      });
    }
    return events;
  }

  /** Looks through the file. */
  async #bySearch(limit: PendingLimit): Promise<PendingEvent[]> {
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
