/**
 * What zero bytes that follow do to a register of CRC-64/NVME: a register is a polynomial over GF(2), and n more
 * bytes multiply it by x^(8n). So the checksum of a whole follows from those of its parts. Pure.
 */
import type { Crc64Register } from "./crc64_script.ts";
import { POLYNOMIAL_HIGH, POLYNOMIAL_LOW } from "./crc64_script.ts";

/**
 * The result of `multiply`, in halves. The highest bit of a half pair is the coefficient of x^0, as in the
 * checksum.
 */
export const product = { low: 0, high: 0 };

const tableLow = new Int32Array(16);
const tableHigh = new Int32Array(16);
/** What the four lowest bits become when a register is multiplied by x^4. */
const reduceLow = new Int32Array(16);
const reduceHigh = new Int32Array(16);
let isReady = false;

function prepare(): void {
  for (let bits = 0; bits < 16; bits++) {
    let low = bits;
    let high = 0;
    for (let i = 0; i < 4; i++) {
      const carry = -(low & 1);
      low = (low >>> 1 | high << 31) ^ (carry & POLYNOMIAL_LOW);
      high = (high >>> 1) ^ (carry & POLYNOMIAL_HIGH);
    }
    reduceLow[bits] = low;
    reduceHigh[bits] = high;
  }
  isReady = true;
}

/** Leaves x^(8 * byteCount) in the product. */
function findPower(byteCount: number): void {
  // x^0 is the highest bit alone, x^8 the eighth below it.
  let low = 0;
  let high = 1 << 31;
  let powerLow = 0;
  let powerHigh = 1 << 23;
  for (let rest = byteCount; rest > 0; rest = Math.floor(rest / 2)) {
    if (rest % 2 === 1) {
      multiply(low, high, powerLow, powerHigh);
      low = product.low;
      high = product.high;
    }
    multiply(powerLow, powerHigh, powerLow, powerHigh);
    powerLow = product.low;
    powerHigh = product.high;
  }
  product.low = low;
  product.high = high;
}

/**
 * Turns the register after a whole into the one after the same bytes with another beginning: `before` and
 * `after` are the registers after the beginning that it had and the one that it gets, `bytesBehind` is how much
 * follows.
 */
export function exchangeBeginning(
  whole: Crc64Register,
  { before, after, bytesBehind }: { before: Crc64Register; after: Crc64Register; bytesBehind: number },
): void {
  findPower(bytesBehind);
  // What follows takes the same part in both; only what the beginnings become differs.
  multiply(
    before.registerLow ^ after.registerLow,
    before.registerHigh ^ after.registerHigh,
    product.low,
    product.high,
  );
  whole.registerLow ^= product.low;
  whole.registerHigh ^= product.high;
}

/**
 * a * b modulo the polynomial, four bits of `a` at a time, from the highest power down. The result is left in
 * the product.
 */
export function multiply(aLow: number, aHigh: number, bLow: number, bHigh: number): void {
  if (!isReady) prepare();
  // Entry 8 is b itself, 4 is b*x, 2 is b*x^2, 1 is b*x^3; the others are their sums.
  for (let bit = 8; bit > 0; bit >>= 1) {
    tableLow[bit] = bLow;
    tableHigh[bit] = bHigh;
    const carry = -(bLow & 1);
    bLow = (bLow >>> 1 | bHigh << 31) ^ (carry & POLYNOMIAL_LOW);
    bHigh = (bHigh >>> 1) ^ (carry & POLYNOMIAL_HIGH);
  }
  for (let bit = 2; bit <= 8; bit <<= 1) {
    for (let rest = 1; rest < bit; rest++) {
      tableLow[bit + rest] = tableLow[bit] ^ tableLow[rest];
      tableHigh[bit + rest] = tableHigh[bit] ^ tableHigh[rest];
    }
  }
  let low = 0;
  let high = 0;
  for (let half = 0; half < 2; half++) {
    let bits = half === 0 ? aLow : aHigh;
    for (let i = 0; i < 8; i++) {
      const dropped = low & 15;
      const nibble = bits & 15;
      bits >>>= 4;
      low = (low >>> 4 | high << 28) ^ reduceLow[dropped] ^ tableLow[nibble];
      high = (high >>> 4) ^ reduceHigh[dropped] ^ tableHigh[nibble];
    }
  }
  product.low = low;
  product.high = high;
}
