/**
 * The CRC-64/NVME of two stretches of bytes in a row, from the checksums of both: so that bytes whose
 * checksum is known need not be read again. Pure.
 *
 * A checksum is a polynomial's remainder, and what follows a stretch multiplies it by a power of x: a linear
 * map of its 64 bits, which for 2^k bytes is kept as eight tables of 256 entries, one for each of its bytes.
 * A length is a sum of such powers, so any of up to 16 MiB takes 24 maps at most, about a microsecond.
 */
import { POLYNOMIAL_HIGH, POLYNOMIAL_LOW } from "./crc64.ts";

/**
 * What becomes of the 64 bits, in halves: entry `256 * n + byte` is for the value `byte` of byte number n.
 */
interface LinearMap {
  low: Int32Array;
  high: Int32Array;
}

/** Number k is for 2^k zero bytes that follow. Made when they are needed. */
const maps: LinearMap[] = [];

/** The checksum of `first` and `second` in a row, by their own; `second` is `secondBytes` long. */
export function combineCrc64(first: bigint, second: bigint, secondBytes: number): bigint {
  return shiftCrc64(first, secondBytes) ^ second;
}

/** What `checksum` contributes to that of a stretch that goes on for another `bytes`. */
export function shiftCrc64(checksum: bigint, bytes: number): bigint {
  if (!Number.isSafeInteger(bytes) || bytes < 0) throw new RangeError(`${bytes} is no number of bytes`);
  let low = Number(checksum & 0xffff_ffffn) | 0;
  let high = Number(checksum >> 32n) | 0;
  for (let k = 0, left = bytes; left > 0; k++, left = Math.floor(left / 2)) {
    if (left % 2 === 0) continue;
    const map = maps[k] ?? makeMap(k);
    [low, high] = [apply(map.low, low, high), apply(map.high, low, high)];
  }
  return BigInt(high >>> 0) << 32n | BigInt(low >>> 0);
}

function apply(half: Int32Array, low: number, high: number): number {
  return half[low & 255] ^ half[256 + (low >>> 8 & 255)] ^ half[512 + (low >>> 16 & 255)] ^
    half[768 + (low >>> 24)] ^ half[1024 + (high & 255)] ^ half[1280 + (high >>> 8 & 255)] ^
    half[1536 + (high >>> 16 & 255)] ^ half[1792 + (high >>> 24)];
}

function makeMap(k: number): LinearMap {
  // In their order, since each is the one before it, twice.
  for (let next = maps.length; next <= k; next++) {
    const before = maps[next - 1];
    maps.push(mapOf((low, high) => {
      if (before === undefined) return afterZeroByte(low, high);
      const [l, h] = [apply(before.low, low, high), apply(before.high, low, high)];
      return [apply(before.low, l, h), apply(before.high, l, h)];
    }));
  }
  return maps[k]!;
}

/** Linear, so that the single bits need be asked for only. */
function mapOf(transform: (low: number, high: number) => [number, number]): LinearMap {
  const map = { low: new Int32Array(8 * 256), high: new Int32Array(8 * 256) };
  for (let bit = 0; bit < 64; bit++) {
    const [low, high] = bit < 32 ? transform(1 << bit, 0) : transform(0, 1 << bit);
    const table = 256 * (bit >> 3);
    const value = 1 << (bit & 7);
    for (let rest = 0; rest < value; rest++) {
      map.low[table + value + rest] = map.low[table + rest] ^ low;
      map.high[table + value + rest] = map.high[table + rest] ^ high;
    }
  }
  return map;
}

function afterZeroByte(low: number, high: number): [number, number] {
  for (let i = 0; i < 8; i++) {
    const carry = -(low & 1);
    low = (low >>> 1 | high << 31) ^ (carry & POLYNOMIAL_LOW);
    high = (high >>> 1) ^ (carry & POLYNOMIAL_HIGH);
  }
  return [low, high];
}
