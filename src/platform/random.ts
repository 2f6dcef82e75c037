/**
 * Randomness as the rest of the program sees it: a seam, so that jitter can be tested with known numbers.
 */

/** A number from 0 (included) to 1 (excluded), evenly spread. */
export type Random = () => number;

export const systemRandom: Random = Math.random;
