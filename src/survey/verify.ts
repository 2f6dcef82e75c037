/**
 * Reads every byte of one log or archive and says whether it is whole. Of a log that is being written the
 * last record can be half there: what looks damaged is read again, and only what stays as it is is a finding.
 */
import type { Clock } from "../platform/clock.ts";
import type { Files } from "../platform/files.ts";
import { HEADER_BYTES, headerProblem, reservedWord } from "../wal/format.ts";
import type { LogBytes } from "../wal/reader.ts";
import { type DamageExtent, examineDamage } from "./damage.ts";
import { type LogScan, scanBytes } from "./scan.ts";
import { openLog, openPastDamage } from "./open_log.ts";
import { LogTail } from "./tail.ts";
import type { LockOwner } from "../platform/lock_table.ts";
import { ownerOf } from "./log_owner.ts";

export interface Verified extends Omit<LogScan, "ledger"> {
  readonly path: string;
  readonly pending: number;
  readonly sent: number;
  readonly failed: number;
  /** Who has the log open for writing. */
  readonly owner: LockOwner | undefined;
  /** How far the damage reaches; undefined when there is none. */
  readonly extent: DamageExtent | undefined;
  /**
   * The header's reserved word: 0, unless a newer version wrote the log or a bit rotted. It does no harm to
   * anything.
   */
  readonly reservedWord: number;
}

/** A write takes milliseconds; a tail that stays the same for so long is not being written. */
const AGAIN_MS = 100;
const AGAIN_TURNS_MAX = 5;

/** What it takes to read files, and to wait until they have changed. */
interface Waiting {
  readonly files: Files;
  readonly clock: Pick<Clock, "sleep">;
}

/** `watch`: for whoever wants to see how far the first reading is. @throws {LogUnreadableError} */
export async function verifyLog(
  host: Waiting,
  path: string,
  watch?: (bytes: LogBytes, archived: boolean) => LogBytes,
): Promise<Verified> {
  const { files } = host;
  const { bytes, archived } = await openLog(files, path);
  const header = new HeaderWatch();
  const scan = await scanBytes(header.watch(watch?.(bytes, archived) ?? bytes), () => {});
  const owner = archived ? undefined : await ownerOf(files, path);
  const latest = scan.damage && !archived ? await readAgain(host, path, scan, owner) : scan;
  const { ledger, ...rest } = latest;
  const { damage, goodBytes, archiveProblem } = latest;
  const extent = damage &&
    await examineDamage(() => openPastDamage(files, path), { damage, goodBytes, archiveProblem });
  const { pending, sent, failed } = ledger;
  const { reservedWord } = header;
  return { ...rest, path, pending, sent, failed, owner, extent, reservedWord };
}

/** Keeps the header of a log that is read past it. */
class HeaderWatch {
  readonly #header = new Uint8Array(HEADER_BYTES);

  async *watch(bytes: LogBytes): LogBytes {
    let passed = 0;
    for await (const chunk of bytes) {
      if (passed < HEADER_BYTES) this.#header.set(chunk.subarray(0, HEADER_BYTES - passed), passed);
      passed += chunk.length;
      yield chunk;
    }
  }

  get reservedWord(): number {
    return headerProblem(this.#header) === undefined ? reservedWord(this.#header) : 0;
  }
}

/** What the log looks like by now: without damage when its tail has moved on in the meantime. */
async function readAgain(
  { files, clock }: Waiting,
  path: string,
  scan: LogScan,
  owner: LockOwner | undefined,
): Promise<LogScan> {
  using tail = await LogTail.open(files, path);
  tail.skipTo(scan.goodBytes);
  let { records, goodBytes, logBytes } = scan;
  // Without an owner once more is enough: it may have let go just after the first reading.
  for (let turn = 1; turn <= (owner === undefined ? 1 : AGAIN_TURNS_MAX); turn++) {
    const { damage } = await tail.read((record) => {
      scan.ledger.add(record);
      records++;
      goodBytes = record.offset + record.length;
      return Promise.resolve();
    });
    logBytes = Math.max(logBytes, goodBytes);
    // With new records in its place, what is torn now is the next write; otherwise the damage would still be
    // where it was.
    const hasMoved = goodBytes > scan.goodBytes && (damage === undefined || damage.problem === "torn_record");
    if (damage === undefined || (hasMoved && owner !== undefined)) {
      return { ...scan, records, goodBytes, logBytes, damage: undefined };
    }
    if (owner === undefined || turn === AGAIN_TURNS_MAX) {
      return { ...scan, records, goodBytes, logBytes, damage };
    }
    await clock.sleep(AGAIN_MS);
  }
  return scan;
}
