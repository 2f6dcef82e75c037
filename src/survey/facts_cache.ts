/**
 * What was found out about files, for as long as each is the same file with the same contents. Pure.
 *
 * A file is known by device, inode, size and time of change: logs only grow, and a name may lead to another
 * file tomorrow.
 */
import type { ListedFile } from "./directory.ts";

export interface KnownFacts<Facts> {
  readonly bytes: number;
  readonly mtimeMs: number;
  readonly facts: Facts;
}

/**
 * Kernels stamp changes every few milliseconds: a file that was changed just before it was read may change
 * again under the same stamp.
 */
const SETTLED_MS = 50;

export class FactsCache<Facts> {
  #known: Map<string, KnownFacts<Facts>>;
  #seen = new Map<string, KnownFacts<Facts>>();
  #isChanged = false;

  constructor(known: Iterable<[string, KnownFacts<Facts>]> = []) {
    this.#known = new Map(known);
  }

  /**
   * What is known of the file as it is, or else what `find` finds out, which is remembered. `file` as it was
   * listed, before it is read: one that has grown since is read again next time. What throws is not
   * remembered.
   */
  async of(file: ListedFile, find: (file: ListedFile) => Promise<Facts>, nowMs: number): Promise<Facts> {
    const key = `${file.dev}:${file.ino}`;
    const { bytes, mtimeMs } = file;
    const known = this.#seen.get(key) ?? this.#known.get(key);
    if (known?.bytes === bytes && known.mtimeMs === mtimeMs) {
      this.#seen.set(key, known);
      return known.facts;
    }
    const facts = await find(file);
    if (nowMs - mtimeMs >= SETTLED_MS) {
      this.#seen.set(key, { bytes, mtimeMs, facts });
      this.#isChanged = true;
    }
    return facts;
  }

  /** Forgets the files that nobody asked for since this was last called: they are gone. */
  forgetUnseen(): void {
    this.#isChanged ||= this.#seen.size !== this.#known.size;
    this.#known = this.#seen;
    this.#seen = new Map();
  }

  /** What is known, and whether it is something else than at the beginning. */
  get content(): { readonly known: ReadonlyMap<string, KnownFacts<Facts>>; readonly isChanged: boolean } {
    return { known: this.#known, isChanged: this.#isChanged };
  }
}
