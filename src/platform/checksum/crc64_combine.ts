/**
 * The CRC-64/NVME of two stretches of bytes in a row, from the checksums of both: so that bytes whose
 * checksum is known need not be read again. Pure.
 */
import { advance, product } from "./crc64_product.ts";

/** The checksum of `first` and `second` in a row, by their own; `second` is `secondBytes` long. */
export function combineCrc64(first: bigint, second: bigint, secondBytes: number): bigint {
  return shiftCrc64(first, secondBytes) ^ second;
}

/** What `checksum` contributes to that of a stretch that goes on for another `bytes`. */
export function shiftCrc64(checksum: bigint, bytes: number): bigint {
  if (!Number.isSafeInteger(bytes) || bytes < 0) throw new RangeError(`${bytes} is no number of bytes`);
  advance(Number(checksum & 0xffff_ffffn) | 0, Number(checksum >> 32n) | 0, bytes);
  return BigInt(product.high >>> 0) << 32n | BigInt(product.low >>> 0);
}
