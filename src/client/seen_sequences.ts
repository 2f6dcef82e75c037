/**
 * Remembers sequences, in 8 bytes each while they rise, as they do in every log but a damaged or foreign one.
 */
export class SeenSequences {
  #rising = new BigInt64Array(1024);
  #count = 0;
  /** Takes over at the first sequence that does not rise. */
  #all: Set<bigint> | undefined;

  /** True when the sequence is new. */
  add(sequence: bigint): boolean {
    if (this.#all) {
      const before = this.#all.size;
      return this.#all.add(sequence).size > before;
    }
    if (this.#count > 0 && sequence <= this.#rising[this.#count - 1]) {
      this.#all = new Set(this.#rising.subarray(0, this.#count));
      return this.add(sequence);
    }
    if (this.#count === this.#rising.length) {
      const larger = new BigInt64Array(2 * this.#count);
      larger.set(this.#rising);
      this.#rising = larger;
    }
    this.#rising[this.#count++] = sequence;
    return true;
  }
}
