/**
 * Runs CRC-64/NVME in WebAssembly, twice as fast as in JavaScript. The program sees only its own memory:
 * bytes that lie elsewhere are copied there first, a stretch at a time, which costs a tenth; a block from
 * `takeBlock` lies there already. The memory never grows, so that a block is never moved away. Pure but for
 * that memory.
 */
import {
  crc64Program,
  FAR_DISTANCE,
  FAR_TABLES_AT,
  NEAR_TABLES_AT,
  REGISTER_AT,
  TABLES_END,
} from "./crc64_program.ts";
import { crc64Tables } from "./crc64_script.ts";

const PAGE_BYTES = 64 * 1024;
/**
 * Bytes are copied here, from the tables' end to the end of the first page: they stay in the nearest cache.
 */
const COPY_BYTES = 24 * 1024;
export const BLOCK_BYTES = 1024 * 1024;
/**
 * Enough for two logs that are read at once, each with a block that is read ahead. Those beyond get memory
 * elsewhere. What is never touched takes no memory.
 */
const BLOCKS = 4;

type Run = (low: number, high: number, at: number, end: number) => void;

export class Crc64Machine {
  readonly #memory: Uint8Array<ArrayBuffer>;
  readonly #register: Int32Array;
  readonly #run: Run;
  /**
   * Offsets of the blocks that nobody has; the last given back is the next taken, so that few are touched.
   */
  readonly #free: number[] = [];

  private constructor(memory: ArrayBuffer, run: Run) {
    this.#memory = new Uint8Array(memory);
    this.#register = new Int32Array(memory, REGISTER_AT, 2);
    this.#run = run;
    for (let at = PAGE_BYTES; at < memory.byteLength; at += BLOCK_BYTES) this.#free.push(at);
    this.#fillTables(memory);
  }

  /** Undefined where there is no WebAssembly, or no address space for it, as under `ulimit -v`. */
  static start(): Crc64Machine | undefined {
    const pages = 1 + BLOCKS * (BLOCK_BYTES / PAGE_BYTES);
    try {
      const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
      const module = new WebAssembly.Module(crc64Program(pages));
      const { exports } = new WebAssembly.Instance(module, { self: { memory } });
      return new Crc64Machine(memory.buffer as ArrayBuffer, exports.run as Run);
    } catch {
      // The script gives the same checksums.
      return undefined;
    }
  }

  /** Takes the register on over a stretch of `bytes`; it is then in `low` and `high`. */
  update(low: number, high: number, bytes: Uint8Array, start: number, end: number): void {
    if (this.owns(bytes)) {
      this.#run(low, high, bytes.byteOffset + start, bytes.byteOffset + end);
      return;
    }
    for (let at = start; at < end; at += COPY_BYTES) {
      const count = Math.min(COPY_BYTES, end - at);
      this.#memory.set(count === bytes.length ? bytes : bytes.subarray(at, at + count), TABLES_END);
      this.#run(low, high, TABLES_END, TABLES_END + count);
      low = this.#register[0];
      high = this.#register[1];
    }
  }

  get low(): number {
    return this.#register[0];
  }

  get high(): number {
    return this.#register[1];
  }

  /** A block of 1 MiB in the machine's own memory, with whatever it holds; undefined when all are taken. */
  takeBlock(): Uint8Array<ArrayBuffer> | undefined {
    const at = this.#free.pop();
    return at === undefined ? undefined : new Uint8Array(this.#memory.buffer, at, BLOCK_BYTES);
  }

  owns(bytes: Uint8Array): boolean {
    return bytes.buffer === this.#memory.buffer;
  }

  /** Gives a block back. Whoever still looks at it sees what the next owner writes. */
  giveBack(block: Uint8Array): void {
    if (!this.owns(block) || this.#free.includes(block.byteOffset)) {
      throw new RangeError("Cannot give a block back: it was not taken from here");
    }
    this.#free.push(block.byteOffset);
  }

  #fillTables(memory: ArrayBuffer): void {
    const { low, high } = crc64Tables();
    for (const [tablesAt, distance] of [[NEAR_TABLES_AT, 0], [FAR_TABLES_AT, FAR_DISTANCE]]) {
      const entries = new Int32Array(memory, tablesAt, 8 * 256 * 2);
      for (let i = 0; i < 8 * 256; i++) {
        entries[2 * i] = low[256 * distance + i];
        entries[2 * i + 1] = high[256 * distance + i];
      }
    }
  }
}
