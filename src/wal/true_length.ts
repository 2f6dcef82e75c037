/**
 * Whether the bytes at a damaged place are a whole record whose length alone is wrong: a record's checksum
 * does not cover its length, so wherever the bytes so far are followed by their own checksum, the record
 * ends, whatever its length says. Pure and incremental, in constant memory; one step a byte.
 *
 * That a record ends where it does not has a chance of 2^-64 a byte, unless a job prints bytes that are made
 * for it.
 */
import { Crc64 } from "../platform/checksum/crc64.ts";
import { LENGTH_BYTES, RECORD_BYTES_MAX, RECORD_OVERHEAD_BYTES } from "./format.ts";

export class TrueLengthSearch {
  /** Lengths, in bytes, that the record would be whole with. Hardly ever more than one. */
  readonly lengths: number[] = [];
  readonly #bytesMax: number;
  #passed = 0;
  #crc = new Crc64();
  /** The last eight bytes, not yet part of the checksum: they may be it. */
  #low = 0;
  #high = 0;

  /** @param bytesMax how far to look, from the record's start on */
  constructor(bytesMax: number = RECORD_BYTES_MAX) {
    this.#bytesMax = Math.min(bytesMax, RECORD_BYTES_MAX);
  }

  get isDone(): boolean {
    return this.#passed >= this.#bytesMax;
  }

  /** The next bytes of the file; the first ones are those of the record's length field. */
  push(bytes: Uint8Array): void {
    const end = Math.min(bytes.length, this.#bytesMax - this.#passed);
    const crc = this.#crc;
    let low = this.#low;
    let high = this.#high;
    let passed = this.#passed;
    let at = Math.min(end, Math.max(0, LENGTH_BYTES - passed));
    passed += at;
    for (; at < end; at++) {
      // What leaves the window of eight bytes was not the checksum.
      if (passed >= LENGTH_BYTES + 8) crc.updateByte(low & 0xff);
      low = low >>> 8 | high << 24;
      high = high >>> 8 | bytes[at] << 24;
      passed++;
      if (passed >= RECORD_OVERHEAD_BYTES && low === ~crc.registerLow && high === ~crc.registerHigh) {
        this.lengths.push(passed);
      }
    }
    this.#low = low;
    this.#high = high;
    this.#passed = passed;
  }
}
