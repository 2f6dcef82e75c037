/**
 * A number that no file can have been made for: drawn once a process, for hashes of what comes from outside.
 */

/** From 0 to 2^32 - 1. */
export const HASH_SEED: number = crypto.getRandomValues(new Uint32Array(1))[0];
