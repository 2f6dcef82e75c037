/**
 * The memory of one log: buffers in which groups of records gather, and the bytes of those that were written
 * last, for as long as their events wait for the server. What is sent at once so needs no reading back.
 *
 * Bounded: `KEPT_BYTES_MAX` for what is kept, two buffers that rest, and the two groups of the log. What does
 * not fit is read back from the disk, as everything is that an earlier process wrote. The oldest bytes stay,
 * for they are asked for next.
 *
 * Memory is used again, because a buffer a group that the garbage collector has to find costs more than
 * everything else that happens to the bytes. A buffer that is used again is moved first
 * (`ArrayBuffer.transfer`), which takes it away from whoever still has a view of it: that is then a TypeError
 * and can never be other bytes than were asked for.
 */

/** Two requests of the sender's: the one under way, and the next. */
export const KEPT_BYTES_MAX = 2 * 1024 * 1024;
/** A typical group of a job that prints lines. */
const BUFFER_BYTES_MIN = 64 * 1024;
/** Buffers that rest: one for each of the log's two groups. */
const RESTING_MAX = 2;
/** A larger one is given back to the system; a batch of output is at most a quarter of this. */
const RESTING_BYTES_MAX = 1024 * 1024;

type Bytes = Uint8Array<ArrayBuffer>;

interface Kept {
  /** Where the bytes lie in the file. */
  readonly offset: number;
  readonly bytes: Bytes;
}

export class GroupMemory {
  /** In file order. */
  #kept: Kept[] = [];
  #keptBytes = 0;
  #resting: Bytes[] = [];

  /** A buffer of at least so many bytes, with anything in it. */
  allocate(bytesMin: number): Bytes {
    const index = this.#resting.findIndex((buffer) => buffer.length >= bytesMin);
    if (index >= 0) return this.#resting.splice(index, 1)[0];
    // Whole steps, so that a batch that is a few bytes longer than the last one finds room in its buffer.
    return new Uint8Array(Math.ceil(Math.max(bytesMin, 1) / BUFFER_BYTES_MIN) * BUFFER_BYTES_MIN);
  }

  /** Takes a buffer that nobody needs any more, for the next group. */
  release(buffer: Bytes): void {
    if (buffer.length < BUFFER_BYTES_MIN || buffer.length > RESTING_BYTES_MAX) return;
    if (this.#resting.length === RESTING_MAX) this.#resting.shift();
    this.#resting.push(new Uint8Array(buffer.buffer.transfer()));
  }

  /**
   * Keeps what was written at `offset`, which rises from call to call. Returns whether it took the memory
   * itself: then it must not be written to any more. A group that leaves most of its buffer empty is copied.
   */
  keep(bytes: Bytes, offset: number): boolean {
    const isTaken = 2 * bytes.length >= bytes.buffer.byteLength;
    const memoryBytes = isTaken ? bytes.buffer.byteLength : bytes.length;
    if (this.#keptBytes + memoryBytes > KEPT_BYTES_MAX) return false;
    this.#kept.push({ offset, bytes: isTaken ? bytes : bytes.slice() });
    this.#keptBytes += memoryBytes;
    return isTaken;
  }

  /**
   * The bytes from `offset` on, if they are kept: so many, or undefined. Valid until `settled` is told that
   * they are needed no longer.
   */
  bytesAt(offset: number, length: number): Bytes | undefined {
    const kept = this.#kept.find((kept) => offset < kept.offset + kept.bytes.length);
    if (kept === undefined || offset < kept.offset) return undefined;
    const start = offset - kept.offset;
    return start + length <= kept.bytes.length ? kept.bytes.subarray(start, start + length) : undefined;
  }

  /** Nothing before `offset` is asked for any more. */
  settled(offset: number): void {
    let count = 0;
    for (const { offset: start, bytes } of this.#kept) {
      if (start + bytes.length > offset) break;
      this.#keptBytes -= bytes.buffer.byteLength;
      this.release(new Uint8Array(bytes.buffer));
      count++;
    }
    this.#kept.splice(0, count);
  }
}
