/**
 * Ends some work on a disk in memory at each of its operations in turn, by a kill and by power cuts, and
 * hands every disk that can be found then to a test.
 */
import { FailingFiles } from "./failing_files.ts";
import type { MemoryFiles } from "./memory_files.ts";

/** Bound on the work: more operations mean that it does not end. */
const OPERATIONS_MAX = 5000;
/** Power cuts that leave one part or another, besides those that leave nothing or all that is unsynced. */
const SEEDS = [1, 2, 3, 4];

/**
 * @param makeDisk the disk that the work begins on, the same every time
 * @param work a run of it; it does the same operations every time
 * @param check is given each disk that may be found, which it may change, and how it came about
 * @returns how many operations the work has
 */
export async function crashEverywhere(
  makeDisk: () => MemoryFiles,
  work: (files: FailingFiles) => Promise<unknown>,
  check: (found: MemoryFiles, how: string) => Promise<void>,
): Promise<number> {
  for (let crashAt = 0; crashAt < OPERATIONS_MAX; crashAt++) {
    const disk = makeDisk();
    const files = new FailingFiles(disk, { crashAt });
    try {
      await work(files);
    } catch (error) {
      if (!files.isDead) throw error;
    }
    const at = files.isDead ? `at operation ${crashAt}, ${files.lastLine}` : "after the end";
    await check(disk.restart(), `killed ${at}`);
    await check(disk.crash(() => false), `power cut ${at}, nothing unsynced left`);
    await check(disk.crash(() => true), `power cut ${at}, everything left`);
    for (const seed of SEEDS) await check(disk.crash(chance(seed)), `power cut ${at}, seed ${seed}`);
    if (!files.isDead) return crashAt;
  }
  throw new Error(`the work goes on after ${OPERATIONS_MAX} operations`);
}

/** Even, and the same for the same seed. */
function chance(seed: number): () => boolean {
  let state = Math.imul(seed, 2654435761) >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 31 === 1;
  };
}
