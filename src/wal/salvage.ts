/**
 * Finds the whole, valid records after damage, by trying every byte as the start of one: the length is
 * possible, the file is long enough, and the checksum is right. Pure and incremental; it remembers at most a
 * record and a chunk, and its time grows with the file's size alone, whatever lengths the garbage spells.
 *
 * A record that the output of a job happened to contain is found as well, if what surrounds it is damaged. So
 * what is found is for a person to judge, or reason enough to keep bytes, but never appended to a log by
 * itself.
 */
import { decodeRecord, isPossibleLength, LENGTH_BYTES, readLength, type WalRecord } from "./format.ts";
import { WindowChecksums } from "./window_checksums.ts";

const WINDOW_BYTES_MIN = 64 * 1024;

export class Salvager {
  #window = new Uint8Array(WINDOW_BYTES_MIN);
  #filled = 0;
  /** Everything in the window before this was tried. */
  #tried = 0;
  /** Where in the file the window starts. */
  #windowOffset: number;
  #checksums = new WindowChecksums();

  /** @param offset where in the file the first pushed byte lies: that of the damage */
  constructor(offset: number) {
    this.#windowOffset = offset;
    this.#checksums.reset(this.#window);
  }

  /**
   * The records that are whole with `chunk`, in file order. They alias the window: valid until the next push.
   */
  push(chunk: Uint8Array): WalRecord[] {
    this.#makeRoom(chunk.length);
    this.#window.set(chunk, this.#filled);
    this.#filled += chunk.length;
    return this.#search(false);
  }

  /** The records that remain once it is known that the file ends here. */
  finish(): WalRecord[] {
    return this.#search(true);
  }

  #search(ended: boolean): WalRecord[] {
    const found: WalRecord[] = [];
    const window = this.#window;
    const view = new DataView(window.buffer);
    const last = this.#filled - LENGTH_BYTES;
    let at = this.#tried;
    while (at <= last) {
      const length = readLength(window, at);
      if (!isPossibleLength(length)) {
        at++;
      } else if (at + length > this.#filled) {
        // Only the end of the file proves that this is not a record.
        if (!ended) break;
        at++;
      } else if (this.#checksums.isChecksumRight(at, length)) {
        found.push(decodeRecord(window, view, at, length, this.#windowOffset + at));
        at += length;
      } else {
        at++;
      }
    }
    this.#tried = at;
    return found;
  }

  /**
   * Drops what was tried once that is half of the window, and grows the window only for what is still needed.
   */
  #makeRoom(bytes: number): void {
    const kept = this.#filled - this.#tried;
    if (this.#filled + bytes <= this.#window.length) return;
    const needed = kept + bytes;
    const window = 2 * needed > this.#window.length ? new Uint8Array(2 * needed) : this.#window;
    window.set(this.#window.subarray(this.#tried, this.#filled));
    this.#window = window;
    this.#windowOffset += this.#tried;
    this.#filled = kept;
    this.#tried = 0;
    this.#checksums.reset(window);
  }
}
