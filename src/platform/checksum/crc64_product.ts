/**
 * What zero bytes that follow do to a register of CRC-64/NVME: a register is a polynomial over GF(2), and n
 * more bytes multiply it by x^(8n). So the checksum of a whole follows from those of its parts. Pure.
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

const DIGIT_BITS = 12;
const DIGITS = 1 << DIGIT_BITS;
/** x^(8n) for n below 4096, then for multiples of 4096 below 16 Mi. */
let powers: Int32Array | undefined;
/** The one that was asked for last: lengths tend to repeat. */
let powerBytes = 0;
let powerLow = 0;
let powerHigh = 1 << 31;

function buildPowers(): Int32Array {
  const built = new Int32Array(4 * DIGITS);
  const fill = (first: number, stepLow: number, stepHigh: number) => {
    // x^0 is the highest bit alone.
    product.low = 0;
    product.high = 1 << 31;
    for (let i = 0; i < DIGITS; i++) {
      built[2 * (first + i)] = product.low;
      built[2 * (first + i) + 1] = product.high;
      multiply(product.low, product.high, stepLow, stepHigh);
    }
  };
  // x^8, and then x^(8 * 4096), which is what the first run of products arrived at.
  fill(0, 0, 1 << 23);
  fill(DIGITS, product.low, product.high);
  return powers = built;
}

function findPower(byteCount: number): void {
  if (byteCount === powerBytes) return;
  const table = powers ?? buildPowers();
  const small = 2 * (byteCount % DIGITS);
  const large = 2 * (DIGITS + Math.floor(byteCount / DIGITS) % DIGITS);
  multiply(table[small], table[small + 1], table[large], table[large + 1]);
  let { low, high } = product;
  // What is beyond both digits, by x^(8 * 2^24) as often as it takes: gigabytes, which are rare.
  const last = 2 * (2 * DIGITS - 1);
  for (let rest = Math.floor(byteCount / DIGITS / DIGITS); rest > 0; rest--) {
    multiply(low, high, table[last], table[last + 1]);
    multiply(product.low, product.high, table[2 * (DIGITS + 1)], table[2 * (DIGITS + 1) + 1]);
    ({ low, high } = product);
  }
  powerBytes = byteCount;
  powerLow = low;
  powerHigh = high;
}

/** Leaves in the product what `byteCount` zero bytes make of a register. */
export function advance(low: number, high: number, byteCount: number): void {
  findPower(byteCount);
  multiply(low, high, powerLow, powerHigh);
}

/**
 * Turns the register after a whole into the one after the same bytes with another beginning: `before` and
 * `after` are the registers after the beginning that it had and the one that it gets, `bytesBehind` is how
 * much follows.
 */
export function exchangeBeginning(
  whole: Crc64Register,
  { before, after, bytesBehind }: { before: Crc64Register; after: Crc64Register; bytesBehind: number },
): void {
  // What follows takes the same part in both; only what the beginnings become differs.
  advance(before.registerLow ^ after.registerLow, before.registerHigh ^ after.registerHigh, bytesBehind);
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
