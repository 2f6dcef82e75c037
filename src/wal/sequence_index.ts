/**
 * What the ledger needs once a log's sequences stop rising, which only other writers' logs do: to find an
 * event by its sequence, and to take the pending ones from the lowest on. Everything lies in typed arrays
 * (about 20 bytes an event), and no input makes it slower than n log n: the hash is seeded, and each event
 * enters the heap at most once at a time.
 */

/** Reads an i64 as two halves without making a BigInt of it. */
const scratch = new BigInt64Array(1);
const scratchWords = new Int32Array(scratch.buffer);
/** Little-endian machines, which all that Deno runs on are, keep the low half first. */
const LOW = 0;
const HIGH = 1;

const BUCKETS_MIN = 1024;

export class SequenceIndex {
  /** Slot + 1 in the order of the hash; 0 is free. The size is a power of two, at most half full. */
  #buckets = new Int32Array(BUCKETS_MIN);
  #filled = 0;
  /** Slots, the one with the lowest sequence first. */
  #heap = new Int32Array(BUCKETS_MIN);
  #heapSize = 0;
  #inHeap = new Uint8Array(BUCKETS_MIN);
  #seed: number;
  /** The sequences of all slots, as halves. The owner replaces it when it grows. */
  #words: Int32Array;

  constructor(sequences: BigInt64Array, seed: number) {
    this.#words = new Int32Array(sequences.buffer);
    this.#seed = seed | 0;
  }

  /** To be called when the owner moved its sequences to a larger array. */
  moved(sequences: BigInt64Array): void {
    this.#words = new Int32Array(sequences.buffer);
  }

  find(sequence: bigint): number {
    scratch[0] = sequence;
    return this.#buckets[this.#bucketOf(scratchWords[LOW], scratchWords[HIGH])] - 1;
  }

  insert(slot: number): void {
    if (2 * (this.#filled + 1) > this.#buckets.length) this.#grow();
    this.#buckets[this.#bucketOf(this.#words[2 * slot + LOW], this.#words[2 * slot + HIGH])] = slot + 1;
    this.#filled++;
  }

  /** The bucket that holds this sequence, or the free one where it belongs. */
  #bucketOf(low: number, high: number): number {
    const mask = this.#buckets.length - 1;
    let hash = Math.imul(low ^ this.#seed, 0x9e3779b1) ^ Math.imul(high + this.#seed | 0, 0x85ebca6b);
    hash = Math.imul(hash ^ hash >>> 15, 0x2c1b3c6d);
    hash = Math.imul(hash ^ hash >>> 12, 0x297a2d39);
    for (let bucket = (hash ^ hash >>> 15) & mask;; bucket = (bucket + 1) & mask) {
      const slot = this.#buckets[bucket] - 1;
      if (slot < 0 || (this.#words[2 * slot + LOW] === low && this.#words[2 * slot + HIGH] === high)) {
        return bucket;
      }
    }
  }

  #grow(): void {
    const old = this.#buckets;
    this.#buckets = new Int32Array(2 * old.length);
    for (const entry of old) {
      if (entry === 0) continue;
      const slot = entry - 1;
      this.#buckets[this.#bucketOf(this.#words[2 * slot + LOW], this.#words[2 * slot + HIGH])] = entry;
    }
  }

  /** Puts a slot where `takeThrough` will find it. One that is there already is left where it is. */
  offer(slot: number): void {
    if (slot >= this.#inHeap.length) {
      const larger = new Uint8Array(Math.max(2 * this.#inHeap.length, slot + 1));
      larger.set(this.#inHeap);
      this.#inHeap = larger;
    }
    if (this.#inHeap[slot] !== 0) return;
    this.#inHeap[slot] = 1;
    if (this.#heapSize === this.#heap.length) {
      const larger = new Int32Array(2 * this.#heapSize);
      larger.set(this.#heap);
      this.#heap = larger;
    }
    let at = this.#heapSize++;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.#isBefore(slot, this.#heap[parent])) break;
      this.#heap[at] = this.#heap[parent];
      at = parent;
    }
    this.#heap[at] = slot;
  }

  /** Takes the offered slot with the lowest sequence if that is at most `sequence`; -1 if there is none. */
  takeThrough(sequence: bigint): number {
    if (this.#heapSize === 0) return -1;
    const first = this.#heap[0];
    scratch[0] = sequence;
    const high = this.#words[2 * first + HIGH];
    if (high > scratchWords[HIGH]) return -1;
    if (high === scratchWords[HIGH] && this.#words[2 * first + LOW] >>> 0 > scratchWords[LOW] >>> 0) {
      return -1;
    }
    this.#inHeap[first] = 0;
    const moving = this.#heap[--this.#heapSize];
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= this.#heapSize) break;
      if (child + 1 < this.#heapSize && this.#isBefore(this.#heap[child + 1], this.#heap[child])) child++;
      if (!this.#isBefore(this.#heap[child], moving)) break;
      this.#heap[at] = this.#heap[child];
      at = child;
    }
    this.#heap[at] = moving;
    return first;
  }

  #isBefore(a: number, b: number): boolean {
    const highA = this.#words[2 * a + HIGH];
    const highB = this.#words[2 * b + HIGH];
    if (highA !== highB) return highA < highB;
    return this.#words[2 * a + LOW] >>> 0 < this.#words[2 * b + LOW] >>> 0;
  }
}
