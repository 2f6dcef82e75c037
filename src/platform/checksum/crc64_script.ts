/**
 * CRC-64/NVME in JavaScript: sixteen bytes a step ("slicing by 16") on pairs of 32-bit integers, about
 * 1.3 GB/s. BigInt would be fifty times slower. It takes short stretches, for which it is as fast as the
 * WebAssembly program, and all of them where that cannot run; and it is what that one is tested against.
 * Pure.
 */

export const POLYNOMIAL_LOW = 0xac4bc9b5 | 0;
export const POLYNOMIAL_HIGH = 0x9a6c9329 | 0;

/**
 * Entry `256 * k + byte` of each is a half of what `byte` in the register becomes when `k` more zero bytes
 * follow.
 */
export interface Crc64Tables {
  low: Int32Array;
  high: Int32Array;
}

/** The script takes sixteen; the WebAssembly program needs those of its far words as well. */
const SLICES = 24;
/**
 * A view over the bytes makes long stretches half as fast again, but takes as long to make as this many bytes
 * to read.
 */
const VIEW_BYTES_MIN = 128;

let tables: Crc64Tables | undefined;

/**
 * Built on first use, in a fraction of a millisecond, so that commands that read no log do not pay for it.
 */
export function crc64Tables(): Crc64Tables {
  return tables ??= buildTables();
}

function buildTables(): Crc64Tables {
  const low = new Int32Array(SLICES * 256);
  const high = new Int32Array(SLICES * 256);
  // Only the eight single bits need the polynomial: the checksum is linear, so other bytes are sums of these.
  let l = POLYNOMIAL_LOW;
  let h = POLYNOMIAL_HIGH;
  for (let bit = 128; bit > 0; bit >>= 1) {
    for (let byte = bit; byte < 256; byte += 2 * bit) {
      low[byte] = low[byte - bit] ^ l;
      high[byte] = high[byte - bit] ^ h;
    }
    const carry = -(l & 1);
    l = (l >>> 1 | h << 31) ^ (carry & POLYNOMIAL_LOW);
    h = (h >>> 1) ^ (carry & POLYNOMIAL_HIGH);
  }
  for (let i = 256; i < low.length; i++) {
    l = low[i - 256];
    h = high[i - 256];
    low[i] = (l >>> 8 | h << 24) ^ low[l & 0xff];
    high[i] = (h >>> 8) ^ high[l & 0xff];
  }
  return { low, high };
}

/** The register before the final exclusive-or, in halves: plain integers, so that nothing is allocated. */
export interface Crc64Register {
  registerLow: number;
  registerHigh: number;
}

/** Takes a register on over a stretch of `bytes`. */
export function runCrc64Script(register: Crc64Register, bytes: Uint8Array, start: number, end: number): void {
  const { low: L, high: H } = tables ?? crc64Tables();
  let at = end - start >= VIEW_BYTES_MIN ? runLong(register, bytes, start, end, L, H) : start;
  let low = register.registerLow;
  let high = register.registerHigh;
  for (const last = end - 8; at <= last; at += 8) {
    const a = low ^ (bytes[at] | bytes[at + 1] << 8 | bytes[at + 2] << 16 | bytes[at + 3] << 24);
    const b = high ^ (bytes[at + 4] | bytes[at + 5] << 8 | bytes[at + 6] << 16 | bytes[at + 7] << 24);
    // The first byte is followed by seven others and so uses table 7, and so on down to table 0.
    const i0 = 1792 + (a & 255),
      i1 = 1536 + (a >>> 8 & 255),
      i2 = 1280 + (a >>> 16 & 255),
      i3 = 1024 + (a >>> 24);
    const i4 = 768 + (b & 255), i5 = 512 + (b >>> 8 & 255), i6 = 256 + (b >>> 16 & 255), i7 = b >>> 24;
    low = L[i0] ^ L[i1] ^ L[i2] ^ L[i3] ^ L[i4] ^ L[i5] ^ L[i6] ^ L[i7];
    high = H[i0] ^ H[i1] ^ H[i2] ^ H[i3] ^ H[i4] ^ H[i5] ^ H[i6] ^ H[i7];
  }
  for (; at < end; at++) {
    const entry = (low ^ bytes[at]) & 255;
    low = (low >>> 8 | high << 24) ^ L[entry];
    high = (high >>> 8) ^ H[entry];
  }
  register.registerLow = low;
  register.registerHigh = high;
}

/** Takes as many steps of sixteen bytes as there are, and returns where it stopped. */
function runLong(
  register: Crc64Register,
  bytes: Uint8Array,
  start: number,
  end: number,
  L: Int32Array,
  H: Int32Array,
): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let low = register.registerLow;
  let high = register.registerHigh;
  let at = start;
  for (const last = end - 16; at <= last; at += 16) {
    const a = low ^ view.getInt32(at, true);
    const b = high ^ view.getInt32(at + 4, true);
    // The register has run out after eight bytes: the others need not wait for it.
    const c = view.getInt32(at + 8, true);
    const d = view.getInt32(at + 12, true);
    const i0 = 3840 + (a & 255),
      i1 = 3584 + (a >>> 8 & 255),
      i2 = 3328 + (a >>> 16 & 255),
      i3 = 3072 + (a >>> 24);
    const i4 = 2816 + (b & 255),
      i5 = 2560 + (b >>> 8 & 255),
      i6 = 2304 + (b >>> 16 & 255),
      i7 = 2048 + (b >>> 24);
    const j0 = 1792 + (c & 255),
      j1 = 1536 + (c >>> 8 & 255),
      j2 = 1280 + (c >>> 16 & 255),
      j3 = 1024 + (c >>> 24);
    const j4 = 768 + (d & 255), j5 = 512 + (d >>> 8 & 255), j6 = 256 + (d >>> 16 & 255), j7 = d >>> 24;
    low = (L[j0] ^ L[j1] ^ L[j2] ^ L[j3] ^ L[j4] ^ L[j5] ^ L[j6] ^ L[j7]) ^
      (L[i0] ^ L[i1] ^ L[i2] ^ L[i3] ^ L[i4] ^ L[i5] ^ L[i6] ^ L[i7]);
    high = (H[j0] ^ H[j1] ^ H[j2] ^ H[j3] ^ H[j4] ^ H[j5] ^ H[j6] ^ H[j7]) ^
      (H[i0] ^ H[i1] ^ H[i2] ^ H[i3] ^ H[i4] ^ H[i5] ^ H[i6] ^ H[i7]);
  }
  register.registerLow = low;
  register.registerHigh = high;
  return at;
}
