/**
 * Chunks of any size made into stretches of the size that a decoder asks for.
 */
/**
 * Fits a frame such as ours, incompressible or not, and much more than the largest block, so that little is
 * moved about.
 */
export const INPUT_BYTES_MAX = 1152 * 1024;

export class InputBuffer {
  /** What is buffered lies from `start` to `end`. */
  readonly bytes = new Uint8Array(INPUT_BYTES_MAX);
  start = 0;
  end = 0;
  /** How far into the source `start` is. */
  offset = 0;
  readonly #source: AsyncIterator<Uint8Array>;
  #chunk: Uint8Array = new Uint8Array(0);

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** Buffers at least `count` bytes, at most `INPUT_BYTES_MAX`. False when the source ends before that. */
  async fill(count: number): Promise<boolean> {
    while (this.end - this.start < count) {
      if (this.#chunk.length === 0) {
        const next = await this.#source.next();
        if (next.done) return false;
        this.#chunk = next.value;
      }
      this.#refill(count);
    }
    return true;
  }

  #refill(count: number): void {
    if (this.start + count > this.bytes.length) {
      this.bytes.copyWithin(0, this.start, this.end);
      this.end -= this.start;
      this.start = 0;
    }
    const taken = this.#chunk.subarray(0, this.bytes.length - this.end);
    this.bytes.set(taken, this.end);
    this.end += taken.length;
    this.#chunk = this.#chunk.subarray(taken.length);
  }

  /** A copy of the next `count` bytes, which are buffered, and steps over them. */
  take(count: number): Uint8Array<ArrayBuffer> {
    const taken = this.bytes.slice(this.start, this.start + count);
    this.consume(count);
    return taken;
  }

  /** Steps over buffered bytes. */
  consume(count: number): void {
    this.start += count;
    this.offset += count;
  }

  /** Steps over bytes that need not be buffered. False when the source ends before that. */
  async skip(count: number): Promise<boolean> {
    for (let left = count; left > 0;) {
      if (!(await this.fill(1))) return false;
      const step = Math.min(left, this.end - this.start);
      this.consume(step);
      left -= step;
    }
    return true;
  }

  /** Lets the source release what it holds. */
  async close(): Promise<void> {
    await this.#source.return?.();
  }
}
