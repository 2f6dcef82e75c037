/**
 * The machine's chance.
 */
import type { Random, RandomBytes, RandomId } from "./random.ts";

export const systemRandom: Random = Math.random;

export const systemRandomId: RandomId = () => crypto.randomUUID();

export const systemRandomBytes: RandomBytes = (length) => crypto.getRandomValues(new Uint8Array(length));
