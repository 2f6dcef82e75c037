/**
 * What waits for the server in a log that another process may be writing. Such a log is looked at whenever it
 * has grown, so the scan of the last few is kept and goes on where it ended: looking costs what was appended
 * since, not the whole log.
 */
import type { ListedFile } from "./directory.ts";
import { LogTally, type Pending } from "./log_tally.ts";
import type { Files } from "../platform/files.ts";
import { Ledger } from "../wal/ledger.ts";
import { Scanner } from "../wal/scanner.ts";

/** Events of all kept scans together; one costs about 30 bytes. */
const KEPT_EVENTS_MAX = 1_000_000;
/** A scan of a small log is quickly done again. */
const KEPT_SCANS_MAX = 16;

const BLOCK_BYTES = 256 * 1024;

interface Scan {
  ledger: Ledger;
  tally: LogTally;
  /** The good records end here: whatever was not whole then is looked at again. */
  goodBytes: number;
}

export class LogScans {
  readonly #files: Files;
  /** By inode, the one used longest ago first. */
  readonly #kept = new Map<string, Scan>();
  #block: Uint8Array | undefined;

  constructor(files: Files) {
    this.#files = files;
  }

  /** One log at a time. @throws {NotFound} and the like when it cannot be read */
  async pendingOf({ path, dev, ino, bytes }: ListedFile): Promise<Pending> {
    const key = `${dev}:${ino}`;
    let scan = this.#kept.get(key);
    this.#kept.delete(key);
    // A log never becomes shorter but by losing its tail on recovery.
    if (scan === undefined || scan.goodBytes > bytes) {
      scan = { ledger: new Ledger(), tally: new LogTally(), goodBytes: 0 };
    }
    await this.#goOn(path, scan);
    this.#kept.set(key, scan);
    this.#forgetSome();
    return scan.tally.pending(scan.ledger);
  }

  async #goOn(path: string, scan: Scan): Promise<void> {
    const block = this.#block ??= new Uint8Array(BLOCK_BYTES);
    const scanner = new Scanner(scan.goodBytes);
    using file = await this.#files.openForReading(path);
    await file.seek(scan.goodBytes);
    for (let count; (count = await file.read(block)) > 0 && scanner.damage === undefined;) {
      for (const record of scanner.push(block.subarray(0, count))) {
        scan.tally.add(record, scan.ledger.add(record));
      }
    }
    scan.goodBytes = scanner.goodBytes;
  }

  #forgetSome(): void {
    let events = 0;
    for (const { ledger } of this.#kept.values()) events += ledger.events;
    for (const [key, { ledger }] of this.#kept) {
      if (events <= KEPT_EVENTS_MAX && this.#kept.size <= KEPT_SCANS_MAX) return;
      this.#kept.delete(key);
      events -= ledger.events;
    }
  }
}
