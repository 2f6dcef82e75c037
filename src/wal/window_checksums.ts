/**
 * The checksum of any stretch of a window of bytes in about the same time, however long the stretch is.
 * Salvage needs it: in garbage every byte may begin something that calls itself a record of megabytes, and to
 * read each of them whole would be quadratic.
 *
 * How: the register after each 32nd byte of the window is kept. A register is a polynomial over GF(2), and n
 * more bytes multiply it by x^(8n), so the register after bytes a to b alone follows from the registers at a
 * and at b.
 */
import { Crc64 } from "../platform/checksum/crc64.ts";
import { advance, product } from "../platform/checksum/crc64_product.ts";
import { CHECKSUM_BYTES, LENGTH_BYTES } from "./format.ts";

const CHECKPOINT_BYTES = 32;
/** Below this length reading the bytes is quicker than the arithmetic. */
const DIRECT_BYTES_MAX = 256;

export class WindowChecksums {
  #bytes: Uint8Array = new Uint8Array();
  #states = new Int32Array(1024);
  /** Registers are known at multiples of `CHECKPOINT_BYTES` up to this one. */
  #checkpoints = 1;
  #crc = new Crc64();

  /** The window's bytes were moved or replaced: what was known of them is forgotten. */
  reset(bytes: Uint8Array): void {
    this.#bytes = bytes;
    // The register before the first byte may be anything; it cancels out.
    this.#states[0] = this.#states[1] = 0;
    this.#checkpoints = 1;
  }

  /** Whether the `length` bytes at `at` carry the checksum that belongs to them, as a record's do. */
  isChecksumRight(at: number, length: number): boolean {
    const start = at + LENGTH_BYTES;
    const end = at + length - CHECKSUM_BYTES;
    const crc = this.#crc;
    if (end - start <= DIRECT_BYTES_MAX) {
      crc.reset();
      crc.update(this.#bytes, start, end);
      return crc.matches(this.#bytes, end);
    }
    this.#registerAt(start);
    advance(~crc.registerLow, ~crc.registerHigh, end - start);
    const low = product.low;
    const high = product.high;
    this.#registerAt(end);
    crc.registerLow ^= low;
    crc.registerHigh ^= high;
    return crc.matches(this.#bytes, end);
  }

  /** Leaves in `#crc` the register after the window's first `at` bytes. */
  #registerAt(at: number): void {
    const wanted = Math.floor(at / CHECKPOINT_BYTES);
    const crc = this.#crc;
    if (wanted >= this.#checkpoints) this.#addCheckpoints(wanted);
    crc.registerLow = this.#states[2 * wanted];
    crc.registerHigh = this.#states[2 * wanted + 1];
    crc.update(this.#bytes, wanted * CHECKPOINT_BYTES, at);
  }

  #addCheckpoints(last: number): void {
    if (2 * last + 1 >= this.#states.length) {
      const larger = new Int32Array(Math.max(2 * this.#states.length, 2 * last + 2));
      larger.set(this.#states);
      this.#states = larger;
    }
    const crc = this.#crc;
    crc.registerLow = this.#states[2 * this.#checkpoints - 2];
    crc.registerHigh = this.#states[2 * this.#checkpoints - 1];
    for (; this.#checkpoints <= last; this.#checkpoints++) {
      const start = (this.#checkpoints - 1) * CHECKPOINT_BYTES;
      crc.update(this.#bytes, start, start + CHECKPOINT_BYTES);
      this.#states[2 * this.#checkpoints] = crc.registerLow;
      this.#states[2 * this.#checkpoints + 1] = crc.registerHigh;
    }
  }
}
