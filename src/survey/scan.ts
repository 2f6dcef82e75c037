/**
 * One pass over a log, wherever its bytes come from: what `wal verify`, `inspect` and `dump` have in common.
 */
import { ArchiveDamagedError } from "../archive/archive_errors.ts";
import type { WalRecord } from "../wal/format.ts";
import type { Ledger, RecordKind } from "../wal/ledger.ts";
import { type LogBytes, scanLog } from "../wal/reader.ts";
import type { Damage } from "../wal/scanner.ts";

export interface LogScan {
  readonly records: number;
  readonly goodBytes: number;
  /** Bytes of the log, uncompressed, those behind damage too as far as they could be had. */
  readonly logBytes: number;
  readonly damage: Damage | undefined;
  /** What is wrong with the archive around the log. */
  readonly archiveProblem: string | undefined;
  readonly ledger: Ledger;
}

/**
 * Damage of an archive ends its log as a cut would: the log has no bytes there, so its problem is
 * `torn_record`, at the first byte that no record covers, whether or not a record had begun.
 */
export async function scanBytes(
  bytes: LogBytes,
  onRecord: (record: WalRecord, kind: RecordKind) => void | Promise<void>,
): Promise<LogScan> {
  let logBytes = 0;
  let archiveProblem: string | undefined;
  const counted = (async function* () {
    try {
      for await (const chunk of bytes) {
        logBytes += chunk.length;
        yield chunk;
      }
    } catch (error) {
      if (!(error instanceof ArchiveDamagedError)) throw error;
      archiveProblem = error.message;
    }
  })();
  const { records, goodBytes, damage, ledger } = await scanLog(counted, onRecord);
  const cut: Damage | undefined = archiveProblem === undefined
    ? undefined
    : { problem: "torn_record", offset: goodBytes };
  return { records, goodBytes, logBytes, damage: damage ?? cut, archiveProblem, ledger };
}
