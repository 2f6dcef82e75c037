/**
 * Randomness as the rest of the program sees it: a seam, so that jitter and ids can be tested with known
 * ones.
 */

/** A number from 0 (included) to 1 (excluded), evenly spread. */
export type Random = () => number;

/** A UUID that nobody can guess (version 4). */
export type RandomId = () => string;

/** Bytes that nobody can guess. */
export type RandomBytes = (length: number) => Uint8Array;
