/**
 * Reads a log for `airunner doctor`: what the server lacks, and whether the file is whole. One pass when it is, and nothing is
 * kept of payloads.
 */
import { type CompletionMark, completionMark, completionState } from "../wal/completion.ts";
import { decodeExecution } from "../wal/execution.ts";
import { Ledger, type RecordKind } from "../wal/ledger.ts";
import { PendingTally } from "../wal/pending_tally.ts";
import { readLogFile } from "../wal/reader.ts";
import type { WalRecord } from "../wal/format.ts";
import { type Damage, Scanner } from "../wal/scanner.ts";
import { examineDamage } from "../survey/damage.ts";
import { payloadTypeName } from "../events/event_type.ts";

/** `tail`: what a crash, or a write under way, leaves behind, and the next worker cuts off; `middle`: anything else. */
export interface LogDamage extends Damage {
  readonly where: "tail" | "middle";
}

export interface LogFacts {
  readonly path: string;
  readonly isLocked: boolean;
  readonly bytes: number;
  readonly pending: number;
  readonly failed: number;
  readonly oldestPendingMs: number | undefined;
  /** The job ended, all of it is sent, and the server is not known to have heard how it ended. */
  readonly isCompletionDue: boolean;
  readonly damage: LogDamage | undefined;
}

/**
 * Undefined when `mayGoOn`, which is told of each block that was read, said no on the way.
 * @throws when the file cannot be read
 */
export async function readLogFacts(
  { path, isLocked }: { path: string; isLocked: boolean },
  mayGoOn: (bytes: number) => boolean,
): Promise<LogFacts | undefined> {
  const scanner = new Scanner();
  const ledger = new Ledger();
  const tally = new PendingTally();
  const end = new EndTally();
  let bytes = 0;
  for await (const chunk of readLogFile(path)) {
    bytes += chunk.length;
    for (const record of scanner.push(chunk)) {
      const kind = ledger.add(record);
      tally.add(record, kind);
      end.add(record, kind);
    }
    if (!mayGoOn(chunk.length)) return undefined;
  }
  const { damage, goodBytes } = scanner.finish();
  const { pending, failed } = ledger;
  const oldestPendingMs = tally.sum(ledger).oldestTimestampMs;
  const placed = damage && { ...damage, where: await placeOf(path, damage, goodBytes) };
  const isCompletionDue = pending === 0 && end.isDue;
  return { path, isLocked, bytes, pending, failed, oldestPendingMs, isCompletionDue, damage: placed };
}

class EndTally {
  #hasToken = false;
  #hasEnded = false;
  #mark: CompletionMark | undefined;

  add(record: WalRecord, kind: RecordKind): void {
    if (kind === "execution") this.#hasToken = decodeExecution(record.payload)?.task_token !== undefined;
    else if (kind === "acknowledgement") this.#mark = completionMark(record) ?? this.#mark;
    else if (kind === "event") this.#hasEnded ||= payloadTypeName(record.payload) === "PROCESS_END";
  }

  get isDue(): boolean {
    return completionState({ hasEnded: this.#hasEnded, hasToken: this.#hasToken, mark: this.#mark }) ===
      "due";
  }
}

async function placeOf(path: string, damage: Damage, goodBytes: number): Promise<LogDamage["where"]> {
  const open = () => Promise.resolve(readLogFile(path));
  const { isTornTail } = await examineDamage(open, { damage, goodBytes, archiveProblem: undefined });
  return isTornTail ? "tail" : "middle";
}
