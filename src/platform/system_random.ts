/**
 * The machine's chance.
 */
import type { Random, RandomId } from "./random.ts";

export const systemRandom: Random = Math.random;

export const systemRandomId: RandomId = () => crypto.randomUUID();
